"""Further measurements of a table, each a CSV beside it: label curves, layers, training, or whatever was measured.

`<table>-<name>.csv` has a line a measurement. What was measured stands in `measured`, with `sd` or `low` and `high`
where they are known; of the other columns those that vary are what it depends on. The first of them, `row` and
`protocol` aside, goes along the horizontal axis, `protocol` makes one chart each, and the rest name the lines. A column
that says the same as the first in other words is left out.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from dcgan_features.benchmarks.reporting.html import paired
from dcgan_features.benchmarks.reporting.html.charts import Axes, Point, Series, line_chart
from dcgan_features.benchmarks.reporting.html.csv_file import Line, number, read_lines

# Columns that say something of a measurement, not what it depends on.
_ABOUT = {
    "metric", "measured", "sd", "pm", "low", "high", "draws", "seconds", "peak_gib", "device", "data", "stand_in",
    "published", "published_pm", "difference", "deviations", "unlabelled", "commit", "versions", "test_images",
    "identity", "features", "finished", "real_images",
}  # fmt: skip
_LABELS = {
    "labels": "Labelled images", "per_class": "Labels a class", "labels_per_class": "Labels a class",
    "images_seen": "Images seen in training", "C": "C",
}  # fmt: skip
_TITLES = {"labels": "How accuracy grows with the labels", "layers": "Accuracy by layer", "training": "Over training"}
_MOST_LINES = 12


def study_views(folder: Path, table: str, rows: dict[str, str], protocols: dict[str, str]) -> list[dict[str, Any]]:
    """The table's studies that lie in `folder`: charts, and the CSV's lines as they stand.

    rows, protocols : titles by name. A file that cannot be read as described is left out.
    """
    views = []
    for path in sorted(folder.glob(f"{table}-*.csv")):
        name = path.stem.removeprefix(f"{table}-")
        lines = read_lines(path)
        if name == paired.NAME or not lines or "measured" not in lines[0]:
            continue
        title = _TITLES.get(name, name.replace("-", " ").capitalize())
        charts = _charts(lines, title, rows, protocols)
        stand_in = any(line.get("stand_in") == "True" for line in lines)
        views.append({"name": path.stem, "title": title, "stand_in": stand_in, "charts": charts, **_table(lines)})
    return views


def _table(lines: list[Line]) -> dict[str, Any]:
    """Columns that vary as a table, the others as facts; texts as in the file."""
    columns = list(lines[0])
    varying = [column for column in columns if len({line[column] for line in lines}) > 1 or column == "measured"]
    facts = [(column.replace("_", " "), lines[0][column]) for column in columns if column not in varying]
    return {
        "columns": [column.replace("_", " ") for column in varying],
        "numeric": [all(number(line[column]) is not None or not line[column] for line in lines) for column in varying],
        "lines": [[line[column] for column in varying] for line in lines],
        "facts": [(name, value) for name, value in facts if value not in ("", "False")],
    }


def _charts(lines: list[Line], title: str, rows: dict[str, str], protocols: dict[str, str]) -> list[dict[str, Any]]:
    measured = [line for line in lines if number(line["measured"]) is not None]
    factors = [name for name in lines[0] if name not in _ABOUT and len({line[name] for line in measured}) > 1]
    candidates = [name for name in factors if name not in ("row", "protocol")]
    if not candidates:
        return []
    along = candidates[0]
    numeric = all(number(line[along]) is not None for line in measured)
    factors = [name for name in factors if name == along or not _tells_the_same(name, along, measured)]
    panels: dict[str, dict[str, list[Line]]] = {}
    for line in measured:
        series = " · ".join(
            rows.get(line[name], line[name]) if name == "row" else _factor_text(name, line[name])
            for name in factors
            if name not in (along, "protocol")
        )
        panel = line["protocol"] if "protocol" in factors else ""
        panels.setdefault(panel, {}).setdefault(series, []).append(line)
    metric = f"{(measured[0].get('metric') or 'accuracy').capitalize()}, %"
    charts = []
    for protocol, found in panels.items():
        categories = () if numeric else tuple(dict.fromkeys(line[along] for line in measured))
        drawn = [
            Series(name, tuple(_point(line, along, categories, name) for line in part))
            for name, part in list(found.items())[:_MOST_LINES]
        ]
        values = sorted({point.x for item in drawn for point in item.points})
        logarithmic = not categories and values[0] > 0 and _grows_by_factors(values)
        label = _LABELS.get(along, along.replace("_", " ").capitalize())
        axes = Axes(label + (", log scale" if logarithmic else ""), metric, logarithmic, categories)
        which = protocols.get(protocol, protocol)
        svg = line_chart(drawn, axes, f"{title}, {which}" if which else title)
        notes = []
        if any(point.published is not None for item in drawn for point in item.points):
            notes.append("Hollow diamonds: published.")
        if len(found) > _MOST_LINES:
            notes.append(f"{len(found) - _MOST_LINES} further lines are in the table below.")
        charts.append({"title": which.capitalize(), "svg": svg, "note": " ".join(notes)})
    return charts


def _point(line: Line, along: str, categories: tuple[str, ...], name: str) -> Point:
    x = float(categories.index(line[along])) if categories else float(line[along])
    y = float(line["measured"])
    low, high, sd = (number(line.get(key, "")) for key in ("low", "high", "sd"))
    if low is None and sd is not None:
        low, high = y - sd, y + sd
    published = None if line.get("stand_in") == "True" else number(line.get("published", ""))
    return Point(x, y, low, high, f"{name}: {line['measured']} at {line[along]}", published)


def _tells_the_same(one: str, other: str, lines: list[Line]) -> bool:
    """Whether two columns differ in words only: each value of the one goes with a single value of the other."""
    pairs = {(line[one], line[other]) for line in lines}
    return len(pairs) == len({line[one] for line in lines}) == len({line[other] for line in lines})


def _factor_text(name: str, value: str) -> str:
    return f"{name.replace('_', ' ')} {value}" if number(value) is not None else value


def _grows_by_factors(values: list[float]) -> bool:
    """Whether the values lie more evenly on a logarithmic scale: the last step is much wider than the first."""
    steps = [after - before for before, after in pairwise(values)]
    return len(steps) > 1 and values[-1] / values[0] >= 8 and steps[-1] > 2 * steps[0]
