"""Where a row's figures come from: everything that its result file says, in an order that people can follow."""

from __future__ import annotations

import json
from statistics import fmean
from typing import Any

from markupsafe import Markup

from dcgan_features.benchmarks.records.figures import interval, rounded
from dcgan_features.benchmarks.records.rows import Outline, ProtocolResult, RowOutline, RowResult
from dcgan_features.benchmarks.reporting.html.charts import Axes, Point, Series, line_chart
from dcgan_features.data.utils.cli import duration
from dcgan_features.eval.significance import accuracy_interval

Facts = list[tuple[str, str]]
MOST_TRIALS = 10  # of a search are shown


def about_id(table: str, row: str) -> str:
    """The id of the dialog that says where a row's figures come from."""
    return f"about-{table}-{row}"


def about(outline: Outline, row: RowOutline, result: RowResult | None) -> dict[str, Any]:
    """What the row's dialog shows; of a row that is not measured, what was published and by whom."""
    return {
        "id": about_id(outline.name, row.name),
        "name": row.name,
        "title": row.title,
        "citation": row.citation,
        "note": row.note,
        "control": row.control,
        "published": [(outline.titles.get(name, name), figure) for name, figure in row.published.items()],
        "units": row.units,
        "measured": result is not None,
        "stand_in": result is not None and result.stand_in,
        "deviations": result.deviations if result is not None else [],
        "groups": _groups(result) if result is not None else [],
        "protocols": [_protocol(outline, name, found) for name, found in result.protocols.items()] if result else [],
        "settings": json.dumps(result.settings, indent=2, ensure_ascii=False) if result is not None else "",
    }


def _groups(result: RowResult) -> list[tuple[str, Facts]]:
    seconds = [(f"Time: {stage}", duration(value)) for stage, value in result.seconds.items()]
    memory = [("Peak memory", f"{result.peak_gib:.2f} GiB")]
    if result.peak_device_gib is not None:
        memory.append(("Peak memory of the GPU", f"{result.peak_device_gib:.2f} GiB"))
    return [
        (
            "Images and features",
            [
                ("Data", f"{result.data}: {result.data_note}"),
                ("Learned without labels from", result.unlabelled),
                ("Features an image", f"{result.features['count']:,}, {result.features['dtype']}"),
            ],
        ),
        ("Cost", [("Device", result.device), *seconds, *memory]),
        (
            "Run",
            [
                ("Finished", result.finished.replace("T", " ").replace("+00:00", " UTC")),
                ("Preset", result.preset),
                ("Commit", result.commit or "unknown"),
                ("Versions", ", ".join(f"{name} {version}" for name, version in result.versions.items())),
                ("Seeds", ", ".join(f"{name} {seed}" for name, seed in result.seeds.items())),
            ],
        ),
        (
            "SHA-256",
            [
                *((name.capitalize(), digest) for name, digest in result.digests.items() if digest is not None),
                ("All that decides the result", result.identity),
            ],
        ),
    ]


def _protocol(outline: Outline, name: str, found: ProtocolResult) -> dict[str, Any]:
    """Each draw's accuracy and choice, and how held-out accuracy depended on the choice."""
    several = len(found.values) > 1
    what = {True: "labels drawn", False: "held-out images"}[several]
    draws = [
        {
            "value": rounded(value),
            "C": f"{choice['C']:g}" if choice and "C" in choice else "",
            "digest": found.draw_digests[number] if number < len(found.draw_digests) else "",
        }
        for number, (value, choice) in enumerate(zip(found.values, found.chosen, strict=True))
    ]
    return {
        "title": outline.titles.get(name, name),
        "labels": found.labels,
        "test_images": found.test_images,
        "measured": rounded(found.measured),
        "interval": interval(*accuracy_interval(found.values, found.low, found.high), 2),
        "sd": None if found.sd is None else rounded(found.sd),
        "pm": None if found.pm is None else rounded(found.pm),
        "metric": found.metric,
        "scored_on": found.scored_on,
        "digest_of": what,
        "draws": draws,
        "search": _search(found),
        "chart": _choice_chart(found, outline.titles.get(name, name)),
    }


def _search(found: ProtocolResult) -> dict[str, Any] | None:
    """What was tried on the validation images, best first, and how many more trials there were."""
    if not found.trials:
        return None
    trials = sorted(found.trials, key=lambda trial: trial.error)
    return {
        "count": len(trials),
        "names": list(trials[0].settings),
        "trials": [
            {
                "settings": [_short(value) for value in trial.settings.values()],
                "error": rounded(trial.error) if trial.errors else "failed",
                "seconds": f"{trial.seconds:.1f}",
            }
            for trial in trials[:MOST_TRIALS]
        ],
    }


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _choice_chart(found: ProtocolResult, title: str) -> Markup | None:
    """Held-out accuracy over C, as the mean over the draws; None where nothing was chosen among several."""
    scores = [choice["scores"] for choice in found.chosen if choice.get("scores")]
    if not scores or len(scores[0]) < 2:
        return None
    points = tuple(Point(float(C), fmean(item[C] for item in scores if C in item), title=f"C = {C}") for C in scores[0])
    axes = Axes("C, log scale", "Held-out accuracy, %", logarithmic=True)
    return line_chart([Series("held out", points)], axes, f"Held-out accuracy over C, {title}")
