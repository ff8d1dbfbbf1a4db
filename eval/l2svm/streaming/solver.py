"""Newton's method in few exact passes over the data, for one processor.

As in `newton`, the problem of each column is P(w) = 1/2 <w, w> + C sum_i m_i max(0, 1 - t_i (X w)_i)^2, and Newton's
direction solves (I + 2 C X' A X) d = -g by conjugate gradients, preconditioned on a few leading directions of X. Here

- w begins as the minimum among the weights in the space of those directions: a problem of so few features;
- conjugate gradients multiply in bfloat16, where the processor does so fast, and only as exactly as the rows inside the
  margin are settled: the direction need not be exact, but what is found at its end must be;
- one exact pass at the end of the whole step then gives X w, the gradient, the objective and the certificate at once.
  Only where the objective has not fallen is a shorter step looked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dcgan_features.eval.l2svm.conjugate import conjugate_gradients
from dcgan_features.eval.l2svm.dense.solver import Dense
from dcgan_features.eval.l2svm.newton import Preconditioner, Solution, line_search
from dcgan_features.eval.l2svm.primal import WeightSpace

Report = Callable[[float, float], None]  # takes the passes of the fit so far and the largest relative gap

_LOOSE, _TIGHT = 0.02, 1e-3  # conjugate gradients stop when the residual's energy has shrunk by the first,
_SETTLED = 0.005  # or, once fewer of a column's rows than this cross the margin in a step, by as much as should bring
_MARGIN = 0.1  # the gap to this share of what is asked for, at most by the second
_CONJUGATE_STEPS = 40
_START_TOL, _START_STEPS = 1e-2, 100
_LESS_GAP, _LESS_OBJECTIVE = 0.5, 1e-3  # after a step that shrinks neither so much products are exact,
_PATIENCE = 3  # and after so many of them another solver goes on
_ROUNDING = 1e-6  # relative difference of objectives that float32 does not tell apart


@dataclass
class _Point:
    """k columns at one w, (d + 1, k): f = X w, (n, k), the gradient; objective and dual objective in float64, (k,)."""

    w: Tensor
    f: Tensor
    gradient: Tensor
    objective: Tensor
    dual: Tensor

    def of(self, columns: Tensor) -> _Point:
        """Some of the columns."""
        w, f, gradient = (each[:, columns] for each in (self.w, self.f, self.gradient))
        return _Point(w, f, gradient, self.objective[columns], self.dual[columns])

    def put(self, columns: Tensor, other: _Point) -> None:
        """Replace some of the columns; each dual point seen bounds the minimum."""
        self.w[:, columns], self.f[:, columns], self.gradient[:, columns] = other.w, other.f, other.gradient
        self.objective[columns] = other.objective
        self.raise_dual(columns, other.dual)

    def raise_dual(self, columns: Tensor, dual: Tensor) -> None:
        """Keep the larger of the dual objectives."""
        self.dual[columns] = torch.maximum(self.dual[columns], dual)

    @property
    def gap(self) -> Tensor:
        """(k,)."""
        return (self.objective - self.dual).clamp_min(0)


def minimise(
    space: WeightSpace,
    targets: Tensor,
    mask: Tensor,
    C: float,
    *,
    preconditioner: Preconditioner,
    tol: float,
    max_iter: int,
    start: Tensor | None = None,
    report: Report = lambda passes, gap: None,
) -> Solution:
    """Minimise P for each of k columns, all at once, as far as this method comes.

    space : of float32, on the CPU. targets, mask : (n, k), of -1 and 1, and weights >= 0.
    start : w to begin from, (d + 1, k); it is not changed.
    `Solution.converged` is False where float32 or the method stopped short of `tol`.
    """
    w = begin(space, preconditioner, targets, mask, C) if start is None else start.clone()
    point = _evaluate(space, w, targets, mask, C)
    inside = (targets * point.f < 1) & (mask > 0)
    crossed = torch.ones(targets.shape[1])
    passes, steps, idle = 1.0, 0, 0
    while True:
        gaps = point.gap / point.objective
        live = (gaps > tol).nonzero()[:, 0]
        report(passes, float(gaps.max()))
        if not len(live) or steps == max_iter or idle == _PATIENCE:
            break
        here, t, m = point.of(live), targets[:, live], mask[:, live]
        wanted = (_MARGIN * tol / gaps[live]).clamp(_TIGHT, _LOOSE)
        weights = 2 * C * m * inside[:, live]
        direction, took = _direction(
            space,
            here.gradient,
            weights,
            preconditioner.prepare(space, weights, C),
            torch.where(crossed[live] < _SETTLED, wanted, _LOOSE),
            space.multiplies_coarsely and not idle,
        )
        following = _evaluate(space, here.w + direction, t, m, C)
        passes += took + 1
        steps += 1
        worse = (~_is_better(following, here)).nonzero()[:, 0]
        if len(worse):
            following.put(worse, _shortened(space, here.of(worse), following.of(worse), t[:, worse], m[:, worse], C))
            passes += 1
        better = _is_better(following, here)
        point.raise_dual(live, following.dual)
        point.put(live[better], following.of(better))
        now = (targets * point.f < 1) & (mask > 0)
        crossed, inside = (now != inside).float().mean(0), now
        fallen = float(((here.objective - following.objective) / here.objective).max())
        if float((point.gap / point.objective).max()) > _LESS_GAP * float(gaps.max()) and fallen < _LESS_OBJECTIVE:
            idle += 1
    converged = bool((point.gap <= tol * point.objective).all())
    return Solution(point.w, point.f, point.objective, point.gap, steps, passes, converged)


def begin(space: WeightSpace, preconditioner: Preconditioner, targets: Tensor, mask: Tensor, C: float) -> Tensor:
    """The minima among the weights in the space of the leading directions, (d + 1, k)."""
    leading = preconditioner.leading(space)
    if not Dense.fits(*leading.decision.shape):
        return space.zeros(targets.shape[1])
    t = torch.where(mask > 0, targets, 0).T.to(torch.int8).contiguous().numpy()
    m = None if bool((mask == 1).all()) else mask.T.double().contiguous().numpy()
    outcome = Dense(leading.decision, False).path([C], t, _START_TOL, _START_STEPS, m=m)[C]
    return leading.vectors @ torch.from_numpy(np.ascontiguousarray(outcome.weights[:, :-1].T)).to(space.dtype)


def _is_better(following: _Point, here: _Point) -> Tensor:
    """Whether the objective fell or, where it is the same but for rounding, the gap."""
    same = following.objective <= here.objective * (1 + _ROUNDING)
    return (following.objective < here.objective * (1 - _ROUNDING)) | (same & (following.gap < here.gap))


def _evaluate(space: WeightSpace, w: Tensor, t: Tensor, m: Tensor, C: float) -> _Point:
    """All that is to be known of w, in one pass."""

    def minus_dual_point(f: Tensor, rows: slice | Tensor) -> Tensor:
        return -2 * C * (1 - t[rows] * f).clamp_min_(0) * m[rows] * t[rows]

    return _point(w, *space.curved(w, minus_dual_point), t, m, C)


def _point(w: Tensor, f: Tensor, gradient: Tensor, t: Tensor, m: Tensor, C: float) -> _Point:
    slack = (1 - t * f).clamp_min_(0)
    squares = (m * slack * slack).sum(0, dtype=torch.float64)
    linear = (m * slack).sum(0, dtype=torch.float64)
    wide, sharp = w.double(), gradient.double()
    objective = 0.5 * wide.square().sum(0) + C * squares
    # The dual objective of a = 2 C m slack, with X'(t a) = w - gradient, is sum(a) - q / 2; that of its best multiple:
    q = (wide - sharp).square().sum(0) + 2 * C * squares
    best = torch.where(q > 0, (2 * C * linear).square() / (2 * q), 0)
    return _Point(w, f, gradient, objective, torch.maximum(best, objective - 0.5 * sharp.square().sum(0)))


def _shortened(space: WeightSpace, here: _Point, beyond: _Point, t: Tensor, m: Tensor, C: float) -> _Point:
    """The least objective on the way from here to the point beyond."""
    direction, change = beyond.w - here.w, beyond.f - here.f
    along, square = space.inner(here.w, direction), space.inner(direction, direction)
    step = line_search(space.total, along, square, here.f, change, t, m, C)
    return _evaluate(space, here.w + step * direction, t, m, C)


def _direction(
    space: WeightSpace,
    gradient: Tensor,
    weights: Tensor,
    precondition: Callable[[Tensor], Tensor],
    forcing: Tensor,
    coarse: bool,
) -> tuple[Tensor, float]:
    """Solve (I + X' weights X) d = -gradient roughly; returns d and the passes over the data.

    forcing : what the energy <r, M r> of the residual r is to shrink by, (k,), M the preconditioner.
    """

    def multiply(vector: Tensor) -> tuple[None, Tensor]:
        return None, space.coarse_hessian(vector, weights) if coarse else space.hessian(vector, weights)[1]

    direction, _, passes = conjugate_gradients(
        multiply,
        precondition,
        -gradient,
        inner=space.inner,
        shrink=forcing.to(gradient.dtype),
        most=_CONJUGATE_STEPS,
    )
    return direction, float(passes)
