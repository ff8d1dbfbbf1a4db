"""A table on the screen: as wide as the terminal allows, plain where there is none."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from dcgan_features.benchmarks.records.figures import interval, rounded, with_pm
from dcgan_features.benchmarks.records.rows import Outline
from dcgan_features.benchmarks.reporting.diff import Change, cells
from dcgan_features.benchmarks.reporting.table import (
    WARNING,
    difference_text,
    measured_text,
    protocol_text,
    table_title,
)
from dcgan_features.data.utils.cli import duration

_WIDE = 110  # columns from which everything is shown


def print_table(outline: Outline, lines: list[dict[str, Any]], console: Console | None = None) -> None:
    """Print published and measured side by side, with the difference."""
    console = console or Console()
    wide = console.width >= _WIDE
    grid = Grid(
        box=None,
        padding=(0, 1),
        pad_edge=False,
    )
    grid.add_column("row", min_width=14)
    grid.add_column("labels", no_wrap=True)
    for heading in ("published", "measured", "diff."):
        grid.add_column(heading, justify="right", no_wrap=heading != "measured")
    if wide:
        for heading in ("95% interval", "draws", "time", "GiB"):
            grid.add_column(heading, justify="right", no_wrap=True)
    titles = {row.name: row.title for row in outline.rows}
    last = None
    for line in lines:
        name = line["row"]
        cells = [
            (titles[name] if wide else name) if name != last or not console.is_terminal else "",
            protocol_text(outline, line),
            with_pm(line["published"], line["published_pm"]),
            measured_text(line),
            difference_text(line),
        ]
        if wide and line["measured"] is not None:
            cells += [
                interval(line["low"], line["high"]),
                str(line["draws"]),
                duration(line["seconds"]),
                rounded(line["peak_gib"], 1),
            ]
        grid.add_row(*map(Text, cells))
        last = name
    console.print(Text(table_title(outline, lines), style="bold"))
    console.print(grid)
    if any(line["stand_in"] for line in lines):
        console.print(Text(WARNING))


def print_changes(changes: list[Change], console: Console | None = None) -> None:
    """Print each figure before and now, and whether the change is beyond its interval."""
    console = console or Console()
    grid = Grid(box=None, padding=(0, 1), pad_edge=False)
    headings = ["row", "labels", "before", "now", "change", "95% interval", "verdict"]
    shown = [number for number, name in enumerate(headings) if name != "95% interval" or console.width >= _WIDE]
    for number in shown:
        words = headings[number] in ("row", "labels", "verdict")
        grid.add_column(headings[number], justify="left" if words else "right", no_wrap=number > 0)
    for change in changes:
        texts = [change.row, *cells(change)[2:]]
        grid.add_row(*(Text(texts[number]) for number in shown))
    console.print(Text("What changed", style="bold"))
    console.print(grid)
