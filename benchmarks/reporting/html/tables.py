"""One table of the page: its figures by protocol, and what is known of each row."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from dcgan_features.benchmarks.reporting.html.charts import Axes, Point, scatter
from dcgan_features.benchmarks.reporting.html.classes import class_views
from dcgan_features.benchmarks.reporting.html.intervals import interval_axis, interval_bar, scale_of
from dcgan_features.benchmarks.reporting.html.paired import paired_views
from dcgan_features.benchmarks.reporting.html.provenance import about, about_id
from dcgan_features.benchmarks.reporting.html.studies import study_views
from dcgan_features.benchmarks.reporting.table import Line, Report, control_text, difference_text, protocol_text

View = dict[str, Any]  # what the template shows, ready but for escaping


def table_view(report: Report, folder: Path) -> View:
    """Everything that the page shows of one table; what else was measured of it is looked for in `folder`."""
    outline = report.outline
    titles = {row.name: row.title for row in outline.rows}
    protocols = list(dict.fromkeys(line["protocol"] for line in report.lines))
    shown = {name: [line for line in report.lines if line["protocol"] == name] for name in protocols}
    return {
        "name": outline.name,
        "title": report.title,
        "short": _short_title(outline.name, outline.title),
        "metric": outline.metric,
        "stand_in": report.stand_in,
        "preset": outline.preset,
        "panels": [_panel(report, name, lines) for name, lines in shown.items()],
        "charts": [chart for name, lines in shown.items() for chart in _cost_charts(report, name, lines)],
        "studies": study_views(folder, outline.name, titles, outline.titles),
        "paired": paired_views(folder, outline.name, titles, outline.titles),
        "classes": class_views(folder, report),
        "abouts": [about(outline, row, report.results.get(row.name)) for row in outline.rows],
    }


def _short_title(name: str, title: str) -> str:
    """The first word of the title where it is the table's name as people write it, "CIFAR-10"; else the name."""
    first = title.split()[0]
    return first if re.sub(r"\W", "", first).lower() == re.sub(r"\W", "", name).lower() else name


def _panel(report: Report, protocol: str, lines: list[Line]) -> View:
    scale = scale_of(lines)
    rows = {row.name: row for row in report.outline.rows}
    entries = []
    for line in lines:
        result = report.results.get(line["row"])
        found = result.protocols.get(protocol) if result is not None else None
        entries.append(
            {
                "line": line,
                "title": rows[line["row"]].title,
                "features": result.features["count"] if result is not None and found is not None else None,
                "difference": difference_text(line),
                "control": control_text(line),
                "bar": interval_bar(line, scale, found.values if found is not None else None),
                "about": about_id(report.outline.name, line["row"]),
            }
        )
    measured = [report.results[line["row"]].protocols[protocol] for line in lines if line["measured"] is not None]
    return {
        "protocol": protocol,
        "title": protocol_text(report.outline, lines[0]),
        "entries": entries,
        "axis": interval_axis(scale),
        "draws": max((len(item.values) for item in measured), default=0),
        "test_images": max((item.test_images for item in measured), default=0),
    }


def _cost_charts(report: Report, protocol: str, lines: list[Line]) -> list[View]:
    """Accuracy against the number of features and against seconds; none with fewer than two measured rows."""
    measured = [line for line in lines if line["measured"] is not None]
    if len(measured) < 2:
        return []
    titles = {row.name: row.title for row in report.outline.rows}
    metric = f"{report.outline.metric.capitalize()}, %"
    label = protocol_text(report.outline, lines[0])
    charts = []
    for what, axis, value in (
        ("the number of features", "Features an image, log scale", lambda line: _features(report, line)),
        ("the time that it took", "Seconds for features and fits, log scale", lambda line: line["seconds"]),
    ):
        points = [
            Point(value(line), line["measured"], line["low"], line["high"], titles[line["row"]]) for line in measured
        ]
        name = f"{report.outline.metric.capitalize()} against {what}, {label}"
        charts.append({"title": name, "svg": scatter(points, Axes(axis, metric, True), name), "note": ""})
    return charts


def _features(report: Report, line: Line) -> int:
    return int(report.results[line["row"]].features["count"])
