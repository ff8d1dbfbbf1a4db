"""Measured rows compared two by two, from the predictions that they kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from dcgan_features.benchmarks.records.figures import interval, rounded
from dcgan_features.benchmarks.records.predictions import Predictions, predictions_of
from dcgan_features.benchmarks.records.reading import read_rows
from dcgan_features.benchmarks.records.rows import Outline, RowResult, read_outline, write_csv
from dcgan_features.benchmarks.reporting.escaping import markdown_text
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.benchmarks.reporting.table import STAND_IN, WARNING
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.files import write_text
from dcgan_features.eval import Comparison, compare, holm

COLUMNS = (
    "row_a", "row_b", "protocol", "difference", "low", "high", "wide_low", "wide_high", "p", "p_holm", "only_a",
    "only_b", "draws", "test_images", "verdict", "data", "stand_in",
)  # fmt: skip
EXPLANATION = (
    "Difference: accuracy of A less that of B in percentage points, the mean over the label draws. 95% interval: over "
    "the draws, on these test images (paired t); with a single draw, over test images (Newcombe 1998, method 10). "
    "Other images too: 95% interval over both; where it holds 0, the verdict is one on these test images. p: of the "
    "paired t test over the draws; with a single draw, of McNemar's test; then adjusted after Holm for the number of "
    "pairs under the same protocol. Below 0.05 it makes the verdict. Only A, only B: test images that only one of them "
    "gets right, the mean over the draws."
)


@dataclass(frozen=True)
class Pair:
    """Two rows under one protocol. comparison : of the first with the second, adjusted for the protocol's pairs."""

    first: str
    second: str
    protocol: str
    comparison: Comparison


@dataclass(frozen=True)
class Kept:
    """A measured row: its result, and the predictions that belong to it."""

    result: RowResult
    predictions: Predictions


def compare_rows(results: Path, outline: Outline, rows: list[str]) -> list[Pair]:
    """All pairs of the rows named, in their order, under each protocol that both were measured with.

    results : folder of the results. Raises `InputError` when a row is not measured, when its predictions are absent or
    damaged, and when two rows were not measured on the same images and label draws.
    """
    measured = read_rows(results, outline)
    for name in rows:
        if name not in measured:
            raise unknown_name("measured row", name, measured, f"{results / outline.name}")
    kept = [Kept(measured[name], predictions_of(results, measured[name])) for name in rows]
    return compare_kept(combinations(kept, 2))


def compare_kept(couples: Iterable[tuple[Kept, Kept]]) -> list[Pair]:
    """Each two under each protocol that both were measured with, by protocol.

    Raises `InputError` when two were not measured on the same images and label draws.
    """
    pairs = [pair for first, second in couples for pair in _compared(first, second)]
    by_protocol: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_protocol.setdefault(pair.protocol, []).append(pair)
    return [adjusted for found in by_protocol.values() for adjusted in _adjusted(found)]


def _compared(first: Kept, second: Kept) -> list[Pair]:
    a, b = first.result, second.result
    if a.digests["data"] != b.digests["data"]:
        raise InputError(
            f"the rows {a.row} and {b.row} were measured on different images ({a.data} and {b.data}); measure both "
            "with the same preset and data set"
        )
    shared = [name for name in a.protocols if name in b.protocols]
    if not shared:
        raise InputError(
            f"the rows {a.row} and {b.row} have no protocol in common ({', '.join(a.protocols)}; "
            f"{', '.join(b.protocols)}); measure both with the same preset"
        )
    pairs = []
    for name in shared:
        if a.protocols[name].scored_on != "test" or b.protocols[name].scored_on != "test":
            continue  # predictions are those of the test set
        digests = a.protocols[name].draw_digests, b.protocols[name].draw_digests
        shared_draws = max(1, min(map(len, digests)))  # one row may have been measured on more draws
        if digests[0][:shared_draws] != digests[1][:shared_draws]:
            raise InputError(
                f"the rows {a.row} and {b.row} were measured on different label draws under {name}; measure both again "
                "with the same table"
            )
        one, other = (kept.predictions.by_protocol[name][:shared_draws] for kept in (first, second))
        pairs.append(Pair(a.row, b.row, name, compare(first.predictions.truth, one, other, (a.row, b.row))))
    return pairs


def _adjusted(pairs: list[Pair]) -> list[Pair]:
    values = holm([pair.comparison.p_value for pair in pairs])
    return [
        replace(pair, comparison=replace(pair.comparison, adjusted=value))
        for pair, value in zip(pairs, values, strict=True)
    ]


def pair_lines(pairs: list[Pair], results: dict[str, RowResult]) -> list[dict[str, Any]]:
    """The CSV's lines, one a pair and protocol, keys as `COLUMNS`."""
    lines = []
    for pair in pairs:
        found, about = pair.comparison, results[pair.first]
        percent = {name: getattr(found, name) for name in COLUMNS[3:8]}  # raw: rounded where they are printed
        lines.append(
            {
                "row_a": pair.first,
                "row_b": pair.second,
                "protocol": pair.protocol,
                **percent,
                "p": float(f"{found.p_value:.3g}"),
                "p_holm": float(f"{found.adjusted:.3g}"),
                "only_a": round(sum(found.only_first) / found.draws, 1),
                "only_b": round(sum(found.only_second) / found.draws, 1),
                "draws": found.draws,
                "test_images": found.test_images,
                "verdict": found.verdict,
                "data": about.data,
                "stand_in": about.stand_in,
            }
        )
    return lines


_HEADINGS = [
    "A", "B", "Labels", "Verdict", "Difference", "95% interval", "Other images too", "p", "p, Holm", "Only A", "Only B"
]  # fmt: skip


def _cells(outline: Outline, lines: list[dict[str, Any]]) -> list[list[str]]:
    return [
        [
            line["row_a"],
            line["row_b"],
            outline.titles.get(line["protocol"], line["protocol"]),
            line["verdict"] + (f" ({STAND_IN})" if line["stand_in"] else ""),
            rounded(line["difference"], sign=True),
            interval(line["low"], line["high"], 2, sign=True),
            interval(line["wide_low"], line["wide_high"], 2, sign=True),
            _p(line["p"]),
            _p(line["p_holm"]),
            f"{line['only_a']:.0f}",
            f"{line['only_b']:.0f}",
        ]
        for line in lines
    ]


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


def _title(outline: Outline, lines: list[dict[str, Any]]) -> str:
    marked = f" ({STAND_IN})" if any(line["stand_in"] for line in lines) else ""
    return f"{outline.title}: rows compared two by two{marked}"


def _markdown(outline: Outline, lines: list[dict[str, Any]]) -> str:
    warning = [f"**{WARNING}**", ""] if any(line["stand_in"] for line in lines) else []
    table = markdown_table(_HEADINGS, _cells(outline, lines), text_columns=4)
    return "\n".join([f"# {markdown_text(_title(outline, lines))}", "", *warning, EXPLANATION, "", *table]) + "\n"


def _print(outline: Outline, lines: list[dict[str, Any]]) -> None:
    """One sentence a pair: they stay whole on a narrow terminal and in a file."""
    print(_title(outline, lines))
    for cells in _cells(outline, lines):
        a, b, labels, verdict, difference, interval, _, _, p_holm, _, _ = cells
        print(f"{labels}: {a} less {b}: {difference} points, {interval}, p {p_holm}: {verdict}")
    if any(line["stand_in"] for line in lines):
        print(WARNING)


def run_paired(rows: list[str] | None, table: str, every: bool, results: Path) -> None:
    """Compare, write and print; parameters are those of the command."""
    path = results / f"{table}.json"
    if not path.exists():
        raise InputError(f"{results} holds no results of a table {table}; run python -m benchmarks.cifar10 first")
    outline = read_outline(path)
    measured = read_rows(results, outline)
    names = list(measured) if every else rows or []
    if every and rows:
        raise InputError("--all compares all rows; give either it or the names of rows")
    if len(names) < 2:
        found = f"{len(measured)} measured: {', '.join(measured)}" if measured else "none is measured"
        raise InputError(f"a comparison needs two rows of the table {table} ({found}); name them, or give --all")
    if len(set(names)) < len(names):
        raise InputError("a row is named twice; name each once")
    lines = pair_lines(compare_rows(results, outline, names), measured)
    write_csv(results / f"{table}-paired.csv", lines, COLUMNS)
    write_text(results / f"{table}-paired.md", _markdown(outline, lines))
    _print(outline, lines)
    print(f"written: {results / table}-paired.csv and .md")
