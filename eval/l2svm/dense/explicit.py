"""Weights of minima that were found as coefficients of rows, certified by the features themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from dcgan_features.eval.l2svm.dense.pivoting import Best, Found
from dcgan_features.eval.l2svm.matrices import combined

Array = npt.NDArray[Any]


def certified(features: Tensor, intercept: bool, columns: list[Found], tol: float, dtype: Any) -> list[Found]:
    """Replace the coefficients b of some columns by the weights X' b; returns the columns that X does not certify.

    Every column's objective and dual objective become those by X, and so do the decision values of those returned.

    features : (n, d). tol : the relative gap asked for, inf for none. dtype : of the products with X.
    """
    if not columns:
        return []
    points = np.stack([found.point for found in columns])
    whole, decided = combined(features, intercept, points.astype(dtype), True)
    decision = np.asarray(decided, np.float64)
    feasible = [np.maximum(found.t * found.point, 0.0) for found in columns]
    clipped = [place for place, found in enumerate(columns) if (found.t * found.point).min(initial=0.0) < 0]
    squares = np.einsum("ij,ij->i", whole, whole, dtype=np.float64)
    dual_squares = squares.copy()
    if clipped:
        rows = np.stack([columns[place].t * feasible[place] for place in clipped]).astype(dtype)
        other, _ = combined(features, intercept, rows, False)
        dual_squares[clipped] = np.einsum("ij,ij->i", other, other, dtype=np.float64)
    missed = []
    for place, found in enumerate(columns):
        f = decision[place]
        slack = np.maximum(1 - found.t * f, 0.0) * (found.t != 0)
        weighted = slack if found.m is None else found.m * slack
        found.objective = 0.5 * float(squares[place]) + found.C * float(slack @ weighted)
        found.dual = Best(found.t, found.C, found.m).dual_of(feasible[place], float(dual_squares[place]))
        if found.within(tol):
            found.point, found.by_rows = whole[place], False
        else:
            found.f = f
            missed.append(found)
    return missed
