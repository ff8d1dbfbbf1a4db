"""Minima of many columns side by side, on a Gram matrix of which a few directions hold much of the energy.

The rows inside the margin are held fixed, as for the exact steps of `pivoting`, but the system is solved by conjugate
steps which those directions precondition. What takes time is reading the Gram matrix, once a step for all columns, in
bfloat16 where the processor multiplies in it; an exact step takes a Cholesky factor for each column. So this is for the
folds of a cross-validation. What is returned is judged anew by the caller, and goes on with exact steps if it has to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from dcgan_features.data.utils.gpu import fast_bfloat16
from dcgan_features.eval.l2svm.dense.systems import GramSystem, State
from dcgan_features.eval.l2svm.threads import as_tasks, single_threaded_torch

Array = npt.NDArray[Any]

DIRECTIONS = 64  # of largest energy, that precondition
_KEPT = 4.0  # times the eigenvalues' mean that a direction's has to be
_CONDITION = 1600.0  # of what the directions leave, up to which conjugate steps cost less than exact ones
_EASY, _FACTOR = 0.1, 8.0  # C times the mean of what is left that is begun with, and what it is multiplied by
_LOOSE = 0.05  # gap at a C that is only passed through
_ROUNDS, _PATIENCE = 12, 4  # most changes of the rows that are held, and most without a much smaller gap
_STEPS, _SHRINK = 40, 1e-5  # most conjugate steps in between, and what the residual's energy is to shrink by


class Directions:
    """A few directions of large energy: K is about P P' and `rest` times the identity.

    places : P, (n, r). rest : the mean of the other eigenvalues. reach : the largest C at which few steps are needed.
    """

    def __init__(self, system: GramSystem) -> None:
        self.gram = gram = system.gram
        mean = float(gram.trace(dtype=np.float64)) / system.rows
        start = np.random.default_rng(0).normal(size=(system.rows, min(DIRECTIONS, system.rows)))
        start[:, 0] = 1
        basis = start.astype(gram.dtype)
        for _ in range(2):
            basis = np.linalg.qr(gram @ basis)[0]
        product = gram @ basis
        square = (basis.T @ product).astype(np.float64)
        values, rotation = np.linalg.eigh((square + square.T) / 2)
        keep = values > max(1e-5 * float(values[-1]), _KEPT * mean)
        scaled = rotation[:, keep] / np.sqrt(values[keep])
        self.places = np.ascontiguousarray(product @ scaled.astype(gram.dtype))
        left = mean - float(np.square(self.places, dtype=np.float64).sum()) / system.rows
        self.rest = max(left, 1e-6 * mean)
        self.reach = _CONDITION / (2 * max(float(values[max(int((~keep).sum()) - 1, 0)]), self.rest))
        self._rounded = self._half() if gram.dtype == np.float32 and fast_bfloat16() else None

    def _half(self) -> torch.Tensor:
        """K - P P' in bfloat16: without what is largest, what is rounded off is small beside 1 / 2C."""
        half = torch.empty(self.gram.shape, dtype=torch.bfloat16)

        def work(start: int) -> None:
            part = slice(start, start + 256)
            half[part] = torch.from_numpy(self.gram[part] - self.places[part] @ self.places.T)

        as_tasks(range(0, len(self.gram), 256), work)
        return half

    def products(self, v: Array) -> Array:
        """About v K, (k, n), for directions that are judged by what they give."""
        if self._rounded is None:
            return np.asarray(v @ self.gram)
        with single_threaded_torch():
            made = (self._rounded @ torch.from_numpy(v).bfloat16().T).T.float().numpy()
        return np.asarray(made + (v @ self.places) @ self.places.T)


def begin(
    system: GramSystem, near: Directions, t: Array, m: Array | None, C: float, tol: float, last: Array | None = None
) -> list[State]:
    """A state for each column from which the exact steps are few, mostly none, for C within `near.reach`.

    t : (k, n) float64 of -1, 1 and 0. m : the rows' weights, (k, n) > 0; None is 1 for all. tol : relative gap at which
    no exact step will be needed. last : coefficients (k, n) at another C.
    """
    dtype = system.gram.dtype
    targets, weights = np.ascontiguousarray(t, dtype), np.ones((1, 1)) if m is None else m
    b = np.zeros_like(targets) if last is None else last.astype(dtype)
    here = C if last is not None else min(C, _EASY / near.rest)
    with np.errstate(all="ignore"):
        while here < C:
            b = _held(system, near, targets, (0.5 / (here * weights)).astype(dtype), _LOOSE, b)[0]
            here = min(C, _FACTOR * here)
        b, f = _held(system, near, targets, (0.5 / (C * weights)).astype(dtype), tol, b)
    b, f = b.astype(np.float64), f.astype(np.float64)
    return [State(*each, True) for each in zip(b, f, (b * f).sum(1).tolist(), strict=True)]


def _held(system: GramSystem, near: Directions, t: Array, half: Array, tol: float, b: Array) -> tuple[Array, Array]:
    """Coefficients b, (k, n), to begin with to those at the minimum, and their decision values.

    half : 1 / 2C m, (k, n) or (1, 1). Each column ends with the best that it has had.
    """
    best, values = b.copy(), np.zeros_like(b)
    least, waited, going = np.full(len(t), np.inf), np.zeros(len(t), int), np.arange(len(t))
    for round_ in range(_ROUNDS + 1):
        shift, target = half if len(half) == 1 else half[going], t[going]
        f = b @ system.gram if b.any() else np.zeros_like(b)
        gap = _gap(near, target, b, f, shift)
        better = gap < least[going]
        waited[going] = np.where(gap < 0.7 * least[going], 0, waited[going] + 1)
        new = going[better]
        best[new], values[new], least[new] = b[better], f[better], gap[better]
        goes = (least[going] > 0.7 * tol) & (waited[going] < _PATIENCE)
        if round_ == _ROUNDS or not goes.any():
            break
        going, target, b, f = going[goes], target[goes], b[goes], f[goes]
        shift = half if len(half) == 1 else half[going]
        inside = (target * f < 1) & (target != 0)
        kept = np.where(inside, b, 0)
        residual = target - f - shift * kept
        if (kept != b).any():
            residual += near.products(b - kept)
        b = kept + _preconditioned_steps(near, inside, shift, np.where(inside, residual, 0))
    return best, values


def _gap(near: Directions, t: Array, b: Array, f: Array, half: Array) -> Array:
    """The relative distance of the objective from the dual one at the feasible part of b, about, (k,) float64."""
    slack = np.where(t != 0, np.maximum(1 - t * f, 0), 0)
    objective = 0.5 * (b * f + slack * slack / half).sum(1, dtype=np.float64)
    feasible = t * np.maximum(t * b, 0)
    if (feasible != b).any():
        f = f + near.products(feasible - b)
    length = (feasible * (f + half * feasible)).sum(1, dtype=np.float64)
    total = (t * feasible).sum(1, dtype=np.float64)
    dual = np.divide(0.5 * total * total, length, out=np.zeros_like(length), where=length > 0)
    return np.asarray((objective - dual) / np.maximum(objective, 1e-300))


def _preconditioned_steps(near: Directions, inside: Array, half: Array, residual: Array) -> Array:
    """About the solution x of (K_AA + diag(half)_A) x = residual for each column's rows A, (k, n), 0 elsewhere.

    The preconditioner is the inverse of P_A P_A' + diag(half + rest)_A, by the formula of Woodbury.
    """
    shift = half + near.rest
    rank = near.places.shape[1]
    small = np.empty((len(inside), rank, rank), residual.dtype)
    for column, rows in enumerate(inside):
        part = near.places[rows]
        scale = shift[0, 0] if shift.size == 1 else shift[column, rows, None]
        small[column] = part.T @ (part / scale)
    small[:, np.arange(rank), np.arange(rank)] += 1
    if not np.isfinite(small).all():
        return np.zeros_like(residual)
    inverse = np.linalg.inv(small)
    mask = inside.astype(residual.dtype)

    def preconditioned(v: Array) -> Array:
        scaled = v / shift
        along = ((scaled @ near.places)[:, None] @ inverse)[:, 0]
        scaled -= (along @ near.places.T) / shift
        scaled *= mask
        return scaled

    return conjugate_steps(near.products, inside, half, residual, _STEPS, _SHRINK, preconditioned)


def conjugate_steps(
    products: Callable[[Array], Array],
    inside: Array,
    half: Array,
    residual: Array,
    most: int,
    shrink: float = 0.0,
    precondition: Callable[[Array], Array] = lambda v: v,
) -> Array:
    """About the solution x of (K_AA + diag(half)_A) x = residual for each column's rows A, (k, n), 0 elsewhere.

    products : v to about v K. shrink : what the residual's energy is to shrink by, before `most` steps are taken.
    """
    x, direction = np.zeros_like(residual), precondition(residual)
    energy = _inner(residual, direction)
    goal = shrink * energy
    for _ in range(most):
        product = np.where(inside, products(direction) + half * direction, 0)
        curvature = _inner(direction, product)
        going = (energy > goal) & (curvature > 0)
        step = np.divide(energy, curvature, out=np.zeros_like(energy), where=going)
        x += step * direction
        residual = residual - step * product
        onwards = precondition(residual)
        following = _inner(residual, onwards)
        if not (going & (following > goal)).any():
            break
        direction = onwards + np.divide(following, energy, out=np.zeros_like(energy), where=energy > 0) * direction
        energy = following
    return x


def _inner(first: Array, second: Array) -> Array:
    """Each column's scalar product, (k, 1)."""
    return np.asarray(np.einsum("ij,ij->i", first, second))[:, None]
