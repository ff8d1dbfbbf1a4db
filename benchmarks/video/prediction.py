"""Frame prediction, measured: each predictor on the same test clips, and whether two differ, clip by clip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dcgan_features.benchmarks.video.metrics import peak_ratios, similarities, squared_errors
from dcgan_features.data.utils.cli import Advance
from dcgan_features.data.video.clips import Clips, Frames
from dcgan_features.eval.significance import LEVEL, holm

Predictor = Callable[[Frames], Frames]
Values = NDArray[np.float64]
BLOCK = 100  # clips at a time
METRICS: dict[str, Callable[[Frames, Frames], Values]] = {
    "squared_error": squared_errors,
    "ssim": similarities,
    "psnr": peak_ratios,
}
LARGER_IS_BETTER = {"squared_error": False, "ssim": True, "psnr": True}


def copy_last(predicted: int) -> Predictor:
    """The control: the last given frame, again and again."""
    return lambda given: np.repeat(given[:, -1:], predicted, 1)


def black(predicted: int) -> Predictor:
    """The control of SSIM, which is 1 wherever both frames are black: nothing at all."""
    return lambda given: np.zeros((len(given), predicted, *given.shape[2:]), np.uint8)


@dataclass(frozen=True)
class Mean:
    """A mean over test clips of a clip's mean over its predicted frames, with its 95% interval over test clips."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """The first predictor less the second in a metric, clip by clip: mean, 95% interval, p of a paired t test.

    adjusted : p, corrected (Holm) for the number of comparisons.
    """

    first: str
    second: str
    metric: str
    value: float
    low: float
    high: float
    p_value: float
    adjusted: float

    @property
    def better(self) -> bool | None:
        """Whether the first is better; None where they are not told apart."""
        if self.adjusted >= LEVEL:
            return None
        return (self.value > 0) == LARGER_IS_BETTER[self.metric]


def measure(
    predictors: Mapping[str, Predictor], clips: Clips, given: int, advance: Advance
) -> dict[str, dict[str, Values]]:
    """By predictor and metric the figures, (n, predicted frames). advance : told of clips done."""
    found: dict[str, dict[str, list[Values]]] = {name: {metric: [] for metric in METRICS} for name in predictors}
    for start in range(0, len(clips), BLOCK):
        block = clips.take(np.arange(start, min(start + BLOCK, len(clips))))
        for name, predictor in predictors.items():
            predicted = predictor(block[:, :given])
            for metric, function in METRICS.items():
                found[name][metric].append(function(block[:, given:], predicted))
        advance(len(block))
    return {
        name: {metric: np.concatenate(parts) for metric, parts in metrics.items()} for name, metrics in found.items()
    }


def mean_over_clips(figures: Values) -> Mean:
    """The mean of (n, frames) with its interval by Student's t over clips."""
    value, low, high, _ = _student(figures.mean(1))
    return Mean(value, low, high)


def differences(figures: Mapping[str, Mapping[str, Values]], first: str) -> list[Difference]:
    """The first predictor beside each other one, in each metric."""
    found = []
    for second in (name for name in figures if name != first):
        for metric in METRICS:
            pairs = (figures[first][metric] - figures[second][metric]).mean(1)
            found.append((second, metric, *_student(pairs)))
    adjusted = holm([p_value for *_, p_value in found])
    return [
        Difference(first, second, metric, value, low, high, p_value, after)
        for (second, metric, value, low, high, p_value), after in zip(found, adjusted, strict=True)
    ]


def _student(values: Values) -> tuple[float, float, float, float]:
    """Mean, 95% interval and the p-value of a mean of 0."""
    mean = float(values.mean())
    if values.std() == 0:
        return mean, mean, mean, float(mean == 0)
    found = stats.ttest_1samp(values, 0)
    low, high = found.confidence_interval(1 - LEVEL)
    return mean, float(low), float(high), float(found.pvalue)
