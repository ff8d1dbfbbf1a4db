"""What the dense solver finds: a column's minimum, and the columns' minima at one C."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from dcgan_features.eval.l2svm.pivoting import Best

Array = npt.NDArray[Any]


@dataclass
class Found:
    """One column's minimum at one C. point : coefficients (n,) where `by_rows`, else weights (d + 1,)."""

    t: Array
    m: Array | None
    C: float
    point: Array
    by_rows: bool
    f: Array
    objective: float
    dual: float
    steps: int

    def within(self, tol: float) -> bool:
        """Whether the gap is within a tolerance, relative to the objective."""
        return self.objective - self.dual <= tol * self.objective


@dataclass
class Outcome:
    """The columns' minima at one C.

    weights : (m, d + 1), the intercept last. decision : (m, n), or None. objective, gap : (m,). steps : of the column
    with most.
    """

    weights: Array
    decision: Array | None
    objective: Array
    gap: Array
    steps: int
    converged: bool


def found_by(best: Best, steps: int) -> Found:
    """The column's minimum, from the best point that was seen."""
    assert best.state is not None
    state = best.state
    return Found(best.t, best.m, best.C, state.point, state.by_rows, state.f, best.objective, best.dual, steps)
