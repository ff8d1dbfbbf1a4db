"""Measured figures in Markdown, between marks, so that none is typed.

    <!-- results:TABLE ROW … -->
    (a table in Markdown, replaced)
    <!-- /results -->

ROW may hold wildcards; without one all rows are shown. `overview:` in place of `results:` gives each row one line, its
protocols side by side. Whatever else stands between the marks is kept.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

from dcgan_features.benchmarks.records.figures import interval, with_pm
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.benchmarks.reporting.table import Line, Report, measured_text, read_report, results_table
from dcgan_features.data.utils.errors import InputError

_LEFT_OUT = ("Features", "Minutes")  # the page and results/ have them

_BLOCK = re.compile(r"(<!-- (results|overview):(\S+)([^\n]*?) -->\n)(?:\|[^\n]*\n)*(.*?<!-- /\2 -->)", re.S)


def filled(text: str, results: Path, name: str = "the text") -> str:
    """The text with every marked table replaced by what is measured.

    results : folder of the results. name : of the text, for messages.
    Raises `InputError` for a table that is not there and a row name that meets no row.
    """

    def table(block: re.Match[str]) -> str:
        form, shown, rows, rest = block[2], block[3], block[4], block[5]
        path = results / f"{shown}.json"
        if not path.exists():
            raise InputError(f"{name} shows the table {shown}, but {path} is not there; measure it first")
        report = read_report(path)
        patterns = rows.split() or ["*"]
        for pattern in patterns:
            if not any(fnmatchcase(row.name, pattern) for row in report.outline.rows):
                raise InputError(f"{name} shows the row {pattern}, which the table {shown} does not have; mend it")
        lines = [line for line in report.lines if any(fnmatchcase(line["row"], pattern) for pattern in patterns)]
        made = results_table(report.outline, lines, _LEFT_OUT) if form == "results" else overview_table(report, lines)
        return block[1] + "\n".join(made) + "\n" + rest

    return _BLOCK.sub(table, text)


def overview_table(report: Report, lines: list[Line]) -> list[str]:
    """A line a row: what was published and what is measured under each protocol, in Markdown."""
    outline = report.outline
    protocols = [name for name in outline.protocols if any(line["protocol"] == name for line in lines)]
    headings = ["Row"]
    for protocol in protocols:
        headings += [f"{outline.titles[protocol].capitalize()}: published", "measured", "95% interval"]
    found = {(line["row"], line["protocol"]): line for line in lines}
    cells = []
    for row in outline.rows:
        if not any(line["row"] == row.name for line in lines):
            continue
        own = [row.title]
        for protocol in protocols:
            line = found.get((row.name, protocol))
            if line is None:
                own += ["", "", ""]
                continue
            bounds = "" if line["low"] is None else interval(line["low"], line["high"])
            own += [with_pm(line["published"], line["published_pm"]), measured_text(line), bounds]
        cells.append(own)
    return markdown_table(headings, cells)
