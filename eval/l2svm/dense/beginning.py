"""Active rows to begin with: passes of coordinate descent, in turn with Newton's method in a few directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dcgan_features.eval.l2svm.dense.faces import conjugate_steps
from dcgan_features.eval.l2svm.dense.systems import GramSystem, State, WeightSystem

Array = npt.NDArray[Any]

DIRECTIONS = 8  # of largest energy, kept out of the descent
ROUNDS, EPOCHS = 5, 3
_SOFT = 10.0  # C times the rows' mean squared length outside the directions, from which descent no longer tells A
_OUTSTANDING = 16.0  # times the eigenvalues' mean that a direction's has to be; without such descent does without them
_FREE_ROUNDS = 11  # where no direction is
_CONJUGATE_FROM, _CONJUGATE = 3, 6  # with a Gram matrix: the round from which conjugate steps go on, how many a round
_SETTLED = 0.003  # share of the rows that change sides in a round, below which exact steps take over


class Deflation:
    """A few orthonormal directions of large energy.

    basis : as points of the system, (r, n) or (r, d). places : the rows' coordinates, (n, r).
    energy : about the largest eigenvalue of X' X. rest : the rows' mean squared length outside the directions.
    """

    def __init__(self, system: GramSystem | WeightSystem) -> None:
        generator = np.random.default_rng(0)
        matrix = system.gram if isinstance(system, GramSystem) else system.X
        rank, energy = min(DIRECTIONS, *matrix.shape), system.energy
        start = generator.normal(size=(system.rows, rank))
        start[:, 0] = 1
        basis = start.astype(matrix.dtype)
        for _ in range(2):
            basis = matrix @ (basis if isinstance(system, GramSystem) else matrix.T @ basis)
            basis = np.linalg.qr(basis)[0]
        if isinstance(system, GramSystem):
            product = (matrix @ basis).astype(np.float64)
            square = basis.T.astype(np.float64) @ product
            values, rotation = np.linalg.eigh((square + square.T) / 2)
            keep = values > max(1e-5 * values[-1], _OUTSTANDING * energy / min(matrix.shape))
            scaled = rotation[:, keep] / np.sqrt(values[keep])
            self.basis, self.places = (basis @ scaled).T, product @ scaled
            self.energy = float(values[-1])
        else:
            weights = np.linalg.qr(matrix.T @ basis)[0]
            places = (matrix @ weights).astype(np.float64)
            values, rotation = np.linalg.eigh(places.T @ places)
            keep = values > _OUTSTANDING * energy / min(matrix.shape)
            self.basis, self.places = (weights @ rotation[:, keep]).T.astype(np.float64), places @ rotation[:, keep]
            self.energy = float(values[-1])
        self.rest = max((energy - float(np.square(self.places).sum())) / max(system.rows, 1), 0.0)

    @property
    def is_empty(self) -> bool:
        """Whether no direction is outstanding."""
        return not len(self.basis)


def begin(
    system: GramSystem | WeightSystem,
    deflation: Deflation,
    t: Array,
    m: Array | None,
    C: float,
    tol: float,
    last: Array | None = None,
) -> list[State]:
    """A state for each column from which the exact steps are few.

    Where C is so large that the passes would be far from done, rows inside the margin are told better by a smaller C:
    beyond it they hardly change any more, and what they decide there is not yet distorted.

    t : (k, n) float64 of -1, 1 and 0. m : the rows' weights, (k, n) > 0; None is 1 for all. tol : relative gap at which
    no exact step will be needed. last : coefficients (k, n) at another C, of which a Gram matrix without outstanding
    directions makes use.
    """
    from dcgan_features.eval.l2svm.dense import descent

    matrix = system.gram if isinstance(system, GramSystem) else system.X
    dtype = matrix.dtype
    weights = np.ones(t.shape) if m is None else m
    free = deflation.is_empty
    C = C if free else min(C, _SOFT / max(deflation.rest, 1e-300))
    half = (0.5 / (C * weights)).astype(dtype)
    places = np.ascontiguousarray(deflation.places, dtype)
    targets = np.ascontiguousarray(t, dtype)
    if free and isinstance(system, GramSystem):
        b, f, faces = _on_faces(system, targets, half, tol, last)
        squares = (b * f).sum(1).tolist()
        return [State(*each[:3], True, inside=each[3]) for each in zip(b, f, squares, faces, strict=True)]
    b, s = np.zeros(t.shape, dtype), np.zeros((len(t), places.shape[1]))
    w = np.zeros((len(t), matrix.shape[1]), dtype)
    blocks, generator = -(-system.rows // descent.BLOCK), np.random.default_rng(0)
    rest, inside = np.zeros(t.shape), t != 0
    rounds = _FREE_ROUNDS if free else ROUNDS
    for round_ in range(rounds + 1):
        if not free:
            s = np.stack([_newton(*each, deflation.places) for each in zip(s, rest, t, C * weights, strict=True)])
        f = rest + s @ deflation.places.T
        # Without anything minimised in between, the rows with a coefficient are nearer to those inside the margin.
        before, inside = inside, t * b > 0 if free else (t * f < 1) & (t != 0)
        if round_ == rounds or (round_ and (before != inside).mean(1).max() < _SETTLED):
            break
        order = np.stack([generator.permutation(blocks) for _ in range(EPOCHS)])
        if isinstance(system, GramSystem):
            descent.gram_epochs(matrix, places, s.astype(dtype), targets, b, half, order)
            product = b @ matrix
        else:
            descent.weight_epochs(matrix, places, s.astype(dtype), targets, b, w, half, order)
            product = w @ matrix.T
        rest = product - (b @ places) @ places.T
    left = s - b @ deflation.places
    points = (b if isinstance(system, GramSystem) else w) + left @ deflation.basis
    squares = (points * f).sum(1) if isinstance(system, GramSystem) else (points**2).sum(1)
    by_rows = isinstance(system, GramSystem)
    states = [State(*each, by_rows) for each in zip(points, f, squares.tolist(), strict=True)]
    for state, rows in zip(states, inside, strict=True):
        state.inside = rows
    return states


def _on_faces(system: GramSystem, t: Array, half: Array, tol: float, last: Array | None) -> tuple[Array, Array, Array]:
    """Coefficients b, (k, n) float64, their decision values, and the rows that have one.

    Descent finds those rows; with them fixed, conjugate steps come to the minimum sooner than passes or, for what they
    have to give, a Cholesky factor (Moré and Toraldo, "On the solution of large quadratic programming problems with
    bound constraints", 1991). They are kept where the dual objective is the better for them.

    t : (k, n) of -1, 1 and 0, in the matrix' precision, as `half`, 1 / 2C m. last : coefficients to begin with.
    """
    from dcgan_features.eval.l2svm.dense import descent

    gram, generator, blocks = system.gram, np.random.default_rng(0), -(-system.rows // descent.BLOCK)
    b, nothing, none = np.zeros_like(t), np.zeros((len(gram), 0), gram.dtype), np.zeros((len(t), 0), gram.dtype)
    inside, conjugate, least = t != 0, last is not None, np.inf
    if last is not None:
        b = t * np.maximum(t * last, 0).astype(t.dtype)
        length = (b * (b @ gram + half * b)).sum(1)
        b *= np.divide((t * b).sum(1), length, out=np.zeros_like(length), where=length > 0)[:, None]
    for round_ in range(1, _FREE_ROUNDS + 1):
        epochs = 1 if conjugate else EPOCHS
        order = np.stack([generator.permutation(blocks) for _ in range(epochs)])
        descent.gram_epochs(gram, nothing, none, t, b, half, order)
        f = b @ gram
        before, inside = inside, b != 0
        dual = _dual(t, b, f, half)
        slack = np.where(t != 0, np.maximum(1 - t * f, 0), 0)
        objective = 0.5 * ((b * f) + slack * slack / half).sum(1, dtype=np.float64)
        gap = float(((objective - dual) / np.maximum(objective, 1e-300)).max())
        if gap <= 0.7 * tol or (conjugate and gap > 0.7 * least) or round_ == _FREE_ROUNDS:
            break
        if conjugate:
            least = min(gap, least)
        conjugate = conjugate or round_ >= _CONJUGATE_FROM or bool((before != inside).mean(1).max() < _SETTLED)
        if conjugate:
            residual = np.where(inside, t - f - half * b, 0)
            steps = conjugate_steps(system.rough_products, inside, half, residual, _CONJUGATE)
            better = t * np.maximum(t * (b + steps), 0)
            taken = _dual(t, better, better @ gram, half) > dual
            b[taken] = better[taken]
    return b.astype(np.float64), f.astype(np.float64), inside


def _dual(t: Array, b: Array, f: Array, half: Array) -> Array:
    return np.asarray((t * b - 0.5 * b * (f + half * b)).sum(1, dtype=np.float64))


def _newton(s: Array, rest: Array, t: Array, C: Array, places: Array) -> Array:
    """The s of least 1/2 |s|^2 + sum C max(0, 1 - t (rest + places s))^2, from some s, (r,)."""
    best, least = s, np.inf
    for _ in range(12):
        slack = np.where(t != 0, np.maximum(1 - t * (rest + places @ s), 0), 0)
        value = 0.5 * s @ s + (C * slack) @ slack
        if not value < least:
            s = (s + best) / 2
            if np.abs(s - best).max() <= 1e-6 * np.abs(best).max():
                break
            continue
        best, least = s, value
        inside = slack > 0
        gradient = s - 2 * ((C * slack * t) @ places)
        near = places[inside]
        step = np.linalg.solve(np.eye(len(s)) + 2 * (near.T * C[inside]) @ near, gradient)
        s = s - step
        if np.abs(step).max() <= 1e-6 * np.abs(s).max():
            break
    return best
