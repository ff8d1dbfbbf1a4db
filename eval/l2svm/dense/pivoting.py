"""Unit steps on the active rows, and what makes them certain.

With the rows A inside the margin held fixed the minimum is the solution of a linear system (`systems`); the rows that
are inside the margin there are the next A. That is block principal pivoting on the dual problem (Judice and Pires,
"A block principal pivoting algorithm for large-scale strictly monotone linear complementarity problems", 1994). It ends
at the minimum after a few steps, whatever the objective does in between, but it may cycle. Then C is approached from
below, times 4 each time, with the active rows carried along; and where the steps still cycle, each is cut to where the
objective is least along it, which always ends (Keerthi and DeCoste, JMLR 6, 2005).

The certificate: any a >= 0 is feasible in the dual problem, and of a point the best multiple is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dcgan_features.eval.l2svm.dense.systems import State, System, Work

Array = npt.NDArray[Any]

_PATIENCE = 12  # unit steps without a smaller gap, after which they are taken to cycle
_SHORTENED = 60  # most steps with a line search at a C
_EASY = 0.1  # 2 C max|x|^2 at which C is begun, and by what it is multiplied
_FACTOR = 4.0
_ON_THE_WAY = 1e-3  # gap at a C that is only passed through


@dataclass
class Best:
    """The least objective and the greatest dual objective that were seen, each wherever that was, and their gap.

    t : (n,) float64 of -1, 1, and 0 for rows that are left out. m : the rows' weights, (n,) > 0; None is 1 for all.
    """

    t: Array
    C: float
    m: Array | None = None
    objective: float = np.inf
    dual: float = 0.0
    state: State | None = None

    @property
    def half(self) -> Array | float:
        """1 / 2 C m, (n,), or the number where all m are 1."""
        return 0.5 / self.C if self.m is None else 0.5 / (self.C * self.m)

    def offer(self, system: System, state: State) -> bool:
        """Take a state into account; returns whether the gap became smaller by much."""
        before = self.gap
        slack = 1.0 - self.t * state.f
        np.maximum(slack, 0.0, out=slack)
        slack *= self.t != 0
        weighted = slack if self.m is None else self.m * slack
        objective = 0.5 * state.square + self.C * float(slack @ weighted)
        if not np.isfinite(objective):
            return False
        if objective < self.objective:
            self.objective, self.state = objective, state
        for alpha, square in self._candidates(system, state, weighted):
            self.dual = max(self.dual, self.dual_of(alpha, square))
        return self.gap < 0.5 * before

    def _candidates(self, system: System, state: State, weighted: Array) -> list[tuple[Array, float]]:
        found = []
        if state.b is not None:
            alpha = np.maximum(self.t * state.b, 0.0)
            found.append((alpha, system.adjoint_square(self.t * alpha)))
        if state.by_rows:
            alpha = self.t * state.point
            if alpha.min(initial=0.0) >= 0:
                found.append((alpha, state.square))
            else:
                np.maximum(alpha, 0.0, out=alpha)
                found.append((alpha, system.adjoint_square(self.t * alpha)))
        else:
            alpha = 2 * self.C * weighted
            found.append((alpha, system.adjoint_square(self.t * alpha)))
        return found

    def dual_of(self, alpha: Array, square: float) -> float:
        """The dual objective at the best multiple of a >= 0, (n,); square : |X' (t a)|^2."""
        total = float(alpha.sum())
        curvature = square + float(alpha @ (self.half * alpha))
        if not (total > 0 and 0 < curvature < np.inf):
            return 0.0
        step = total / curvature
        return step * total - 0.5 * step * step * curvature

    @property
    def gap(self) -> float:
        """Distance between the two."""
        return float(max(self.objective - self.dual, 0.0)) if self.state is not None else np.inf

    def within(self, tol: float) -> bool:
        """Whether the gap is within a tolerance, relative to the objective."""
        return bool(np.isfinite(self.objective)) and self.gap <= tol * self.objective


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


def minimise(system: System, best: Best, tol: float, most: int, start: State | None, work: Work) -> Best:
    """The minimum for one column.

    best : the column, with nothing seen yet. start : a state whose active rows are begun with; None begins with all.
    most : steps that may be taken, counted in `work`.
    """
    t = best.t
    limit = work.steps + most
    if start is not None and len(start.point):
        best.offer(system, start)
    if best.within(tol):
        return best
    begin = t != 0 if start is None else inside_of(t, start.f) if start.inside is None else start.inside
    if unit_steps(system, best, begin, tol, limit, work):
        return best
    if work.steps >= limit:
        best.offer(system, system.zero())
        return best
    best.offer(system, system.zero())
    _approach(system, best, tol, limit, work)
    return best


def inside_of(t: Array, f: Array) -> Array:
    """The rows inside the margin, (n,) of bool."""
    return np.asarray((t * f < 1) & (t != 0))


def unit_steps(
    system: System, best: Best, inside: Array, tol: float, limit: int, work: Work, patience: int = _PATIENCE
) -> bool:
    """Steps of whole length from the active rows `inside`; returns whether the tolerance is met."""
    half, waited = best.half, 0
    while work.steps < limit and waited < patience:
        state = system.solve(inside, best.t, half, work)
        if state is None:
            return False
        waited = 0 if best.offer(system, state) else waited + 1
        if best.within(tol):
            return True
        following = inside_of(best.t, state.f)
        repeats = 0
        while repeats < 4 and np.array_equal(following, inside):
            state = system.refine(state, inside, best.t, half, work)
            better = best.offer(system, state)
            if best.within(tol):
                return True
            following = inside_of(best.t, state.f)
            repeats += 1 if better else 2
        if np.array_equal(following, inside):
            return False  # as near as this precision comes
        inside = following
    return False


def _approach(system: System, best: Best, tol: float, limit: int, work: Work) -> None:
    """C from below, with the active rows carried along."""
    heaviest = 1.0 if best.m is None else float(best.m.max())
    easy = _EASY / (2 * max(system.largest * heaviest, 1e-300))
    steps = max(int(np.ceil(np.log(max(best.C / easy, 1.0)) / np.log(_FACTOR))), 0)
    state: State | None = None
    for step in range(steps, -1, -1):
        C = best.C / _FACTOR**step
        here, goal = (best, tol) if step == 0 else (Best(best.t, C, best.m), max(tol, _ON_THE_WAY))
        begin = best.t != 0 if state is None else inside_of(best.t, state.f)
        if not unit_steps(system, here, begin, goal, limit, work):
            shortened_steps(system, here, state or system.zero(), goal, limit, work)
        state = here.state or state
        if work.steps >= limit:
            break
    if best.C / _FACTOR**step != best.C and state is not None:
        best.offer(system, state)


def shortened_steps(system: System, best: Best, state: State, tol: float, limit: int, work: Work) -> None:
    """Steps as far as the objective falls, from the better of two states."""
    best.offer(system, state)
    half = best.half
    for _ in range(_SHORTENED):
        if work.steps >= limit or best.state is None or best.within(tol):
            return
        state = best.state
        goal = system.solve(inside_of(best.t, state.f), best.t, half, work)
        if goal is None:
            return
        before = best.objective, best.gap
        best.offer(system, goal)
        if best.objective == before[0]:
            step = line_minimum(system, state, goal, best)
            best.offer(system, system.between(state, goal, step))
        if best.objective >= before[0] and best.gap >= before[1]:
            return


def line_minimum(system: System, first: State, second: State, best: Best) -> float:
    """The step from `first` towards `second` at which the objective is least: Newton's method, kept in a bracket."""
    middle = system.between(first, second, 0.5)
    # |w + s d|^2 is a parabola through three points.
    bend = 2 * (first.square + second.square - 2 * middle.square)
    slope0 = second.square - first.square - bend
    change, low, high, step = second.f - first.f, 0.0, 1.0, 0.5
    t, scale = best.t, 2 * best.C * (np.ones(1) if best.m is None else best.m)
    for _ in range(100):
        f = first.f + step * change
        slack = np.where(t != 0, np.maximum(1 - t * f, 0.0), 0.0)
        along = t * change
        slope = 0.5 * slope0 + bend * step - float((scale * slack) @ along)
        low, high = (step, high) if slope < 0 else (low, step)
        curvature = bend + float((scale * (slack > 0) * along) @ along)
        newton = step - slope / curvature if curvature > 0 else -1.0
        following = newton if low < newton < high else (low + high) / 2
        if abs(following - step) <= 1e-12 * step or high - low < 1e-14:
            break
        step = following
    return step
