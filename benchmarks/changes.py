"""Two reports of different dates: what changed, and whether beyond what another test sample could show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.render import Line, Report, protocol_text
from benchmarks.results import ProtocolResult, RowResult

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
    "The interval of a change is the 95% interval of the difference between two accuracies, each with its own test "
    "sample; both were measured on the same images, so that it is wider than it need be."
)


@dataclass(frozen=True)
class Change:
    """One figure, before and after.

    difference : after less before, in percentage points; None where one of them is absent. half : half the width of
    its 95% interval. reasons : what else is not as it was: code, settings, versions, weights, data.
    """

    table: str
    row: str
    title: str
    protocol: str
    before: Line | None
    after: Line | None
    difference: float | None
    half: float | None
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
        if was is None and now is None:
            continue
        row, protocol = key
        results = before.results.get(row), after.results.get(row)
        difference, half, verdict = _judge(was, now, *(_protocol(result, protocol) for result in results))
        reasons = _reasons(*results)
        if verdict in ("beyond", "within", "same") and any(reason.startswith("other images") for reason in reasons):
            verdict = "not comparable"
        line = now or was
        assert line is not None
        changes.append(
            Change(
                table=after.outline.name,
                row=row,
                title=titles[row],
                protocol=protocol_text(after.outline, line),
                before=was,
                after=now,
                difference=difference,
                half=half,
                verdict=verdict,
                reasons=tuple(reasons),
            )
        )
    return changes


def _protocol(result: RowResult | None, name: str) -> ProtocolResult | None:
    return None if result is None else result.protocols.get(name)


def _judge(
    was: Line | None, now: Line | None, before: ProtocolResult | None, after: ProtocolResult | None
) -> tuple[float | None, float | None, Verdict]:
    if was is None or before is None:
        return None, None, "new"
    if now is None or after is None:
        return None, None, "gone"
    difference = after.measured - before.measured
    half = math.hypot(before.high - before.low, after.high - after.low) / 2
    if before.values == after.values:
        return difference, half, "same"
    return difference, half, "beyond" if abs(difference) > half else "within"


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


def markdown_of_changes(changes: list[Change], against: str) -> str:
    """The changes as a Markdown table, with what else differs below it."""
    text = [
        "# What changed",
        "",
        f"Against {against}. {EXPLANATION}",
        "",
        "| Table | Row | Labels | Before | Now | Change | 95% interval | Verdict |",
        "|---|---|---|---:|---:|---:|---:|---|",
    ]
    text += [f"| {' | '.join(cells(change))} |" for change in changes]
    for change in changes:
        if change.reasons:
            text += ["", f"{change.title}, {change.protocol}: {'; '.join(change.reasons)}."]
    return "\n".join(text) + "\n"


def cells(change: Change) -> list[str]:
    """What Markdown shows of a change."""
    before, after = ("" if line is None else f"{line['measured']:.2f}" for line in (change.before, change.after))
    difference = "" if change.difference is None else f"{change.difference:+.2f}"
    interval = "" if change.half is None else f"±{change.half:.2f}"
    columns = [change.table, change.title, change.protocol, before, after, difference, interval]
    return [*columns, VERDICTS[change.verdict]]
