"""What the measures warn of: each beside what the same run has shown before."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

WARM_UP = 2  # readings, the one before the first minibatch among them, of which nothing is judged
IN_A_ROW = 2  # readings beyond a limit that make an alarm
RECENT = 8  # readings before the one that is judged, where what drifts for as long as a training goes on had been
_FLOOR = 1e-6  # of values whose ratio is taken


@dataclass(frozen=True)
class Monitor:
    """One measure, and when it is taken for a warning.

    title : in words, with {where} for the layer. worse : the direction in which it gets worse.
    scale : "ratio", the logarithm of value over reference, or "difference", of shares; positive where it is
        worse. reference : "best", the best median of three readings in a row that the run has shown, that of
        the networks as they began among them; "recent", the median of three readings around the one `RECENT` before,
        or of the first where there are not so many.
    limit : of the deviation on that scale, for a run that goes on from trained weights; None: it is logged, and nobody
        judges it. untrained : the limit of one that began with random weights, which move further while it settles.
    """

    title: str
    worse: Literal["low", "high"]
    scale: Literal["ratio", "difference"]
    reference: Literal["best", "recent"] = "best"
    limit: float | None = None
    untrained: float | None = None

    def deviation(self, value: float, reference: float) -> float:
        """By how much the value is worse than the reference, on the monitor's scale; below 0 where it is better."""
        if self.scale == "difference":
            apart = value - reference
        else:
            apart = math.log(max(value, _FLOOR) / max(reference, _FLOOR))
        return -apart if self.worse == "low" else apart

    def of_past(self, values: Sequence[float]) -> float | None:
        """The reference, of all values before the one that is judged; None of none."""
        if not values:
            return None
        if self.reference == "recent":
            middle = max(len(values) - RECENT, 0)
            return statistics.median(values[max(middle - 1, 0) : middle + 2])
        medians = [statistics.median(values[index : index + 3]) for index in range(max(len(values) - 2, 1))]
        return max(medians) if self.worse == "low" else min(medians)

    def sentence(self, layer: str, value: float, reference: float, images: int) -> str:
        """The reason of an alarm."""
        title = self.title.format(where=f"layer {layer}" if layer.isdigit() else layer)
        when = "was the best of this run" if self.reference == "best" else "it was not long before"
        return f"after {images:,} images {title} is {value:.3g}, where {reference:.3g} {when}"


# Limits: see docs/stability.md. `benchmarks.stability` chooses them on the study's first seeds, and judges on others.
MONITORS: dict[str, Monitor] = {
    "rank": Monitor("the effective rank of the features of {where}", "low", "ratio", limit=0.78, untrained=0.78),
    "dead": Monitor("the share of dead maps in {where}", "high", "difference", limit=0.05, untrained=0.1),
    "oscillation": Monitor(
        "the share of {where} that is one oscillating pattern", "high", "difference", limit=0.18, untrained=0.3
    ),
    "mean_oscillation": Monitor(
        "the share of {where} that oscillates alike for all images", "high", "difference", limit=0.14, untrained=0.3
    ),
    "spectral_norm": Monitor(
        "the spectral norm of the weights of {where}", "high", "ratio", "recent", limit=0.39, untrained=0.9
    ),
    "stable_rank": Monitor(
        "the stable rank of the weights of {where}", "low", "ratio", "recent", limit=0.61, untrained=0.9
    ),
    "gradient": Monitor("the norm of the gradient of the {where}", "high", "ratio", limit=3.04, untrained=3.04),
    "diversity": Monitor(
        "the distance of samples to the nearest other sample", "low", "ratio", limit=0.66, untrained=1.5
    ),
    "frechet": Monitor("the Frechet distance of samples from real images", "high", "ratio", limit=2.34, untrained=3.0),
    "checkerboard": Monitor("the checkerboard in samples", "high", "ratio"),
    "separation": Monitor(
        "the chance that a real image has the higher logit", "high", "difference", limit=0.52, untrained=0.52
    ),
}


@dataclass(frozen=True)
class Reading:
    """All measures at one position. images : real ones seen until then. values : as `Watcher.look` gives them."""

    images: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class Alarm:
    """A measure beyond its limit. key : its name, with its layer. images : seen when it was noticed."""

    key: str
    images: int
    reason: str


def deviations(readings: Sequence[Reading]) -> list[dict[str, float]]:
    """By how much each measure is worse than its reference, for each reading; of a warm-up's readings nothing is said.

    A value that is no finite number is infinitely worse.
    """
    past: dict[str, list[float]] = {}
    found: list[dict[str, float]] = []
    for number, reading in enumerate(readings):
        own = {}
        for key, value in reading.values.items():
            monitor = MONITORS[key.partition("/")[0]]
            seen = past.setdefault(key, [])
            reference = monitor.of_past(seen)
            if number >= WARM_UP and reference is not None:
                own[key] = monitor.deviation(value, reference) if math.isfinite(value) else math.inf
            seen.append(value)
        found.append(own)
    return found


def limits(untrained: bool) -> dict[str, float | None]:
    """Every monitor's limit, for a run that began with random weights or not."""
    return {name: monitor.untrained if untrained else monitor.limit for name, monitor in MONITORS.items()}


def beyond(deviation: Mapping[str, float], untrained: bool) -> list[str]:
    """The measures of one reading that are beyond their limits."""
    own = limits(untrained)
    return [
        key for key, value in deviation.items() if (limit := own[key.partition("/")[0]]) is not None and value > limit
    ]


def new_alarms(readings: Sequence[Reading], known: Sequence[str], untrained: bool = True) -> list[Alarm]:
    """The alarms of the last reading; those whose measures are `known` to be wrong are not repeated.

    untrained : whether the run began with random weights.
    """
    judged = deviations(readings)[-IN_A_ROW:]
    if len(judged) < IN_A_ROW:
        return []
    wrong = [key for key in beyond(judged[-1], untrained) if all(key in beyond(each, untrained) for each in judged)]
    return [_alarm(readings, key) for key in wrong if key not in known]


def is_healthy(readings: Sequence[Reading], untrained: bool = True) -> bool:
    """Whether a rollback may go back to the last reading: no measure is beyond half its limit.

    An alarm comes some readings after what it warns of has begun, so that what is merely below its limit may be ill
    already. The first reading is healthy; others of the warm-up, which are not judged, are not.
    """
    if len(readings) <= WARM_UP:
        return len(readings) == 1
    own = limits(untrained)
    return not any(
        (limit := own[key.partition("/")[0]]) is not None and value > limit / 2
        for key, value in deviations(readings)[-1].items()
    )


def _alarm(readings: Sequence[Reading], key: str) -> Alarm:
    name, _, layer = key.partition("/")
    monitor, last = MONITORS[name], readings[-1]
    past = [reading.values[key] for reading in readings[:-1] if key in reading.values]
    reference = monitor.of_past(past)
    return Alarm(key, last.images, monitor.sentence(layer, last.values[key], reference or 0.0, last.images))
