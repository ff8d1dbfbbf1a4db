"""Labels of which some are missing: scikit-learn's convention for semi-supervised classifiers, checked once for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

UNLABELLED = -1


@dataclass(frozen=True)
class PartlyLabelled:
    """What a classifier is fitted to.

    X : float32 (n, d). classes : (k,), sorted, k >= 2, without "no label". index : int64 (n,), the place of each row's
    class in `classes`, or -1 where the row has no label.
    """

    X: npt.NDArray[np.float32]
    classes: npt.NDArray[Any]
    index: npt.NDArray[np.int64]

    @property
    def labelled(self) -> npt.NDArray[np.bool_]:
        """(n,): which rows have a label."""
        known: npt.NDArray[np.bool_] = self.index != UNLABELLED
        return known


def check_partly_labelled(estimator: BaseEstimator, X: npt.ArrayLike, y: npt.ArrayLike) -> PartlyLabelled:
    """X (n, d) of finite numbers and y (n,), in which the number -1 means "no label"; sets `n_features_in_`.

    Raises ValueError for other shapes and for fewer than two classes among the labels.
    """
    rows, labels = validate_data(estimator, X, y, dtype=np.float32, y_numeric=False)
    labels = column_or_1d(labels, warn=True)
    check_classification_targets(labels)
    known = np.ones(len(labels), bool)
    if np.issubdtype(labels.dtype, np.number):
        known = labels != UNLABELLED
    classes, places = np.unique(labels[known], return_inverse=True)
    if len(classes) < 2:
        found = f"one class only ({classes[0]!r})" if len(classes) else "no label"
        raise ValueError(f"y holds {found}; {type(estimator).__name__} needs labels of at least two classes")
    index = np.full(len(labels), UNLABELLED, np.int64)
    index[known] = places
    return PartlyLabelled(rows, classes, index)
