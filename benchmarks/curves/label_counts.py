"""Accuracy by the number of labels: which points a curve has, where they are measured, and the files made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dcgan_features.benchmarks.config.schema import Measurement, Table
from dcgan_features.benchmarks.records.figures import with_pm
from dcgan_features.benchmarks.records.rows import RowResult, write_csv
from dcgan_features.benchmarks.reporting.escaping import markdown_text
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.benchmarks.reporting.plots.label_curves import Curve, Point, write_plot
from dcgan_features.benchmarks.reporting.table import STAND_IN, WARNING, metric_text
from dcgan_features.benchmarks.runner.job import Job
from dcgan_features.benchmarks.runner.resolve import resolve
from dcgan_features.data.dataset import Labels
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import write_text
from dcgan_features.eval.significance import accuracy_interval

COLUMNS = (
    "row", "labels_per_class", "metric", "published", "published_pm", "measured", "sd", "low", "high", "draws", "data",
    "stand_in",
)  # fmt: skip

Line = dict[str, Any]


def label_table(table: Table, preset: str) -> Table:
    """The table `<name>-labels`: the same rows under those of the curve's protocols that the preset does not measure.

    Labels are drawn as often as these protocols say; a row's own number of draws is for the table. Raises `InputError`
    when the preset has no curve.
    """
    chosen = table.presets[preset]
    if not chosen.curve:
        raise InputError(
            f"the preset {preset} of the table {table.name} has no curve; list the protocols of one there under 'curve'"
        )
    others: dict[str, dict[str, Any]] = {name: {} for name in chosen.curve if name not in chosen.protocols}
    changed = chosen.model_copy(update={"protocols": others})
    name, title = f"{table.name}-labels", f"{table.title}, by number of labels"
    rows = [row.model_copy(update={"draws": None, "presets": _without_draws(row.presets)}) for row in table.rows]
    presets = {**table.presets, preset: changed}
    return table.model_copy(update={"name": name, "title": title, "rows": rows, "presets": presets})


def _without_draws(presets: Mapping[str, Measurement]) -> dict[str, Measurement]:
    return {name: changes.model_copy(update={"draws": None}) for name, changes in presets.items()}


class CurveRow:
    """A row of a table whose curve can be drawn: measured under the preset's own protocols.

    main, more : the jobs of the table and of its `label_table`. Raises `InputError` when the row cannot be measured as
    the table says, or has not been.
    """

    def __init__(self, main: Job, extra: Table) -> None:
        self.main, self.more = main, replace(main, table=extra)
        self._resolved = [resolve(job) for job in self.jobs]
        if self._resolved[0].finished() is None:
            raise InputError(
                f"{main.where} is not measured in {main.results} with the preset {main.preset} and these settings; "
                "measure it with the table's own command first"
            )

    @property
    def jobs(self) -> list[Job]:
        """The jobs that make the curve; `more` only where the table's own protocols are not all of it."""
        return [self.main, self.more] if self.more.protocols else [self.main]

    def results(self) -> list[RowResult] | None:
        """The results of the jobs, or None while one of them is not finished."""
        found = [resolved.finished() for resolved in self._resolved]
        results = [result for result in found if result is not None]
        return results if len(results) == len(found) else None

    @property
    def minutes(self) -> float:
        """About how long the other points take: what the table's own fits took."""
        result = self._resolved[0].finished()
        return 0.0 if result is None else sum(item.seconds for item in result.protocols.values()) / 60


def curve_lines(rows: Sequence[CurveRow], labels: Labels) -> list[Line]:
    """The CSV's lines, one a row and point, by row and number of labels; rows that are not finished are left out.

    labels : of the training images, by whose number of classes labelled images are divided; -1 is none.
    """
    lines, classes = [], len(np.unique(labels[labels >= 0]))
    for row in rows:
        results = row.results()
        if results is None:
            continue
        curve = row.main.table.presets[row.main.preset].curve
        found = {name: item for result in results for name, item in result.protocols.items() if name in curve}
        for item in sorted(found.values(), key=lambda item: item.labels):
            low, high = accuracy_interval(item.values, item.low, item.high)
            lines.append(
                {
                    "row": row.main.row,
                    "labels_per_class": round(item.labels / classes),
                    "metric": item.metric,
                    "published": item.published,
                    "published_pm": item.published_pm,
                    "measured": item.measured,
                    "sd": item.sd,
                    "low": low,
                    "high": high,
                    "draws": len(item.values),
                    "data": results[0].data,
                    "stand_in": results[0].stand_in,
                }
            )
    return lines


def write_curves(folder: Path, table: Table, lines: list[Line]) -> None:
    """Write `<table>-labels.csv`, `.md` and `.png` into `folder`; `lines` as `curve_lines` makes them."""
    name = f"{table.name}-labels"
    write_csv(folder / f"{name}.csv", lines, COLUMNS)
    titles = {row.name: row.title for row in table.rows}
    stand_in = any(line["stand_in"] for line in lines)
    title = f"{table.title}, by number of labels" + (f" ({STAND_IN})" if stand_in else "")
    write_text(folder / f"{name}.md", _markdown(name, title, table.metric, titles, lines))
    curves = [
        Curve(titles[row], tuple(_point(line) for line in lines if line["row"] == row))
        for row in dict.fromkeys(line["row"] for line in lines)
    ]
    write_plot(folder / f"{name}.png", curves, title, table.metric, WARNING if stand_in else "")


def _point(line: Line) -> Point:
    published = None if line["stand_in"] else line["published"]  # made-up images compare with nothing published
    return Point(line["labels_per_class"], line["measured"], line["sd"], published, line["published_pm"])


def _markdown(name: str, title: str, metric: str, titles: Mapping[str, str], lines: list[Line]) -> str:
    """Rows by numbers of labels."""
    numbers = sorted({line["labels_per_class"] for line in lines})
    by_place = {(line["row"], line["labels_per_class"]): line for line in lines}
    draws = [_draws(line["draws"] for line in lines if line["labels_per_class"] == number) for number in numbers]
    cells = [["label draws", *draws]]
    for row in dict.fromkeys(line["row"] for line in lines):
        found = [by_place.get((row, number)) for number in numbers]
        texts = ["" if line is None else with_pm(line["measured"], line["sd"], 2) for line in found]
        cells.append([titles[row], *texts])
    text = [f"# {markdown_text(title)}", ""]
    if any(line["stand_in"] for line in lines):
        text += [f"**{WARNING}**", ""]
    text += [
        f"{metric_text(metric, 'the whole test set')}. By labelled images a class: mean ± standard deviation over "
        "label draws. Features are the same at every point; the classifier alone sees labels, and chooses C inside "
        "them.",
        "",
        *markdown_table(["Labels a class", *(f"{number:,}" for number in numbers)], cells),
        "",
        f"![{markdown_text(title)}]({name}.png)",
    ]
    return "\n".join(text) + "\n"


def _draws(numbers: Iterable[int]) -> str:
    """How many draws the rows were given: a number, or the smallest and the largest where they differ."""
    found = sorted(set(numbers))
    return str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"
