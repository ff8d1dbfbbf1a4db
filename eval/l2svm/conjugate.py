"""Preconditioned conjugate gradients for the Newton directions of several problems at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Operator = Callable[[Tensor], tuple[Tensor | None, Tensor]]
Preconditioning = Callable[[Tensor], Tensor]


def conjugate_gradients(
    multiply: Operator,
    precondition: Preconditioning,
    right: Tensor,
    *,
    inner: Callable[[Tensor, Tensor], Tensor],
    shrink: Tensor | float,
    most: int,
    sharpened: Callable[[int], Preconditioning | None] = lambda passes: None,
) -> tuple[Tensor, Tensor | None, int]:
    """Solve H d = right roughly; returns d (as `right`), what `multiply` gave beside H d summed up to d, and the steps.

    multiply : v to (X v or None, H v). inner : the scalar products of columns, which may share one, (k,).
    shrink : what the energy <r, M r> of each column's residual r is to shrink by, M the preconditioner; a column that
        has come so far, or along which H is not positive, stays as it is.
    sharpened : told the steps so far, a better preconditioner from where the method begins anew, or None.
    """
    direction, change, passes = torch.zeros_like(right), None, 0
    residual = right
    conjugate = preconditioned = precondition(residual)
    energy = inner(residual, preconditioned)
    goal = energy * shrink
    while passes < most:
        passes += 1
        decision, product = multiply(conjugate)
        curvature = inner(conjugate, product)
        length = torch.where((energy > goal) & (curvature > 0), energy / curvature, 0)
        direction += length * conjugate
        if decision is not None:
            change = length * decision if change is None else change.add_(length * decision)
        residual = residual - length * product
        better = sharpened(passes)
        if better is not None:
            precondition, energy = better, torch.zeros_like(energy)
        preconditioned = precondition(residual)
        following = inner(residual, preconditioned)
        if not bool((following > goal).any()) or not bool(length.any()):
            break
        conjugate = preconditioned + torch.where(energy > 0, following / energy, 0) * conjugate
        energy = following
    return direction, change, passes
