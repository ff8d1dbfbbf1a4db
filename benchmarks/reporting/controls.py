"""Each measured row beside its control, image by image: the difference, and the verdict of the adjusted test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from dcgan_features.benchmarks.records.predictions import DIGEST, predictions_of
from dcgan_features.benchmarks.records.rows import Outline, RowResult
from dcgan_features.data.utils.errors import InputError
from dcgan_features.eval.significance import NOT_APART, Comparison, compare, holm

BETTER, WORSE = "better", "worse"

Line = dict[str, Any]

_KNOWN: dict[tuple[str | None, ...], Comparison | None] = {}  # a table is written after each of its rows


def add_controls(lines: list[Line], outline: Outline, results: dict[str, RowResult], folder: Path) -> None:
    """Fill the columns `control…` of the lines of rows that are measured as their control is.

    p-values are adjusted after Holm for the table's comparisons under the same protocol. Rows whose predictions are not
    kept in `folder`, or that saw other images or label draws, are left as they are.
    """
    control = {row.name: row.control for row in outline.rows if row.control is not None}
    found: dict[str, list[tuple[Line, Comparison]]] = {}
    for line in lines:
        other = control.get(line["row"])
        if line["measured"] is None or other is None or other not in results:
            continue
        comparison = _compared(results[line["row"]], results[other], line["protocol"], folder)
        if comparison is not None:
            found.setdefault(line["protocol"], []).append((line, comparison))
    for pairs in found.values():
        adjusted = holm([comparison.p_value for _, comparison in pairs])
        for (line, comparison), p_value in zip(pairs, adjusted, strict=True):
            decided = replace(comparison, adjusted=p_value)
            sign = -1 if line["metric"] == "error" else 1
            bounds = sorted((sign * decided.wide_low, sign * decided.wide_high))
            line.update(
                control=control[line["row"]],
                control_difference=sign * decided.difference,
                control_low=bounds[0],
                control_high=bounds[1],
                control_p=float(f"{p_value:.3g}"),
                control_verdict=verdict_of(decided),
            )


def verdict_of(comparison: Comparison) -> str:
    """The verdict of a comparison of a row, the first, with its control, in words."""
    if comparison.verdict == NOT_APART:
        return NOT_APART
    first, second = comparison.names
    return comparison.verdict.replace(f"{first} over {second}", BETTER).replace(f"{second} over {first}", WORSE)


def _compared(one: RowResult, other: RowResult, protocol: str, folder: Path) -> Comparison | None:
    if protocol not in one.protocols or protocol not in other.protocols:
        return None
    a, b = one.protocols[protocol], other.protocols[protocol]
    draws = max(1, min(len(a.draw_digests), len(b.draw_digests)))
    same = one.digests["data"] == other.digests["data"] and a.draw_digests[:draws] == b.draw_digests[:draws]
    if not same or a.scored_on != "test" or b.scored_on != "test":
        return None
    digests = one.digests.get(DIGEST), other.digests.get(DIGEST)
    key = (str(folder), *digests, protocol)
    if None not in digests and key not in _KNOWN:
        try:
            kept, against = predictions_of(folder, one), predictions_of(folder, other)
        except InputError:  # reports say what they can
            _KNOWN[key] = None
        else:
            first, second = (item.by_protocol[protocol][:draws] for item in (kept, against))
            _KNOWN[key] = compare(kept.truth, first, second, (one.row, other.row))
    return _KNOWN.get(key)
