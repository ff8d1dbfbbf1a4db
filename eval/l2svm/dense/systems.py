"""The linear systems of the L2-SVM: with the rows inside the margin known, one column's minimum is the solution of one.

Of the rows A, (K_AA + I / 2C) b_A = t_A in coefficients of rows, w = X' b; or (X_A' X_A + I / 2C) w = X_A' t_A in
weights. A point is b (n,) or w (d,); a `State` is a point with what it decides.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dcgan_features.data.utils.gpu import fast_bfloat16
from dcgan_features.eval.l2svm.dense.lapack import add_square, cholesky, cholesky_solve
from dcgan_features.eval.l2svm.threads import single_threaded_torch

Array = npt.NDArray[Any]

SINGLE_LIMIT = 0.02  # rounding of float32 beside I / 2C, up to which its factors are of use
_COMPILED = 600  # rows from which the compiled products are worth loading


@dataclass
class State:
    """A point, the decision values f of every row, (n,) float64, and the squared length of its weights."""

    point: Array
    f: Array
    square: float
    by_rows: bool = False  # whether the point is b
    b: Array | None = None  # coefficients, where they are known better than by the slack
    inside: Array | None = None  # rows to go on with, where they are not those that f says are inside the margin


@dataclass
class Work:
    """What is kept from one step of a column to the next: the last factor, and the matrix that it is of."""

    inside: Array | None = None
    factor: Array | None = None
    matrix: Array | None = None
    exact: bool = False
    steps: int = 0
    spare: dict[Any, Array] = field(default_factory=dict)

    def square(self, size: int, dtype: Any) -> Array:
        """A matrix (size, size) of anything, in memory that is used again: fresh pages cost as much as filling them."""
        held = self.spare.get(dtype)
        if held is None or len(held) < size * size:
            held = self.spare[dtype] = np.empty(size * size + size * size // 4, dtype)
        return held[: size * size].reshape(size, size)


class System(Protocol):
    """What `pivoting` asks for. `inside` is a mask of rows, t (n,) the targets, half is 1 / 2C, (n,) with weights."""

    rows: int
    largest: float  # the rows' largest squared length

    def zero(self) -> State:
        """The weights 0."""

    def solve(self, inside: Array, t: Array, half: Array | float, work: Work) -> State | None:
        """The minimum for these rows; None where the system cannot be solved in this precision."""

    def refine(self, state: State, inside: Array, t: Array, half: Array | float, work: Work) -> State:
        """A state nearer to that minimum, by the last factor and the residual."""

    def adjoint_square(self, values: Array) -> float:
        """|X' values|^2."""

    def between(self, first: State, second: State, step: float) -> State:
        """The state at first + step * (second - first)."""


class GramSystem:
    """Through K = X X', (n, n), float32 or float64. A point is b, float64; products with it are summed in float64."""

    def __init__(self, gram: Array, energy: float) -> None:
        self.gram = gram
        self.rows = len(gram)
        self.energy = energy
        self.largest = float(gram.diagonal().max(initial=0.0))
        self._rounded: Tensor | None = None  # in bfloat16

    def zero(self) -> State:
        """The weights 0."""
        return State(np.zeros(self.rows), np.zeros(self.rows), 0.0, True)

    def product(self, b: Array) -> Array:
        """K b, (n,) float64."""
        index = np.flatnonzero(b)
        kernels = compiled(self.rows)
        if kernels is not None:
            out = np.empty(self.rows)
            kernels.combine(self.gram, index, b[index], out)
            return out
        if self.gram.dtype == np.float64:
            return np.asarray(self.gram @ b)
        whole: Array = np.zeros(self.rows)
        for start in range(0, len(index), 256):
            part = index[start : start + 256]
            whole += b[part] @ self.gram[part].astype(np.float64)
        return whole

    def rough_products(self, directions: Array) -> Array:
        """Directions (k, n) times K, in their dtype: in bfloat16 where the processor multiplies in it, else exactly.

        For directions that are judged by what they give. K's numbers then take half the memory to read.
        """
        if self.gram.dtype != np.float32 or not fast_bfloat16():
            return np.asarray(directions @ self.gram)
        with single_threaded_torch():
            if self._rounded is None:
                self._rounded = torch.from_numpy(self.gram).bfloat16()
            made = self._rounded @ torch.from_numpy(directions).bfloat16().T
            return np.asarray(made.T.float().numpy())

    def state(self, b: Array) -> State:
        """The state at b."""
        f = self.product(b)
        return State(b, f, max(float(b @ f), 0.0), True)

    def solve(self, inside: Array, t: Array, half: Array | float, work: Work) -> State | None:
        """The minimum for these rows; None where the system cannot be solved in this precision."""
        index = np.flatnonzero(inside)
        b = np.zeros(self.rows)
        if len(index):
            shift = half if isinstance(half, float) else half[index]
            single = self.gram.dtype == np.float32 and self.energy * 6e-8 < SINGLE_LIMIT * np.min(shift)
            for dtype in (np.float32, np.float64) if single else (np.float64,):
                factor = self._gathered(index, work.square(len(index), dtype))
                factor.ravel()[:: len(index) + 1] += shift
                if cholesky(factor):
                    break
            else:
                return None
            right = t[index].astype(factor.dtype)
            cholesky_solve(factor, right)
            if not np.isfinite(right).all():
                return None
            b[index] = right
            work.factor, work.inside = factor, index
        work.steps += 1
        return self.state(b)

    def refine(self, state: State, inside: Array, t: Array, half: Array | float, work: Work) -> State:
        """A state nearer to that minimum, by the last factor and the residual."""
        index, factor = work.inside, work.factor
        if index is None or factor is None or not inside.any():
            return state
        residual = t[index] - state.f[index] - (half * state.point)[index]
        scale = np.abs(residual).max() or 1.0
        change = (residual / scale).astype(factor.dtype)
        cholesky_solve(factor, change)
        b = state.point.copy()
        b[index] += scale * change.astype(np.float64)
        return self.state(b)

    def adjoint_square(self, values: Array) -> float:
        """|X' values|^2."""
        return max(float(values @ self.product(values)), 0.0)

    def between(self, first: State, second: State, step: float) -> State:
        """The state at first + step * (second - first)."""
        b = first.point + step * (second.point - first.point)
        f = first.f + step * (second.f - first.f)
        return State(b, f, max(float(b @ f), 0.0), True)

    def _gathered(self, index: Array, out: Array) -> Array:
        kernels = compiled(self.rows)
        if kernels is None:
            out[:] = self.gram[np.ix_(index, index)]
        else:
            kernels.gather(self.gram, index, out)
        return out


class WeightSystem:
    """Through X' X of the rows inside. X : (n, d) with the intercept's column, float32 or float64. A point is w."""

    def __init__(self, X: Array, energy: float, largest: float) -> None:
        self.X = X
        self.rows, self.dimensions = X.shape
        self.energy, self.largest = energy, largest
        self._whole: Array | None = None
        self._lock = threading.Lock()

    def zero(self) -> State:
        """The weights 0."""
        return State(np.zeros(self.dimensions), np.zeros(self.rows), 0.0)

    def whole(self) -> Array:
        """X' X, its lower triangle."""
        with self._lock:
            if self._whole is None:
                self._whole = np.zeros((self.dimensions, self.dimensions), self.X.dtype)
                add_square(self._whole, self.X, 1.0)
            return self._whole

    def state(self, w: Array) -> State:
        """The state at w."""
        f = (self.X @ w.astype(self.X.dtype, copy=False)).astype(np.float64, copy=False)
        return State(w, f, float(w @ w))

    def _square(self, inside: Array, scale: Array | None, work: Work) -> Array:
        """X_A' M X_A, from the least of: the rows, all rows without the others, the last one and what has changed."""
        count = int(np.count_nonzero(inside))
        costs = {"rows": count}
        if not work.exact:
            if scale is None and (self._whole is not None or self.X.dtype == np.float32):
                costs["others"] = self.rows - count
            if work.matrix is not None and work.inside is not None:
                costs["changed"] = int(np.count_nonzero(inside != work.inside))
        way = min(costs, key=lambda name: costs[name])
        if way == "rows":
            matrix = np.zeros((self.dimensions, self.dimensions), self.X.dtype)
            add_square(matrix, self._chosen(inside, scale), 1.0)
        elif way == "others":
            matrix = self.whole().copy()
            add_square(matrix, self._chosen(~inside, scale), -1.0)
        else:
            assert work.matrix is not None
            assert work.inside is not None
            matrix = work.matrix
            add_square(matrix, self._chosen(inside & ~work.inside, scale), 1.0)
            add_square(matrix, self._chosen(~inside & work.inside, scale), -1.0)
        work.matrix, work.inside = matrix, inside.copy()
        return matrix

    def _chosen(self, which: Array, scale: Array | None) -> Array:
        chosen = self.X if which.all() else self.X[which]
        return chosen if scale is None else np.asarray(chosen * np.sqrt(scale[which, None]).astype(self.X.dtype))

    def solve(self, inside: Array, t: Array, half: Array | float, work: Work) -> State | None:
        """The minimum for these rows; None where the system cannot be solved in this precision."""
        # With weights m the system is multiplied by the least 1 / 2 C m.
        scale, shift = (None, half) if isinstance(half, float) else (half.min() / half, float(half.min()))
        factor = work.square(self.dimensions, self.X.dtype)
        factor[:] = self._square(inside, scale, work)
        factor.ravel()[:: self.dimensions + 1] += shift
        if not cholesky(factor):
            work.matrix = None
            return None
        right = (t * inside * (1.0 if scale is None else scale)).astype(self.X.dtype) @ self.X
        cholesky_solve(factor, right)
        if not np.isfinite(right).all():
            return None
        work.factor = factor
        work.steps += 1
        return self.state(right.astype(np.float64, copy=False))

    def refine(self, state: State, inside: Array, t: Array, half: Array | float, work: Work) -> State:
        """A state nearer to that minimum, by the last factor and the residual."""
        if work.factor is None:
            return state
        scale, shift = (1.0, half) if isinstance(half, float) else (half.min() / half, float(half.min()))
        values = ((t - state.f) * inside * scale).astype(self.X.dtype)
        change = values @ self.X - (shift * state.point).astype(self.X.dtype)
        cholesky_solve(work.factor, change)
        return self.state(state.point + change)

    def adjoint_square(self, values: Array) -> float:
        """|X' values|^2."""
        w = (values.astype(self.X.dtype, copy=False) @ self.X).astype(np.float64, copy=False)
        return float(w @ w)

    def between(self, first: State, second: State, step: float) -> State:
        """The state at first + step * (second - first)."""
        w = first.point + step * (second.point - first.point)
        return State(w, first.f + step * (second.f - first.f), float(w @ w))


class LeastSquares(WeightSystem):
    """The same as a least-squares problem, [X_A; sqrt(1 / 2C) I] w = [t_A; 0], by orthogonal transformations, float64.

    The condition number is that of X, not its square. Where there are fewer rows than weights the solution of least
    length of [X_A, sqrt(1 / 2C) I] [w; e] = t_A. Rows of unlike length keep their digits by being sorted and pivoted
    (Cox and Higham, "Stability of Householder QR factorization for weighted least squares problems", 1998).
    """

    def solve(self, inside: Array, t: Array, half: Array | float, work: Work) -> State | None:
        """The minimum for these rows."""
        from scipy.linalg import qr, solve_triangular

        shift = float(np.min(half))
        scale = np.sqrt(shift / half) * np.ones(self.rows)
        rows, targets, root = self.X[inside] * scale[inside, None], (t * scale)[inside], shift**0.5
        work.steps += 1
        work.factor = None
        if not len(rows):
            return self.zero()
        if len(rows) >= self.dimensions:
            tall = np.concatenate([rows, root * np.eye(self.dimensions)])
            right = np.concatenate([targets, np.zeros(self.dimensions)])
        else:
            tall, right = np.concatenate([rows.T, root * np.eye(len(rows))]), targets
        order = np.argsort(-np.abs(tall).max(1), kind="stable")
        q, r, pivots = qr(tall[order], mode="economic", pivoting=True, check_finite=False)
        diagonal = np.abs(r.diagonal())
        if not diagonal.min() > 0:
            return None
        whole = np.empty(len(tall))
        if len(rows) >= self.dimensions:
            projected = q.T @ right[order]
            w = np.empty(self.dimensions)
            w[pivots] = solve_triangular(r, projected, check_finite=False)
            whole[order] = right[order] - q @ projected
            slack = whole[: len(rows)]
        else:
            whole[order] = q @ solve_triangular(r, right[pivots], trans=1, check_finite=False)
            w, slack = whole[: self.dimensions], whole[self.dimensions :] * root
        if not (np.isfinite(w).all() and np.isfinite(slack).all()):
            return None
        state = self.state(w)
        state.b = np.zeros(self.rows)
        state.b[inside] = slack * scale[inside] / shift
        return state

    def refine(self, state: State, inside: Array, t: Array, half: Array | float, work: Work) -> State:
        """Nothing is left to refine."""
        return state


def compiled(rows: int) -> Any:
    """The compiled products, or None where there is no Numba or too few rows for it to be worth loading."""
    if rows < _COMPILED:
        return None
    try:
        from dcgan_features.eval.l2svm.dense import descent
    except ImportError:
        return None
    return descent
