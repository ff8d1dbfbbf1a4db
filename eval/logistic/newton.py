"""Newton's method for logistic regression, on the spaces of the L2-SVM (`l2svm.space`).

    P(w) = 1/2 |w|^2 + C sum_i loss(X w)_i

Newton's direction is found by conjugate gradients. What makes them few is one inverse for all classes, of I + c X'X
with c = C times the mean curvature of the losses: a Cholesky factor of K + I / c, or of the d x d matrix, made again
only when c has changed a lot. Along the direction a step is taken that makes P smaller; decisions are linear in it.

The certificate: with p the probabilities, a = C (y - p) is feasible in the dual problem, D = C entropy(p) - 1/2 |X'a|^2
its objective, and X'a = w - g with the gradient g at hand. P >= optimum >= D.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dcgan_features.eval.l2svm.conjugate import conjugate_gradients
from dcgan_features.eval.l2svm.gram import GramSpace
from dcgan_features.eval.l2svm.primal import WeightSpace
from dcgan_features.eval.l2svm.space import Space
from dcgan_features.eval.logistic.losses import Loss

_MOST_CONJUGATE = 200
_FORCING, _FINEST = 0.05, 1e-6
_CHANGED = 3.0  # times that the mean curvature has to change before the inverse is made again
_KEPT = 3  # inverses
_HALVINGS = 30
_LEAST_FALL = 10  # units of the precision of P by which a step has to make it smaller to count as one


@dataclass
class Fitted:
    """vector : w, of the space. decision : X w, (n, k). objective, gap : (groups,). products : passes over the data."""

    vector: Tensor
    decision: Tensor
    objective: Tensor
    gap: Tensor
    iterations: int
    products: float
    converged: bool


class SharedInverse:
    """The inverse of I + c X'X, kept until c has changed a lot; folds at one C come by the same in turn.

    exact : whether it is to be exact, or on a few leading directions, which is sooner made.
    """

    def __init__(self, space: Space, exact: bool = True) -> None:
        self.space = space
        self.exact = exact
        self._made: list[tuple[float, Callable[[Tensor], Tensor]]] = []

    def near(self, c: float) -> Callable[[Tensor], Tensor]:
        """The inverse for about this c, as a function of vectors."""
        for made, apply in self._made:
            if 1 / _CHANGED < c / made < _CHANGED:
                return apply
        apply = self.space.shared_inverse(c, self.exact)
        self._made = [(c, apply), *self._made][:_KEPT]
        return apply


def minimise(
    space: Space,
    loss: Loss,
    C: float,
    *,
    tol: float,
    max_iter: int,
    inverse: SharedInverse,
    start: Fitted | None = None,
    to_the_end: bool = False,
) -> Fitted:
    """Minimise P to a relative duality gap of `tol`, or as far as `max_iter` Newton steps and the precision go.

    to_the_end : go on below `tol` as far as the precision goes, which for small problems costs nothing.
    """
    forcing = _FINEST if to_the_end else _FORCING
    # The direction need not be exact; what the step ends at is.
    is_coarse = not to_the_end and isinstance(space, WeightSpace) and space.multiplies_coarsely
    if start is None:
        w = space.zeros(loss.columns)
        f = torch.zeros(space.rows, loss.columns, dtype=space.dtype, device=space.device)
    else:
        w, f = start.vector, start.decision
    products = 0.0
    iterations = 0
    best: Fitted | None = None
    lowest, stalled = float("inf"), 0
    while True:
        p = loss.probabilities(f)
        slopes = loss.slopes(p)
        gradient = space.minus_adjoint(w, -C * slopes)
        products += 0.5
        objective, dual = _objectives(space, loss, C, w, f, p, gradient)
        gap = (objective - dual).clamp_min(0)
        # Far from the minimum the dual bound may fall for many steps, while P falls too.
        total = float(objective.sum())
        falls = total < lowest * (1 - _LEAST_FALL * torch.finfo(space.dtype).eps)
        lowest = min(lowest, total)
        if best is None or bool(gap.sum() < best.gap.sum()):
            best = Fitted(w, f, objective, gap, iterations, products, bool((gap <= tol * objective).all()))
            stalled = 0
        else:
            stalled = 0 if falls and not best.converged else stalled + 1
        best.iterations, best.products = iterations, products
        enough = best.converged and (not to_the_end or stalled >= 1)
        if enough or iterations >= max_iter or stalled >= 3:
            return best
        iterations += 1
        curvature = float(space.total((loss.m * p * (1 - p)).sum(dtype=torch.float64)[None])) / loss.columns
        count = float(space.total(loss.m.sum(dtype=torch.float64)[None]))
        apply = inverse.near(max(C * curvature / count, 1e-30))
        coarse = is_coarse and not stalled
        direction, change, passes = _direction(space, loss, C, p, gradient, apply, forcing, coarse)
        products += passes
        step = _step(space, loss, C, w, f, direction, change, objective, gradient)
        w, f = w + step * direction, f + step * change


def _by_group(values: Tensor, loss: Loss) -> Tensor:
    return values.sum(dtype=torch.float64)[None] if loss.groups == 1 else values.double()


def _objectives(
    space: Space, loss: Loss, C: float, w: Tensor, f: Tensor, p: Tensor, gradient: Tensor
) -> tuple[Tensor, Tensor]:
    sums = space.total(torch.stack([loss.value(f), loss.entropy(p)]))
    residual = w - gradient
    primal = C * sums[0] + 0.5 * _by_group(space.inner(w, w), loss)
    return primal, C * sums[1] - 0.5 * _by_group(space.inner(residual, residual), loss)


def _direction(
    space: Space,
    loss: Loss,
    C: float,
    p: Tensor,
    gradient: Tensor,
    apply: Callable[[Tensor], Tensor],
    forcing: float,
    coarse: bool,
) -> tuple[Tensor, Tensor, float]:
    """Solve (I + C X' loss'' X) d = -gradient roughly; returns d, X d and the passes over the data."""

    def inner(left: Tensor, right: Tensor) -> Tensor:
        return _spread(_by_group(space.inner(left, right), loss), loss, space)

    def curvature(part: Tensor, rows: slice | Tensor) -> Tensor:
        return C * loss.curved(p, part, rows)

    def multiply(vector: Tensor) -> tuple[Tensor | None, Tensor]:
        if coarse:
            assert isinstance(space, WeightSpace)
            return None, space.coarse_curved(vector, curvature, counted)
        decision, product = space.curved(vector, curvature)
        return None if by_rows else decision, product

    counted = loss.m[:, 0] != 0 if coarse else None
    by_rows = isinstance(space, GramSpace)
    direction, change, passes = conjugate_gradients(
        multiply, apply, -gradient, inner=inner, shrink=forcing**2, most=_MOST_CONJUGATE
    )
    if by_rows:
        # The inverse does not multiply out what its coefficients decide; of the whole direction it is done here.
        direction = space.restated(direction)
        return direction, space.decision(direction), passes + 1.0
    if change is None:
        return direction, space.decision(direction), passes + 0.5
    return direction, change, passes


def _spread(values: Tensor, loss: Loss, space: Space) -> Tensor:
    return values.to(space.dtype).expand(loss.columns)


def _step(
    space: Space, loss: Loss, C: float, w: Tensor, f: Tensor, d: Tensor, change: Tensor, objective: Tensor, g: Tensor
) -> Tensor:
    """The longest of 1, 1/2, 1/4, ... at which P falls enough, for each group."""
    slope = _by_group(space.inner(g, d), loss)
    along, square = _by_group(space.inner(w, d), loss), _by_group(space.inner(d, d), loss)
    start = objective - C * space.total(loss.value(f))
    step = torch.ones_like(objective)
    for _ in range(_HALVINGS):
        spread = _spread(step, loss, space)
        value = start + step * along + 0.5 * step**2 * square + C * space.total(loss.value(f + spread * change))
        short = value > objective + 1e-4 * step * slope + 1e-7 * objective.abs()
        if not bool(short.any()):
            break
        step = torch.where(short, step / 2, step)
    return _spread(step, loss, space)
