"""Two reports of different dates: what changed, and whether beyond what another test sample could show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dcgan_features.benchmarks.records.figures import interval, rounded
from dcgan_features.benchmarks.records.predictions import predictions_of
from dcgan_features.benchmarks.records.rows import RowResult
from dcgan_features.benchmarks.reporting.escaping import markdown_text
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.benchmarks.reporting.table import Line, Report, protocol_text
from dcgan_features.data.utils.errors import InputError
from dcgan_features.eval.significance import compare

Verdict = Literal["beyond", "within", "same", "new", "gone", "not comparable"]
VERDICTS = {
    "beyond": "beyond its interval",
    "within": "within its interval",
    "same": "the same",
    "new": "measured now",
    "gone": "no longer measured",
    "not comparable": "not comparable",
}
EXPLANATION = (
    "The 95% interval is that of the change. Where both runs kept their predictions, they are compared image by image; "
    "elsewhere the two accuracies count as measured on test samples of their own, which makes the interval too wide."
)


@dataclass(frozen=True)
class Change:
    """One figure, before and after.

    difference : after less before, in percentage points; None where one of them is absent. low, high : its 95%
    interval. reasons : what else is not as it was: code, settings, versions, weights, data.
    """

    table: str
    row: str
    title: str
    protocol: str
    before: Line | None
    after: Line | None
    difference: float | None
    low: float | None
    high: float | None
    verdict: Verdict
    reasons: tuple[str, ...] = ()


def compare_reports(before: Report, after: Report) -> list[Change]:
    """The changes of all figures that were measured before or after, in the order of the later table."""
    changes = []
    old, new = ({(line["row"], line["protocol"]): line for line in report.lines} for report in (before, after))
    titles = {row.name: row.title for report in (before, after) for row in report.outline.rows}
    for key in dict.fromkeys([*new, *old]):
        was, now = (lines.get(key) for lines in (old, new))
        was, now = (line if line is not None and line["measured"] is not None else None for line in (was, now))
        line = now or was
        if line is None:
            continue
        row, protocol = key
        former, latter = before.results.get(row), after.results.get(row)
        reasons = _reasons(former, latter)
        difference = low = high = None
        verdict: Verdict = "gone" if now is None else "new"
        if was is not None and now is not None and former is not None and latter is not None:
            if former.protocols[protocol].values == latter.protocols[protocol].values:
                difference, verdict = 0.0, "same"
            else:
                difference, low, high = _difference((before, former), (after, latter), protocol)
                verdict = "beyond" if low > 0 or high < 0 else "within"
            if former.digests.get("data") != latter.digests.get("data"):
                verdict = "not comparable"
        changes.append(
            Change(
                table=after.outline.name,
                row=row,
                title=titles[row],
                protocol=protocol_text(after.outline, line),
                before=was,
                after=now,
                difference=difference,
                low=low,
                high=high,
                verdict=verdict,
                reasons=tuple(reasons),
            )
        )
    return changes


def _difference(
    before: tuple[Report, RowResult], after: tuple[Report, RowResult], protocol: str
) -> tuple[float, float, float]:
    """(after less before, low, high): paired where both sides kept predictions of the same images and label draws."""
    was, now = before[1].protocols[protocol], after[1].protocols[protocol]
    try:
        old, new = (predictions_of(report.folder, result) for report, result in (before, after))
    except InputError:
        pass
    else:
        first, second = (kept.by_protocol.get(protocol) for kept in (new, old))
        if (
            first is not None
            and second is not None
            and first.shape == second.shape
            and np.array_equal(new.truth, old.truth)
            and was.draw_digests == now.draw_digests
        ):
            found = compare(new.truth, first, second)
            return found.difference, found.wide_low, found.wide_high
    difference, half = now.measured - was.measured, math.hypot(was.high - was.low, now.high - now.low) / 2
    return difference, difference - half, difference + half


def _reasons(before: RowResult | None, after: RowResult | None) -> list[str]:
    """What differs between two runs of a row, in words."""
    if before is None or after is None:
        return []
    reasons = []
    if before.digests.get("data") != after.digests.get("data"):
        reasons.append(f"other images: {before.data} before, {after.data} now")
    if before.digests.get("weights") != after.digests.get("weights"):
        reasons.append("other weights")
    reasons += [
        f"{name} {_short(was)} → {_short(now)}"
        for name, was, now in _changed(_leaves(before.settings), _leaves(after.settings))
    ]
    for name, was, now in (
        ("preset", before.preset, after.preset),
        ("device", before.device, after.device),
        ("commit", (before.commit or "unknown")[:8], (after.commit or "unknown")[:8]),
    ):
        if was != now:
            reasons.append(f"{name} {was} → {now}")
    reasons += [f"{name} {was} → {now}" for name, was, now in _changed(before.versions, after.versions)]
    return reasons


def _changed(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    names = dict.fromkeys([*before, *after])
    return [
        (name, before.get(name, "absent"), after.get(name, "absent"))
        for name in names
        if before.get(name, "absent") != after.get(name, "absent")
    ]


def _leaves(settings: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Nested settings as one mapping, keys joined by dots; words that decide nothing are left out."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if name in ("deviations", "minutes", "title", "unlabelled"):
            continue
        if isinstance(value, dict):
            found |= _leaves(value, f"{path}{name}.")
        else:
            found[path + name] = value
    return found


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_HEADINGS = ["Table", "Row", "Labels", "Before", "Now", "Change", "95% interval", "Verdict"]


def markdown_of_changes(changes: list[Change], against: str) -> str:
    """The changes as a Markdown table, with what else differs below it."""
    text = [
        "# What changed",
        "",
        f"Against {markdown_text(against)}. {EXPLANATION}",
        "",
        *markdown_table(_HEADINGS, map(cells, changes), (0, 1, 2, 7)),
    ]
    for change in changes:
        if change.reasons:
            text += ["", markdown_text(f"{change.title}, {change.protocol}: {'; '.join(change.reasons)}.")]
    return "\n".join(text) + "\n"


def interval_text(change: Change) -> str:
    """The change's 95% interval: "-0.51 to +1.20", or nothing."""
    return "" if change.low is None or change.high is None else interval(change.low, change.high, 2, sign=True)


def cells(change: Change) -> list[str]:
    """What Markdown shows of a change."""
    before, after = ("" if line is None else rounded(line["measured"]) for line in (change.before, change.after))
    difference = "" if change.difference is None else rounded(change.difference, sign=True)
    interval = interval_text(change)
    columns = [change.table, change.title, change.protocol, before, after, difference, interval]
    return [*columns, VERDICTS[change.verdict]]
