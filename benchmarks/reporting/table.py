"""A table as files: CSV, Markdown, LaTeX and JSON, all made from the same lines."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate  # type: ignore[import-untyped]

from dcgan_features.benchmarks.records.figures import interval, rounded, with_pm
from dcgan_features.benchmarks.records.reading import read_rows
from dcgan_features.benchmarks.records.rows import (
    Outline,
    ProtocolResult,
    RowResult,
    read_outline,
    table_lines,
    write_csv,
)
from dcgan_features.benchmarks.reporting.controls import add_controls
from dcgan_features.benchmarks.reporting.escaping import markdown_text, one_line
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.benchmarks.reporting.trainings import trainings_section
from dcgan_features.data.utils.files import write_text
from dcgan_features.data.utils.formats import write_sealed

NOT_MEASURED = "not measured"
STAND_IN = "stand-in"
WARNING = "Measured on a built-in stand-in, made-up images: the figures say that the code works, and nothing else."

Line = dict[str, Any]


@dataclass(frozen=True)
class Report:
    """A table with its results by row, the lines that every form of the report is made from, and where it all lies."""

    outline: Outline
    results: dict[str, RowResult]
    lines: list[Line]
    folder: Path

    @property
    def stand_in(self) -> bool:
        """Whether any line is a stand-in's."""
        return any(line["stand_in"] for line in self.lines)

    @property
    def title(self) -> str:
        """The table's title, marked when any line is a stand-in's."""
        return table_title(self.outline, self.lines)


def read_report(path: Path) -> Report:
    """The report of the table whose outline lies at `path`, `<results>/<table>.json`, its rows beside it.

    Raises `InputError` for damaged files.
    """
    outline = read_outline(path)
    results = read_rows(path.parent, outline)
    return Report(outline, results, report_lines(outline, results, path.parent), path.parent)


def measured_text(line: Line) -> str:
    """The measured figure with the standard deviation over draws; says when it is a stand-in's or absent."""
    if line["measured"] is None:
        return NOT_MEASURED
    mark = f" ({STAND_IN})" if line["stand_in"] else ""
    return with_pm(line["measured"], line["sd"], 2) + mark


def difference_text(line: Line) -> str:
    """Measured less published, with its sign; empty where they are not comparable."""
    if line["measured"] is None or line["published"] is None or line["stand_in"]:
        return ""
    return rounded(line["measured"] - line["published"], sign=True)


def control_text(line: Line) -> str:
    """The difference from the row's control, with its interval, and what the adjusted test says of it."""
    if line["control_verdict"] is None:
        return ""
    bounds = interval(line["control_low"], line["control_high"], sign=True)
    return f"{rounded(line['control_difference'], sign=True)} ({bounds}), {line['control_verdict']}"


def report_lines(outline: Outline, results: dict[str, RowResult], folder: Path) -> list[Line]:
    """The lines that every form of the report is made from, each row compared with its control; `folder` has both."""
    lines = table_lines(outline, results)
    add_controls(lines, outline, results, folder)
    return lines


def protocol_text(outline: Outline, line: Line) -> str:
    """The protocol's title; one that the table no longer knows shows its name."""
    return outline.titles.get(line["protocol"], str(line["protocol"]))


def table_title(outline: Outline, lines: list[Line]) -> str:
    """The title, marked when any line is a stand-in's."""
    return outline.title + (f" ({STAND_IN})" if any(line["stand_in"] for line in lines) else "")


def write_table(
    outline: Outline, results: dict[str, RowResult], folder: Path, measured_in: Path | None = None
) -> list[Line]:
    """Write `<name>.csv`, `.md` and `.json` into `folder`; return the lines.

    measured_in : folder of the results; None is `folder`.
    """
    lines = report_lines(outline, results, measured_in or folder)
    write_csv(folder / f"{outline.name}.csv", lines)
    write_text(folder / f"{outline.name}.md", markdown(outline, results, lines))
    content = {"title": table_title(outline, lines), "lines": lines, "outline": outline.model_dump()}
    write_sealed(folder / f"{outline.name}.json", content)
    return lines


GROUPS = {"published": "Published rows", "control": "Their controls", "beyond": "Beyond the paper"}
_HEADINGS = [
    "Row", "Labels", "Published", "Measured", "Difference", "95% interval", "Against its control", "Features", "Minutes"
]  # fmt: skip
_TEXT = (0, 1, 6)  # columns of words, not figures
_ABOUT_HEADINGS = [
    "Row", "Learned without labels from", "Images", "Seeds", "Units", "Features", "Views", "C at an end"
]  # fmt: skip


def _cells(outline: Outline, lines: list[Line]) -> list[list[str]]:
    """What Markdown and LaTeX show of each line."""
    titles = {row.name: row.title for row in outline.rows}
    return [
        [
            titles[line["row"]],
            protocol_text(outline, line),
            with_pm(line["published"], line["published_pm"]),
            measured_text(line),
            difference_text(line),
            "" if line["low"] is None else interval(line["low"], line["high"]),
            control_text(line),
            _count(line["features"]),
            "" if line["seconds"] is None else rounded(line["seconds"] / 60, 1),
        ]
        for line in lines
    ]


def _about_cells(outline: Outline, lines: list[Line]) -> list[list[str]]:
    """What is known of each measured row, whatever its labels."""
    cells = []
    for row in outline.rows:
        own = [line for line in lines if line["row"] == row.name and line["measured"] is not None]
        if not own:
            continue
        fits = [line for line in own if line["C_at_end"] is not None]
        at_end = f"{sum(line['C_at_end'] for line in fits)} of {sum(line['draws'] for line in fits)} fits"
        numbers = [
            _count(own[0][name]) for name in ("unlabelled_images", "training_seeds", "units", "features", "views")
        ]
        cells.append([row.title, own[0]["unlabelled"], *numbers, at_end if fits else ""])
    return cells


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def grouped(outline: Outline, lines: list[Line]) -> dict[str, list[Line]]:
    """The lines by the title of their row's group, in the order of the groups; "" where the table has none."""
    groups = {row.name: row.group for row in outline.rows}
    found = {title: [line for line in lines if groups[line["row"]] == name] for name, title in GROUPS.items()}
    found[""] = [line for line in lines if groups[line["row"]] is None]
    return {title: own for title, own in found.items() if own}


def markdown(outline: Outline, results: dict[str, RowResult], lines: list[Line]) -> str:
    """The table with each row's source and deviations below it."""
    text = [f"# {markdown_text(table_title(outline, lines))}", ""]
    if any(line["stand_in"] for line in lines):
        text += [f"**{WARNING}**", ""]
    text += [
        f"{metric_text(outline.metric)}. Measured: mean ± standard deviation over label draws; the 95% interval "
        "is over label draws and test images. Against its control: the difference from the row that is named as its "
        "control below, image by image on the same label draws, with its 95% interval and the verdict of the test, "
        "adjusted after Holm for the table's comparisons under the same labels. Minutes: training, features, fits of "
        "the line.",
    ]
    for title, own in grouped(outline, lines).items():
        text += ["", *([f"## {title}", ""] if title else []), *results_table(outline, own)]
    about = _about_cells(outline, lines)
    if about:
        text += ["", "## What each row is made of", ""]
        text += [
            "Seeds: trainings that the figures are of. Units: maps or units of the widest layer. Views: versions of a "
            "test image that its features are made of. C at an end: fits that chose the smallest or largest C tried.",
            "",
            *markdown_table(_ABOUT_HEADINGS, about, text_columns=2),
        ]
    text += trainings_section(outline, results)
    for row in outline.rows:
        result = results.get(row.name)
        text += ["", f"## {markdown_text(row.title)} (`{row.name}`)", ""]
        text += [markdown_text(part) for part in (row.citation, row.note) if part]
        text += [f"Compared with the row `{row.control}`."] if row.control is not None else []
        if result is None:
            text.append(f"{NOT_MEASURED.capitalize()}.")
            continue
        if result.stand_in:
            text.append(f"Measured on a {STAND_IN}: {markdown_text(result.data_note)}.")
        text += [
            f"- data: {markdown_text(result.data)}, SHA-256 {result.digests['data']}",
            f"- learnt without labels from: {markdown_text(result.unlabelled)}",
            f"- {result.features['count']:,} features, {result.features['dtype']}; {result.device}; "
            f"peak {result.peak_gib:.2f} GiB; preset {result.preset}; commit {result.commit or 'unknown'}",
        ]
        for name, found in result.protocols.items():
            text.append(f"- {markdown_text(outline.titles.get(name, name))}: {markdown_text(draws_text(found))}")
        text += [f"- deviation: {markdown_text(deviation)}" for deviation in result.deviations]
    return "\n".join(text) + "\n"


def metric_text(metric: str, images: str = "") -> str:
    """What the figures are, on which images if these are named, and which way they are meant."""
    text = f"{metric.capitalize()} in percent" + (f" on {images}" if images else "")
    return f"{text}: lower is better" if metric == "error" else text


def draws_text(found: ProtocolResult) -> str:
    """Over how many draws a figure was taken, its spread both ways that it is printed, and what was chosen how."""
    parts = [rounded(found.measured)]
    if found.sd is not None and found.pm is not None:
        parts.append(f"sd {rounded(found.sd)} and 1.96 sd {rounded(found.pm)} over {len(found.values)} label draws")
    if found.scored_on == "validation":
        parts.append(f"on the {found.test_images:,} validation images")
    if found.settings is not None:
        chosen = ", ".join(f"{name} {value}" for name, value in found.settings.items())
        error = min(trial.error for trial in found.trials)
        parts.append(
            f"{chosen}: the best of {len(found.trials)} trials on validation images, {rounded(error)}% error there"
        )
    return "; ".join(parts)


def results_table(outline: Outline, lines: list[Line], leave_out: Collection[str] = ()) -> list[str]:
    """The lines as a table in Markdown, without the columns headed as in `leave_out`."""
    kept = [number for number, heading in enumerate(_HEADINGS) if heading not in leave_out]
    cells = [[row[number] for number in kept] for row in _cells(outline, lines)]
    text = [place for place, number in enumerate(kept) if number in _TEXT]
    return markdown_table([_HEADINGS[number] for number in kept], cells, text)


_SIGNS = {"\u2212": "$-$", "±": "$\\pm$"}  # as LaTeX writes them


def latex(outline: Outline, lines: list[Line]) -> str:
    """The table for a paper that loads booktabs."""
    cells = [[re.sub("^-", "\u2212", one_line(cell)) for cell in row] for row in _cells(outline, lines)]
    align = ["left" if column in _TEXT else "right" for column in range(len(_HEADINGS))]
    table = tabulate(cells, _HEADINGS, tablefmt="latex_booktabs", disable_numparse=True, colalign=align)
    for sign, command in _SIGNS.items():
        table = table.replace(sign, command)
    text = [f"% {one_line(table_title(outline, lines))}; needs \\usepackage{{booktabs}}", table]
    if any(line["stand_in"] for line in lines):
        text.append(f"\\par {WARNING}")
    return "\n".join(text) + "\n"
