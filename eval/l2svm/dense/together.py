"""Unit steps of all columns of a small problem side by side.

The steps are those of `pivoting`, without its safeguards: with little to compute, what a step costs is calling it, so
that one thread takes all columns through it at once. Columns that are not done then are for `pivoting`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dcgan_features.eval.l2svm.dense.lapack import add_square, cholesky, cholesky_solve
from dcgan_features.eval.l2svm.dense.systems import WeightSystem

Array = npt.NDArray[Any]

DIMENSIONS = 320  # most features, with the intercept's
COLUMNS = 64  # most columns at a time
_PATIENCE = 6  # unit steps without a smaller gap, after which a column is left to others
_SOFT = 8.0  # 2 C times the rows' mean squared length at which a larger C is begun,
_FACTOR, _SOFT_STEPS = 10.0, 3  # by what it is multiplied, and the most steps at a C on the way


@dataclass
class Side:
    """What was found for k columns. w : (k, d). f : (k, n). objective, dual : (k,). steps, done : (k,)."""

    w: Array
    f: Array
    objective: Array
    dual: Array
    steps: Array
    done: Array


def side_by_side(system: WeightSystem, t: Array, C: float, tol: float, most: int, f: Array | None) -> Side:
    """The minima of the columns, as far as unit steps lead to them.

    system : of float64. t : (k, n) float64 of -1, 1, and 0 for rows that are left out. most : steps a column.
    f : (k, n), decision values whose active rows are begun with; None begins with all.
    """
    passed = _SOFT * system.rows / (2 * max(system.energy, 1e-300))
    squares, taken = _Squares(system, len(t)), 0
    begun = f is not None
    while not begun and passed * _FACTOR / 3 < C and taken + _SOFT_STEPS < most:
        f = _steps(system, squares, t, passed, tol, _SOFT_STEPS, f).f
        taken += _SOFT_STEPS
        passed *= _FACTOR
    found = _steps(system, squares, t, C, tol, most - taken, f)
    found.steps += taken
    return found


def _steps(
    system: WeightSystem, squares: _Squares, t: Array, C: float, tol: float, most: int, begin: Array | None
) -> Side:
    X, counts = system.X, t != 0
    columns = len(t)
    inside = counts.copy() if begin is None else (t * begin < 1) & counts
    best = Side(
        np.zeros((columns, system.dimensions)), np.zeros(t.shape), np.full(columns, np.inf), np.zeros(columns),
        np.zeros(columns, int), np.zeros(columns, bool),
    )  # fmt: skip
    waited, live = np.zeros(columns, int), np.arange(columns)
    while len(live) and most > best.steps.max():
        here, t_here = inside[live], t[live]
        w = (t_here * here) @ X
        solved = [squares.solve(live[at], here[at], 0.5 / C, w[at]) for at in range(len(live))]
        best.steps[live] += 1
        f = w @ X.T
        slack = np.maximum(1 - t_here * f, 0.0)
        slack *= counts[live]
        following = slack > 0
        squared = np.einsum("ij,ij->i", slack, slack)
        objective = 0.5 * np.einsum("ij,ij->i", w, w) + C * squared
        # The dual point is 2 C slack; of it the best multiple.
        adjoint = (t_here * slack) @ X
        total, bend = slack.sum(1), np.einsum("ij,ij->i", adjoint, adjoint) + 0.5 / C * squared
        dual = np.where(bend > 0, 0.5 * total * total / np.where(bend > 0, bend, 1.0), 0.0)
        good = np.array(solved) & np.isfinite(objective)
        before = best.objective[live] - best.dual[live]
        better = good & (objective < best.objective[live])
        chosen = live[better]
        best.objective[chosen], best.w[chosen], best.f[chosen] = objective[better], w[better], f[better]
        best.dual[live] = np.where(good, np.maximum(best.dual[live], dual), best.dual[live])
        gap = best.objective[live] - best.dual[live]
        best.done[live] = np.isfinite(gap) & (gap <= tol * best.objective[live])  # no step taken: an infinite gap
        waited[live] = np.where(gap < 0.5 * before, 0, waited[live] + 1)
        still = (following != here).any(1)
        inside[live] = following
        live = live[good & still & ~best.done[live] & (waited[live] < _PATIENCE)]
    return best


class _Squares:
    """X_A' X_A for the active rows A of each column, from that of the step before."""

    def __init__(self, system: WeightSystem, columns: int) -> None:
        self.X, self.rows = system.X, system.rows
        self.whole = system.whole()
        self.inside = np.ones((columns, system.rows), bool)
        self.matrices = np.broadcast_to(self.whole, (columns, *self.whole.shape)).copy()
        self.factor = np.empty_like(self.whole)

    def solve(self, column: int, inside: Array, shift: float, right: Array) -> bool:
        """Replace `right` (d,) by the solution of (X_A' X_A + shift I) w = right; False where there is none."""
        matrix, last = self.matrices[column], self.inside[column]
        changed = np.flatnonzero(inside != last)
        if 2 * len(changed) > self.rows:
            matrix[:] = self.whole
            last[:] = True
            changed = np.flatnonzero(~inside)
        if len(changed):
            new = inside[changed]
            add_square(matrix, self.X[changed[new]], 1.0)
            add_square(matrix, self.X[changed[~new]], -1.0)
            last[:] = inside
        self.factor[:] = matrix
        self.factor.ravel()[:: len(matrix) + 1] += shift
        if not cholesky(self.factor):
            return False
        cholesky_solve(self.factor, right)
        return True
