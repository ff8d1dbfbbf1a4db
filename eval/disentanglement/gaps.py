"""Scores made of gaps: how far the dimension that says most of a factor is ahead of the next.

Sources: the mutual information gap (MIG), Chen, Li, Grosse & Duvenaud (2018), "Isolating sources of disentanglement in
variational autoencoders", section 4.1, with codes in equal bins as in Locatello et al. (2019); the separated attribute
predictability (SAP), Kumar, Sattigeri & Balakrishnan (2018), "Variational inference of disentangled latent concepts
from unlabeled observations", section 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.metrics import balanced_accuracy_score
from sklearn.tree import DecisionTreeClassifier

from dcgan_features.eval.disentanglement.targets import Codes, Values, as_targets, check_codes, r_squared

BINS = 20


def mutual_information_gap(
    codes: Codes, values: Values, bins: int = BINS
) -> tuple[float, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The gap, mean over factors; of each factor; and the information, (dimensions, factors), in shares of entropy.

    A factor's gap is the mutual information of its value and the dimension that has most of it, less that of the next
    dimension, over the factor's entropy; the whole where there is one dimension. bins : equal parts of a dimension's
    range. Raises ValueError for arrays that do not fit each other, or fewer than two bins.
    """
    check_codes(codes, values)
    if bins < 2:
        raise ValueError(f"bins={bins} must be at least 2")
    binned = [_binned(column, bins) for column in codes.T]
    shares = np.empty((codes.shape[1], values.shape[1]))
    for factor, column in enumerate(values.T):
        entropy = _entropy(np.bincount(column))
        for dimension, places in enumerate(binned):
            shares[dimension, factor] = _information(places, column, bins) / entropy
    gaps = _gaps(shares)
    return float(gaps.mean()), gaps, shares


def sap_score(
    codes: Codes, values: Values, test_codes: Codes, test_values: Values, kinds: Sequence[str]
) -> tuple[float, npt.NDArray[np.float64]]:
    """The score, mean over factors, and the gap of each, 0..1.

    Each factor is predicted from each dimension alone, fitted on the first two arguments. Of an ordered factor counts
    R² on the test images of the best straight line, of a cyclic one that of its point on the circle, at least 0; of a
    categorical one the balanced accuracy of the best thresholds: a decision tree with as many leaves as values
    (reconstruction: the paper has no rule for finding several thresholds). The gap is that of the two best dimensions.
    Raises ValueError for arrays that do not fit each other.
    """
    check_codes(codes, values, kinds)
    check_codes(test_codes, test_values, kinds)
    found = np.empty((codes.shape[1], values.shape[1]))
    for factor, kind in enumerate(kinds):
        count = int(max(values[:, factor].max(), test_values[:, factor].max())) + 1
        for dimension in range(codes.shape[1]):
            pair = codes[:, dimension].astype(np.float64), test_codes[:, dimension].astype(np.float64)
            columns = values[:, factor], test_values[:, factor]
            found[dimension, factor] = (
                _by_thresholds(*pair, *columns, count)
                if kind == "categorical"
                else _by_line(*pair, *(as_targets(column, kind, count) for column in columns))
            )
    gaps = _gaps(found)
    return float(gaps.mean()), gaps


def _gaps(found: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Largest less second largest of each column; the largest where there is one row."""
    ranked = np.sort(found, 0)[::-1]
    gaps: npt.NDArray[np.float64] = ranked[0] - ranked[1] if len(ranked) > 1 else ranked[0]
    return gaps


def _binned(column: npt.NDArray[np.float64], bins: int) -> npt.NDArray[np.int64]:
    low, high = float(column.min()), float(column.max())
    if high <= low:
        return np.zeros(len(column), np.int64)
    return np.minimum((column.astype(np.float64) - low) / (high - low) * bins, bins - 1).astype(np.int64)


def _entropy(counts: npt.NDArray[np.int64]) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _information(places: npt.NDArray[np.int64], column: npt.NDArray[np.int64], bins: int) -> float:
    joint = np.bincount(column * bins + places, minlength=(int(column.max()) + 1) * bins).reshape(-1, bins)
    return _entropy(joint.sum(0)) + _entropy(joint.sum(1)) - _entropy(joint.ravel())


def _by_line(
    code: npt.NDArray[np.float64],
    test_code: npt.NDArray[np.float64],
    target: npt.NDArray[np.float64],
    test_target: npt.NDArray[np.float64],
) -> float:
    centred = code - code.mean()
    spread = float(centred @ centred)
    slope = centred @ (target - target.mean(0)) / spread if spread > 0 else np.zeros(target.shape[1])
    predicted = target.mean(0) + (test_code - code.mean())[:, None] * slope
    return max(r_squared(test_target, predicted), 0.0)


def _by_thresholds(
    code: npt.NDArray[np.float64],
    test_code: npt.NDArray[np.float64],
    column: npt.NDArray[np.int64],
    test_column: npt.NDArray[np.int64],
    count: int,
) -> float:
    tree = DecisionTreeClassifier(max_leaf_nodes=max(count, 2), class_weight="balanced", random_state=0)
    predicted = tree.fit(code[:, None], column).predict(test_code[:, None])
    return float(balanced_accuracy_score(test_column, predicted))
