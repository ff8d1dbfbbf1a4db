"""L-BFGS for smooth losses of linear functions, convex or not, many independent problems at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

MEMORY = 30  # pairs of steps and changes of the gradient that describe the curvature
ENOUGH_DECREASE, ENOUGH_SLOPE = 1e-4, 0.9  # the Wolfe conditions
LINE_STEPS = 40  # most trials of a step length

Loss = Callable[[Tensor], tuple[Tensor, Tensor]]


class Decisions(Protocol):
    """The linear part: which decision values weights give, and the transpose of that."""

    def decision(self, weights: Tensor) -> Tensor:
        """A w without constants, (n, k), for w (d, k)."""

    def adjoint(self, values: Tensor) -> Tensor:
        """A' values, (d, k), for values (n, k)."""


@dataclass(frozen=True)
class Minimum:
    """weights : (d, k). objective : (k,). iterations : of the problem with most. converged : whether all have."""

    weights: Tensor
    objective: Tensor
    iterations: int
    converged: bool


def minimise(
    linear: Decisions, offset: Tensor, loss: Loss, penalty: Tensor, start: Tensor, max_iter: int, tol: float
) -> Minimum:
    """Find, for each column, a local minimum of loss(A w + offset) + sum(penalty * w^2).

    Each column has its own curvature, step length and end, so that columns do not influence one another; what they
    share is one product with A and one with A' an iteration. A line search needs no products: A w is linear in w.

    loss : takes decision values (n, k) float64; gives each column's value (k,) and the derivatives (n, k).
    offset : (k,). penalty : (d, 1), >= 0. start : (d, k) float64.
    tol : a column is finished when its gradient's norm has fallen to `tol` times what it is at w = 0.
    """
    weights = start.clone()
    decision = linear.decision(weights) + offset
    value, slopes = loss(decision)
    gradient = linear.adjoint(slopes) + 2 * penalty * weights
    at_zero = linear.adjoint(loss(offset.expand_as(decision))[1]) if bool(weights.any()) else gradient
    goal = tol * at_zero.norm(dim=0)
    active = gradient.norm(dim=0) > goal
    history = _Curvature()
    iterations = 0
    while bool(active.any()) and iterations < max_iter:
        iterations += 1
        direction = -history.inverse(gradient) * active
        change = linear.decision(direction)
        step = _line_search(loss, penalty, weights, decision, direction, change)
        active &= step > 0
        weights = weights + step * direction
        decision = decision + step * change
        value, slopes = loss(decision)
        before, gradient = gradient, linear.adjoint(slopes) + 2 * penalty * weights
        history.add(step * direction, gradient - before)
        active &= gradient.norm(dim=0) > goal
    converged = not bool((gradient.norm(dim=0) > goal).any())
    return Minimum(weights, value + (penalty * weights.square()).sum(0), iterations, converged)


class _Curvature:
    """The last MEMORY steps with the changes of the gradient along them, a column a problem."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Tensor, Tensor, Tensor]] = []
        self.scale: Tensor | None = None

    def add(self, step: Tensor, change: Tensor) -> None:
        curvature = (step * change).sum(0)
        energy = change.square().sum(0)
        # A column that did not move, or moved where the function bends down, says nothing of the inverse.
        useful = curvature > 1e-10 * energy.sqrt() * step.norm(dim=0)
        inverse = torch.where(useful, 1 / torch.where(useful, curvature, 1), 0)
        self.pairs = [*self.pairs[-MEMORY + 1 :], (step, change, inverse)]
        before = torch.ones_like(curvature) if self.scale is None else self.scale
        self.scale = torch.where(useful, curvature / torch.where(useful, energy, 1), before)

    def inverse(self, gradient: Tensor) -> Tensor:
        """The inverse Hessian that the pairs describe, applied to the gradient (Nocedal, 1980)."""
        if self.scale is None:
            return torch.nn.functional.normalize(gradient, dim=0)
        out, shares = gradient.clone(), []
        for step, change, inverse in reversed(self.pairs):
            shares.append(inverse * (step * out).sum(0))
            out -= shares[-1] * change
        out *= self.scale
        for step, change, inverse in self.pairs:
            out += (shares.pop() - inverse * (change * out).sum(0)) * step
        return out


def _line_search(
    loss: Loss, penalty: Tensor, weights: Tensor, decision: Tensor, direction: Tensor, change: Tensor
) -> Tensor:
    """For each column a step that meets the Wolfe conditions, by doubling and bisection; 0 where none descends."""
    across, along = 2 * (penalty * weights * direction).sum(0), (penalty * direction.square()).sum(0)

    def measure(step: Tensor) -> tuple[Tensor, Tensor]:
        value, slopes = loss(decision + step * change)
        return value + step * (across + step * along), (slopes * change).sum(0) + across + 2 * step * along

    low = torch.zeros_like(along)
    high = torch.full_like(along, torch.inf)
    step = torch.ones_like(along)
    value_before, slope_before = measure(low)
    searching = slope_before < 0
    for _ in range(LINE_STEPS):
        if not bool(searching.any()):
            break
        value, slope = measure(step)
        too_far = ~(value <= value_before + ENOUGH_DECREASE * step * slope_before)
        too_near = ~too_far & (slope < ENOUGH_SLOPE * slope_before)
        high = torch.where(searching & too_far, step, high)
        low = torch.where(searching & ~too_far, step, low)
        searching &= too_far | too_near
        step = torch.where(high.isinf(), 2 * low, (low + high) / 2)
    return low
