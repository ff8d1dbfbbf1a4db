"""Targets of several classes a row: an L2-SVM for each class against all other rows, with one C for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dcgan_features.eval.average_precision import mean_average_precision
from dcgan_features.eval.l2svm.estimator import L2SVM


def decision_values(X: Tensor, truth: NDArray[np.bool_], queries: Tensor, C: float) -> NDArray[np.float64]:
    """What the classes' L2-SVMs, fitted on X (n, d), say of queries (m, d): (m, k).

    truth : (n, k), whether a row has a class. A class that no row has, or every row, is 0 for all queries.
    """
    columns = []
    for label in truth.T:
        if label.all() or not label.any():  # a part without the class says nothing of it
            columns.append(np.zeros(len(queries)))
        else:
            columns.append(np.asarray(L2SVM(C).fit(X, label.astype(np.int64)).decision_function(queries), np.float64))
    return np.stack(columns, axis=1)


def chosen_C(X: Tensor, truth: NDArray[np.bool_], Cs: Sequence[float], held: tuple[Tensor, NDArray[np.bool_]]) -> float:
    """The C of the best mean average precision on rows held out, the smallest of several.

    X, truth : of the rows that are fitted on, (n, d) and (n, k). held : those held out, likewise.
    """
    queries, expected = held
    found = {C: mean_average_precision(expected, decision_values(X, truth, queries, C)) for C in sorted(Cs)}
    return max(found, key=lambda C: (found[C], -C))
