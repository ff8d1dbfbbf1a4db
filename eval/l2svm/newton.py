"""Truncated Newton for many L2-regularised squared-hinge problems at once.

For each column it minimises  P(w) = 1/2 <w, w> + C sum_i m_i max(0, 1 - t_i (X w)_i)^2.

P is piecewise quadratic. Newton's direction solves (I + 2 C X' A X) d = -g, A the rows inside the margin, by
conjugate gradients preconditioned with that same matrix on a few leading directions of X; an exact line search
along the piecewise quadratic follows. (Keerthi & DeCoste, "A modified finite Newton method for fast solution of
large scale linear SVMs", JMLR 6, 2005, with another preconditioner.)

The certificate: the dual point alpha_i = 2 C max(0, 1 - t_i (X w)_i) is feasible, and its duality gap is
1/2 |g|^2 exactly. As P >= optimum >= P - gap, the iteration stops when gap <= tol * P.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dcgan_features.eval.l2svm.conjugate import conjugate_gradients
from dcgan_features.eval.l2svm.primal import pad
from dcgan_features.eval.l2svm.space import Leading, Space

Total = Callable[[Tensor], Tensor]  # `Space.total`

_FORCING = 0.1  # conjugate gradients stop when the preconditioned residual has shrunk by this factor,
_TIGHTENING = 0.5  # times this for each Newton step after the first _SETTLING, in which the rows inside the margin are
_SETTLING = 5  # found: what has not converged by then is ill-conditioned and needs the exactness
_FINEST = 1e-4
_ROUNDING = 8.0  # objectives nearer to each other than this many units of rounding are taken as equal
_LESS_GAP = 0.5  # the gap must then shrink by this factor, or the column is left as it is
_MOST_CONJUGATE_STEPS = 250
_ROWS_A_DIRECTION = 8  # least rows by which the preconditioner is made, where there are more


@dataclass
class Solution:
    """Minimisers of k problems.

    vector : the weights, a vector of the space, (..., k).
    decision : X w + b, (n, k), of every row, those of weight 0 (held out) included.
    objective, gap : P and its distance to the dual objective, (k,).
    iterations : Newton steps. products : passes over the data.
    converged : whether every gap is within the tolerance.
    """

    vector: Tensor
    decision: Tensor
    objective: Tensor
    gap: Tensor
    iterations: int = 0
    products: float = 0.0
    converged: bool = False


def minimise(
    space: Space,
    targets: Tensor,
    mask: Tensor,
    C: float,
    *,
    tol: float,
    max_iter: int,
    preconditioner: Preconditioner,
    start: Solution | None = None,
) -> Solution:
    """Minimise P for each of k columns, all at once.

    Where several processes hold rows, n counts those here, and what is decided follows from sums over all, so that the
    processes stay in step.

    targets : (n, k) of -1 and 1. mask : (n, k) or (n, 1) weights m >= 0 of the rows; 0 leaves a row out.
    tol : relative duality gap at which a column is finished. max_iter : most Newton steps.
    preconditioner : kept between the calls for one space; it remembers what was found out about X.
    start : solution for another C or mask to begin from; it is not changed.
    """
    columns = targets.shape[1]
    mask = mask.expand(-1, columns)
    if start is None:
        vector = space.zeros(columns)
        decision = torch.zeros(space.rows, columns, dtype=space.dtype, device=space.device)
    elif start.vector.dtype == space.dtype:
        vector, decision = start.vector.clone(), start.decision.clone()
    else:  # rounded to fewer digits, X w would not be that of w in these
        vector = space.restated(start.vector)
        decision = space.decision(vector).clone()
    w, f, objective = vector, decision, _objective(space, vector, decision, targets, mask, C)
    solution = Solution(vector, decision, objective.clone(), torch.full_like(objective, torch.inf))
    live = torch.arange(columns, device=space.device)
    while True:
        t, m = targets[:, live], mask[:, live]
        slack = (1 - t * f).clamp_min_(0)
        gradient = space.minus_adjoint(w, 2 * C * slack * m * t)
        solution.products += 0.5
        gap = 0.5 * space.inner(gradient, gradient).clamp_min(0)
        better = _is_better(objective, gap, solution.objective[live], solution.gap[live])
        accepted = live[better]  # the others have come as far as this precision allows
        vector[..., accepted], decision[:, accepted] = w[..., better], f[:, better]
        solution.objective[accepted], solution.gap[accepted] = objective[better], gap[better]
        going = better & (gap > tol * objective)
        live, w, f, t, m = live[going], w[..., going], f[:, going], t[:, going], m[:, going]
        if not len(live) or solution.iterations == max_iter:
            break
        direction, change, passes = _direction(
            space,
            gradient[..., going],
            2 * C * (slack[:, going] > 0) * m,
            C,
            preconditioner,
            max(_FORCING * _TIGHTENING ** max(solution.iterations - _SETTLING, 0), _FINEST),
        )
        along, square = space.inner(w, direction), space.inner(direction, direction)
        step = line_search(space.total, along, square, f, change, t, m, C)
        solution.products += passes
        solution.iterations += 1
        w, f = w + step * direction, f + step * change
        objective = _objective(space, w, f, t, m, C)
    solution.converged = bool((solution.gap <= tol * solution.objective).all())
    return solution


def _is_better(objective: Tensor, gap: Tensor, best: Tensor, least_gap: Tensor) -> Tensor:
    """Whether P fell or, where it is the same but for rounding, its gap: |g| tells more once P is nearly least."""
    same = objective <= best + _ROUNDING * torch.finfo(best.dtype).eps * best
    return (objective < best) | (same & (gap < _LESS_GAP * least_gap))


def _objective(space: Space, vector: Tensor, decision: Tensor, targets: Tensor, mask: Tensor, C: float) -> Tensor:
    slack = (1 - targets * decision).clamp_min_(0)
    return 0.5 * space.inner(vector, vector) + C * space.total((mask * slack**2).sum(0))


def _direction(
    space: Space, gradient: Tensor, weights: Tensor, C: float, preconditioner: Preconditioner, forcing: float
) -> tuple[Tensor, Tensor, int]:
    """Solve (I + X' weights X) d = -gradient roughly; returns d, X d and the passes over the data."""

    def sharpened(passes: int) -> Callable[[Tensor], Tensor] | None:
        if passes < space.patience or not preconditioner.improve(C):
            return None
        return preconditioner.prepare(space, weights, C)

    direction, change, passes = conjugate_gradients(
        lambda vector: space.hessian(vector, weights),
        preconditioner.prepare(space, weights, C),
        -gradient,
        inner=space.inner,
        shrink=forcing**2,
        most=_MOST_CONJUGATE_STEPS,
        sharpened=sharpened,
    )
    assert change is not None
    return direction, change, passes


class Preconditioner:
    """An approximate inverse of I + X' weights X, found again for every new set of weights.

    It is the inverse on a few leading directions of X (and I across them). For a C at which that needed more conjugate
    steps than the exact inverse costs, and for larger ones, it is the exact inverse, if the space can give it.
    """

    def __init__(self) -> None:
        self._leading: Leading | None = None
        self._exact_from = math.inf

    def improve(self, C: float) -> bool:
        """Use the exact inverse for this C and larger ones from now on; returns whether that is news."""
        news = self._exact_from > C
        self._exact_from = min(self._exact_from, C)
        return news

    def prepare(self, space: Space, weights: Tensor, C: float) -> Callable[[Tensor], Tensor]:
        """The inverse for these (n, k) weights, made with C, as a function of vectors with k columns."""
        inverse = space.exact_inverse(weights) if self._exact_from <= C else None
        if inverse is not None:
            return inverse
        return _on_leading(space.total, self.leading(space), weights)

    def leading(self, space: Space) -> Leading:
        """The leading directions of X, found once."""
        if self._leading is None:
            self._leading = space.leading()
        return self._leading


def _on_leading(total: Total, leading: Leading, weights: Tensor) -> Callable[[Tensor], Tensor]:
    basis, decision = leading.vectors, leading.decision
    identity = torch.eye(decision.shape[1], dtype=decision.dtype, device=decision.device)
    products = []
    for column in weights.T:
        inside = column.nonzero()[:, 0]
        # So many times as many rows as directions tell the matrix nearly as well as all do.
        chosen = inside[:: max(len(inside) // (_ROWS_A_DIRECTION * len(identity)), 1)]
        rows = decision[chosen] * (column[chosen, None] * (len(inside) / max(len(chosen), 1))).sqrt()
        products.append(rows.T @ rows)
    factor = torch.stack([torch.linalg.cholesky(identity + product) for product in total(torch.stack(products))])

    def apply(vector: Tensor) -> Tensor:
        # Coordinates of every column along every direction: <basis_r, vector_k>.
        columns = vector.shape[-1]
        right = pad(vector if vector.dim() == 2 else vector[1])
        coordinates = ((basis if vector.dim() == 2 else basis[0]).T @ right)[:, :columns]
        inverse = torch.cholesky_solve(coordinates.T[:, :, None], factor)[:, :, 0].T
        return vector + (basis @ pad(inverse - coordinates))[..., :columns]

    return apply


def line_search(
    total: Total, along: Tensor, square: Tensor, f: Tensor, change: Tensor, t: Tensor, m: Tensor, C: float
) -> Tensor:
    """The step that minimises P(w + step d) exactly: the root of a piecewise linear, increasing derivative.

    along : <w, d>. square : <d, d>. f, change : X w and X d. Newton's method on the derivative, kept in a bracket.
    """
    step = torch.ones_like(along)
    low, high = torch.zeros_like(along), torch.full_like(along, torch.inf)
    tf, tc = t * f, t * change
    initial = along - 2 * C * total((m * (1 - tf).clamp_min(0) * tc).sum(0))
    for _ in range(50):
        slack = 1 - tf - step * tc
        inside = m * (slack > 0)
        sums = total(torch.stack([(inside * slack * tc).sum(0), (inside * tc**2).sum(0)]))
        slope, curvature = along + step * square - 2 * C * sums[0], square + 2 * C * sums[1]
        low = torch.where(slope < 0, step, low)
        high = torch.where(slope >= 0, step, high)
        if not bool((slope.abs() > 1e-4 * initial.abs()).any()):
            break
        newton = step - slope / curvature
        middle = torch.where(high.isinf(), 2 * step, (low + high) / 2)
        step = torch.where((newton > low) & (newton < high), newton, middle)
    return torch.where(initial < 0, step, 0)
