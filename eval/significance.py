"""Whether two classifiers differ: their predictions of the same test images, compared image by image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from dcgan_features.eval.protocols import wilson_interval

LEVEL = 0.05
NOT_APART = "not told apart"
FEW = 25  # discordant images below which McNemar's test is the exact binomial one


@dataclass(frozen=True)
class Comparison:
    """Two classifiers on the same label draws and the same test images.

    names : of the first and the second. draws, test_images : their numbers.
    difference : accuracy of the first less the second, in percentage points, the mean over the draws.
    low, high : its 95% interval: over label draws, on these test images; for a single draw, over test images.
    wide_low, wide_high : its 95% interval over both label draws and test images; for a single draw the same as above.
    p_value : two-sided, of the paired t test over the draws; for a single draw McNemar's.
    adjusted : the same, corrected for the number of comparisons where the caller has done so; it decides the verdict.
    only_first, only_second : test images that only the one gets right, one count a draw.
    """

    names: tuple[str, str]
    draws: int
    test_images: int
    difference: float
    low: float
    high: float
    wide_low: float
    wide_high: float
    p_value: float
    adjusted: float
    only_first: tuple[int, ...]
    only_second: tuple[int, ...]

    @property
    def verdict(self) -> str:
        """One of "A over B", "A over B on these test images" (others could show the reverse) and "not told apart"."""
        if self.adjusted >= LEVEL:
            return NOT_APART
        better, worse = self.names if self.difference > 0 else self.names[::-1]
        return f"{better} over {worse}" + ("" if self.general else " on these test images")

    @property
    def general(self) -> bool:
        """Whether a verdict holds for other test images too, or on these alone."""
        return self.draws == 1 or self.wide_low > 0 or self.wide_high < 0


@dataclass(frozen=True)
class GroupComparison:
    """Two classifiers on groups of test cases, in percentage points of accuracy.

    names : of the groups. differences : accuracy of the first less the second in each, the mean over the draws.
    low, high : 95% interval of the groups' mean, for other groups of the same kind. p_value : two-sided; both of the
    paired t test over the groups.
    """

    names: tuple[str, ...]
    differences: tuple[float, ...]
    low: float
    high: float
    p_value: float

    @property
    def difference(self) -> float:
        """The mean over the groups."""
        return float(np.mean(self.differences))


def compare(
    truth: npt.NDArray[Any],
    first: npt.NDArray[Any],
    second: npt.NDArray[Any],
    names: tuple[str, str] = ("the first", "the second"),
) -> Comparison:
    """Compare two classifiers that learnt from the same label draws.

    truth : (n_test,). first, second : predicted labels, (draws, n_test), draw by draw from the same labels.
    Raises ValueError for other shapes.
    """
    if truth.ndim != 1 or first.shape != second.shape or first.ndim != 2 or first.shape[1:] != truth.shape:
        raise ValueError(f"predictions of shapes {first.shape} and {second.shape} for labels of shape {truth.shape}")
    if not first.size:
        raise ValueError("there are no predictions to compare")
    right, other = first == truth, second == truth  # (draws, n_test)
    only_first, only_second = (right & ~other).sum(1), (other & ~right).sum(1)
    if len(first) == 1:
        b, c, both = int(only_first[0]), int(only_second[0]), int((right & other).sum())
        low, high = newcombe_interval(both, b, c, len(truth) - both - b - c)
        wide, p_value = (low, high), mcnemar(b, c)
    else:
        points = 100 * (right.astype(np.float64) - other)
        low, high, p_value = _paired_t(points.mean(1))
        wide_low, wide_high = _over_both(points)
        wide = min(low, wide_low), max(high, wide_high)  # with few draws Student's t alone may reach further
    return Comparison(
        names=names,
        draws=len(first),
        test_images=len(truth),
        difference=100 * float(np.mean((only_first - only_second) / len(truth))),
        low=low,
        high=high,
        wide_low=wide[0],
        wide_high=wide[1],
        p_value=p_value,
        adjusted=p_value,
        only_first=tuple(only_first.tolist()),
        only_second=tuple(only_second.tolist()),
    )


def compare_by_group(
    truth: npt.NDArray[Any], first: npt.NDArray[Any], second: npt.NDArray[Any], groups: npt.NDArray[Any]
) -> GroupComparison:
    """Compare two classifiers by groups of test cases, such as speakers, each of which counts as one observation.

    truth, groups : (n_test,). first, second : predicted labels, (draws, n_test). Raises ValueError for other shapes and
    for fewer than two groups.
    """
    if first.shape != second.shape or first.ndim != 2 or not first.shape[1:] == truth.shape == groups.shape:
        raise ValueError(f"predictions of shapes {first.shape} and {second.shape} for labels of shape {truth.shape}")
    names = np.unique(groups)
    if len(names) < 2:
        raise ValueError(f"a comparison by groups needs at least two, not {len(names)}")
    points = 100 * ((first == truth).astype(np.float64) - (second == truth)).mean(0)
    differences = np.array([points[groups == name].mean() for name in names])
    low, high, p_value = _paired_t(differences)
    return GroupComparison(tuple(map(str, names)), tuple(differences.tolist()), low, high, p_value)


def accuracy_interval(values: Sequence[float], low: float, high: float) -> tuple[float, float]:
    """95% interval of an accuracy over both label draws and test images, in percent.

    values : the accuracy of each label draw. low, high : the interval of their mean over test images alone.
    Of several draws, the distances of Student's interval over the draws and of the other one are joined as independent
    errors are, by the root of the sum of their squares; with a single draw it is left as it is.
    """
    if len(values) < 2:
        return low, high
    mean = float(np.mean(values))
    half = float(stats.t.ppf(1 - LEVEL / 2, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))
    return mean - math.hypot(half, mean - low), mean + math.hypot(half, high - mean)


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p-value of McNemar's test from the numbers of images that only one of two classifiers gets right.

    McNemar (1947): exact binomial for fewer than 25 of them, otherwise chi-squared with Edwards' (1948) correction.
    """
    discordant = only_first + only_second
    if discordant < FEW:
        return float(stats.binomtest(only_first, discordant).pvalue) if discordant else 1.0
    statistic = max(abs(only_first - only_second) - 1, 0) ** 2 / discordant
    return float(stats.chi2.sf(statistic, 1))


def newcombe_interval(both: int, only_first: int, only_second: int, neither: int) -> tuple[float, float]:
    """95% interval, in percentage points, of the difference of two proportions observed on the same cases.

    Newcombe, Improved confidence intervals for the difference between binomial proportions based on paired data,
    Statistics in Medicine 17 (1998), method 10: Wilson's intervals of the two, combined by their correlation, which is
    corrected for continuity. The counts are of cases in which both hold, only one, or neither.
    """
    size = both + only_first + only_second + neither
    p, q = 100 * (both + only_first) / size, 100 * (both + only_second) / size
    (p_low, p_high), (q_low, q_high) = wilson_interval(p, size), wilson_interval(q, size)
    margins = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    cross = both * neither - only_first * only_second
    corrected = max(cross - size / 2, 0) if cross > 0 else cross
    correlation = corrected / math.sqrt(margins) if margins else 0.0

    def distance(a: float, b: float) -> float:
        return math.sqrt(max(a**2 - 2 * correlation * a * b + b**2, 0))

    return p - q - distance(p - p_low, q_high - q), p - q + distance(p_high - p, q - q_low)


def _paired_t(differences: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """(low, high, p-value) of the mean of at least two differences, by Student's t."""
    mean = float(differences.mean())
    if differences.std() == 0:  # of which no t can be made
        return mean, mean, float(mean == 0)
    found = stats.ttest_1samp(differences, 0)
    low, high = found.confidence_interval(1 - LEVEL)
    return float(low), float(high), float(found.pvalue)


def _over_both(points: npt.NDArray[np.float64]) -> tuple[float, float]:
    """95% interval of the mean of (draws, n_test) differences when both draws and images are samples.

    The variance of the mean over draws and that over images are added (crossed random effects; their interaction counts
    twice, so that the interval is a little too wide), with Satterthwaite's degrees of freedom.
    """
    mean, parts = float(points.mean()), []
    for axis in (1, 0):
        means = points.mean(axis)
        parts.append((float(means.var(ddof=1)) / len(means) if len(means) > 1 else 0.0, len(means) - 1))
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return mean, mean
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts if degrees)
    half = float(stats.t.ppf(1 - LEVEL / 2, freedom)) * math.sqrt(variance)
    return mean - half, mean + half


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number, so that the chance of any false difference stays below the level.

    Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).
    """
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    adjusted = np.minimum(np.maximum.accumulate(np.asarray(p_values, dtype=np.float64)[order] * factors), 1)
    return [float(value) for value in adjusted[np.argsort(order)]]
