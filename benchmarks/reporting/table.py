"""A table as files: CSV, Markdown, LaTeX and JSON, all made from the same lines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcgan_features.benchmarks.records.rows import (
    Outline,
    ProtocolResult,
    RowResult,
    read_outline,
    read_rows,
    table_lines,
    write_csv,
)
from dcgan_features.benchmarks.reporting.escaping import escape_latex, markdown_text, one_line
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
    return Report(outline, results, table_lines(outline, results), path.parent)


def with_pm(value: float | None, pm: float | None, digits: int = 1) -> str:
    """A figure as printed: "73.8 ±0.4", "82.8", or nothing; with more digits where the spread would be shown as 0."""
    if value is None:
        return ""
    while pm and digits < 3 and round(pm, digits) == 0:
        digits += 1
    return f"{value:.{digits}f}" + ("" if pm is None else f" ±{pm:.{digits}f}")


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
    return f"{line['measured'] - line['published']:+.2f}"


def protocol_text(outline: Outline, line: Line) -> str:
    """The protocol's title; one that the table no longer knows shows its name."""
    return outline.titles.get(line["protocol"], str(line["protocol"]))


def table_title(outline: Outline, lines: list[Line]) -> str:
    """The title, marked when any line is a stand-in's."""
    return outline.title + (f" ({STAND_IN})" if any(line["stand_in"] for line in lines) else "")


def write_table(outline: Outline, results: dict[str, RowResult], folder: Path) -> list[Line]:
    """Write `<name>.csv`, `.md` and `.json` into `folder`; return the lines."""
    lines = table_lines(outline, results)
    write_csv(folder / f"{outline.name}.csv", lines)
    write_text(folder / f"{outline.name}.md", markdown(outline, results, lines))
    content = {"title": table_title(outline, lines), "lines": lines, "outline": outline.model_dump()}
    write_sealed(folder / f"{outline.name}.json", content)
    return lines


def _cells(outline: Outline, lines: list[Line]) -> list[list[str]]:
    """What Markdown and LaTeX show of each line."""
    rows = {row.name: row for row in outline.rows}
    cells = []
    for line in lines:
        row = rows[line["row"]]
        interval = "" if line["low"] is None else f"{line['low']:.1f} to {line['high']:.1f}"
        minutes = "" if line["seconds"] is None else f"{line['seconds'] / 60:.1f}"
        units = "" if row.units is None else str(row.units)
        protocol = protocol_text(outline, line)
        published = with_pm(line["published"], line["published_pm"])
        cells.append(
            [row.title, units, protocol, published, measured_text(line), difference_text(line), interval, minutes]
        )
    return cells


_HEADINGS = ["Row", "Units", "Labels", "Published", "Measured", "Difference", "95% interval", "Minutes"]


def markdown(outline: Outline, results: dict[str, RowResult], lines: list[Line]) -> str:
    """The table with each row's source and deviations below it."""
    text = [f"# {markdown_text(table_title(outline, lines))}", ""]
    if any(line["stand_in"] for line in lines):
        text += [f"**{WARNING}**", ""]
    text += [
        f"{metric_text(outline.metric)}. Measured: mean ± standard deviation over label draws; the interval "
        "is for the test sample. Minutes: training, features and fits of the line.",
        "",
        *markdown_table(outline, lines),
    ]
    for row in outline.rows:
        result = results.get(row.name)
        text += ["", f"## {markdown_text(row.title)} (`{row.name}`)", ""]
        text += [markdown_text(part) for part in (row.citation, row.note) if part]
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


def metric_text(metric: str) -> str:
    """What the figures are, and which way they are meant."""
    return "Error in percent: lower is better" if metric == "error" else f"{metric.capitalize()} in percent"


def draws_text(found: ProtocolResult) -> str:
    """Over how many draws a figure was taken, its spread both ways that it is printed, and what was chosen how."""
    parts = [f"{found.measured:.2f}"]
    if found.sd is not None and found.pm is not None:
        parts.append(f"sd {found.sd:.2f} and 1.96 sd {found.pm:.2f} over {len(found.values)} label draws")
    if found.scored_on == "validation":
        parts.append(f"on the {found.test_images:,} validation images")
    if found.settings is not None:
        chosen = ", ".join(f"{name} {value}" for name, value in found.settings.items())
        error = min(trial.error for trial in found.trials)
        parts.append(f"{chosen}: the best of {len(found.trials)} trials on validation images, {error:.2f}% error there")
    return "; ".join(parts)


def markdown_table(outline: Outline, lines: list[Line]) -> list[str]:
    """The lines as a table in Markdown."""
    return [
        f"| {' | '.join(_HEADINGS)} |",
        "|---|---:|---|---:|---:|---:|---:|---:|",
        *(f"| {' | '.join(map(markdown_text, cells))} |" for cells in _cells(outline, lines)),
    ]


def latex(outline: Outline, lines: list[Line]) -> str:
    """The table for a paper that loads booktabs."""
    rule = " \\\\"
    text = [
        f"% {one_line(table_title(outline, lines))}; needs \\usepackage{{booktabs}}",
        "\\begin{tabular}{lrlrrrrr}",
        "\\toprule",
        " & ".join(map(escape_latex, _HEADINGS)) + rule,
        "\\midrule",
        *(" & ".join(map(escape_latex, cells)) + rule for cells in _cells(outline, lines)),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    if any(line["stand_in"] for line in lines):
        text.append(f"\\par {escape_latex(WARNING)}")
    return "\n".join(text) + "\n"
