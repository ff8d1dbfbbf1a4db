"""What the runs of a study say: which failed and when, which monitor warned and when, and what a remedy is worth."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dcgan_features.benchmarks.stability.trial import Score, Trial
from dcgan_features.gan.watching.alarms import IN_A_ROW, MONITORS, deviations

FALL = 1.0  # points of accuracy below the best so far that make a failure
LEAD = 0.1  # of the images seen until a failure, by which a warning has to come before it
MARGIN = 1.25  # of a limit over the largest deviation of the healthy runs on which it is chosen
LEAST = {"ratio": 0.25, "difference": 0.05}  # that a limit is, by scale

Limits = Mapping[str, float | None]


@dataclass(frozen=True)
class Judged:
    """One run.

    failed : images after which its accuracy had fallen for good, or None. warnings : by monitor, images after which it
    first warned. final, best : accuracy at the end and at its best, in percent, smoothed as `smoothed` says.
    """

    trial: Trial
    failed: int | None
    warnings: dict[str, int]
    final: float
    best: float

    @property
    def first(self) -> int | None:
        """When the first of the monitors warned."""
        return min(self.warnings.values()) if self.warnings else None

    def lead(self, monitor: str | None = None) -> float | None:
        """The share of the images seen until the failure by which a warning came before it; negative: after it.

        monitor : whose; None: the first of any. None where the run did not fail, or nothing warned.
        """
        warned = self.first if monitor is None else self.warnings.get(monitor)
        if self.failed is None or warned is None:
            return None
        return (self.failed - warned) / self.failed


def smoothed(scores: Sequence[Score]) -> list[tuple[int, float]]:
    """(images, median of the mean accuracies of a snapshot and its neighbours before and after), by images."""
    means = [score.mean for score in scores]
    return [
        (score.images, statistics.median(means[max(index - 1, 0) : index + 2])) for index, score in enumerate(scores)
    ]


def failed_after(trial: Trial) -> int | None:
    """Images seen when the accuracy had fallen for good by a point below its best until then; None where it did not.

    For good: it is so at every later snapshot. Accuracies are medians of three snapshots, whose single ones differ by
    half a point where nothing is wrong. A run that diverged has failed, at the latest where it stopped.
    """
    points = smoothed(trial.scores)
    found = None
    for index in reversed(range(1, len(points))):
        best = max(value for _, value in points[:index])
        if points[index][1] > best - FALL:
            break
        found = points[index][0]
    if found is None and trial.diverged is not None:
        every = int(trial.recipe["snapshot_every"])
        return (points[-1][0] if points else 0) + every
    return found


def warned_after(trial: Trial, limits: Limits) -> dict[str, int]:
    """Images seen when each monitor first warned, any layer of it, by the rule of `gan.watching.alarms`."""
    found: dict[str, int] = {}
    judged = deviations(trial.seen)
    for index in range(IN_A_ROW - 1, len(judged)):
        window = judged[index - IN_A_ROW + 1 : index + 1]
        for key in window[-1]:
            name = key.partition("/")[0]
            limit = limits.get(name)
            if limit is not None and name not in found and all(own.get(key, -math.inf) > limit for own in window):
                found[name] = trial.seen[index].images
    return found


def chosen_limits(healthy: Sequence[Trial]) -> dict[str, float]:
    """Limits that these healthy runs stay below: `MARGIN` times the largest deviation that lasts as an alarm's has to.

    Rounded up to two digits after the point; at least `LEAST`, so that what never moved does not warn of a trifle.
    """
    largest: dict[str, float] = {}
    for trial in healthy:
        judged = deviations(trial.seen)
        for index in range(IN_A_ROW - 1, len(judged)):
            window = judged[index - IN_A_ROW + 1 : index + 1]
            for key in window[-1]:
                name = key.partition("/")[0]
                lasting = min(own.get(key, -math.inf) for own in window)
                largest[name] = max(largest.get(name, 0.0), lasting)
    return {
        name: math.ceil(100 * max(MARGIN * value, LEAST[MONITORS[name].scale])) / 100 for name, value in largest.items()
    }


def judge(trial: Trial, limits: Limits) -> Judged:
    """One run, by these limits."""
    points = smoothed(trial.scores)
    values = [value for _, value in points] or [0.0]
    failed = failed_after(trial)
    if trial.diverged is not None:
        values.append(min(values))
    return Judged(trial, failed, warned_after(trial, limits), values[-1], max(values))


@dataclass(frozen=True)
class Verdict:
    """A condition's runs that judge. warned : of those that failed, how many any monitor warned of early enough."""

    runs: int
    failed: int
    warned: int
    alarms: int
    final: float
    spread: float | None

    @classmethod
    def of(cls, judged: Sequence[Judged]) -> Verdict:
        """Of at least one run."""
        failures = [item for item in judged if item.failed is not None]
        finals = [item.final for item in judged]
        return cls(
            runs=len(judged),
            failed=len(failures),
            warned=sum((item.lead() or 0.0) >= LEAD for item in failures),
            alarms=sum(bool(item.warnings) for item in judged),
            final=statistics.mean(finals),
            spread=statistics.stdev(finals) if len(finals) > 1 else None,
        )
