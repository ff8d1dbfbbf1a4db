"""Multi-label targets: mean average precision, and whether two scorings of the same images differ in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000


def average_precisions(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average precision of each class, in percent, (k,); NaN for a class that no image has.

    The mean, over the images of a class, of the precision among the images that score as high or higher. Images of
    equal score count together, as in `sklearn.metrics.average_precision_score`.

    truth : (n, k), whether an image has a class. scores : (n, k). Raises ValueError for other shapes.
    """
    if truth.ndim != 2 or truth.shape != scores.shape or not truth.size:
        raise ValueError(f"scores of shape {scores.shape} for targets of shape {truth.shape}")
    return np.array([_average_precision(truth[:, k], scores[:, k]) for k in range(truth.shape[1])])


def mean_average_precision(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """The mean of `average_precisions` over the classes that some image has, in percent."""
    return float(np.nanmean(average_precisions(truth, scores)))


def _average_precision(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    if not truth.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    right, ordered = truth[order].astype(np.float64), scores[order]
    ends = np.r_[np.flatnonzero(np.diff(ordered)), len(ordered) - 1]  # of runs of equal scores
    found = np.cumsum(right)[ends]
    return 100 * float((np.diff(np.r_[0, found]) * found / (ends + 1)).sum() / right.sum())


@dataclass(frozen=True)
class PrecisionDifference:
    """Mean average precision of a first scoring less that of a second, in points, with its 95% interval.

    p_value : two-sided, of the same bootstrap; not below 2 / (resamples + 1).
    """

    difference: float
    low: float
    high: float
    p_value: float


def compare_precision(
    truth: NDArray[np.bool_],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> PrecisionDifference:
    """Compare two scorings of the same images by resampling the images with replacement (percentile bootstrap).

    truth, first, second : (n, k). A class that a resample lacks is left out of its mean.
    """
    random = np.random.default_rng(seed)
    difference = mean_average_precision(truth, first) - mean_average_precision(truth, second)
    found = np.empty(resamples)
    for number in range(resamples):
        rows = random.integers(0, len(truth), len(truth))
        drawn = truth[rows]
        found[number] = mean_average_precision(drawn, first[rows]) - mean_average_precision(drawn, second[rows])
    low, high = np.percentile(found, [2.5, 97.5])
    tail = 1 + min(int((found <= 0).sum()), int((found >= 0).sum()))
    return PrecisionDifference(difference, float(low), float(high), min(1.0, 2 * tail / (resamples + 1)))
