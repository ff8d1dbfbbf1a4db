"""What is made of the features once, for any C and any targets: matrices, their leading directions, and which pays.

Everything is made when it is first asked for, by whichever thread asks.
"""

from __future__ import annotations

import threading
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dcgan_features.eval.l2svm.dense.beginning import EPOCHS, ROUNDS, Deflation
from dcgan_features.eval.l2svm.dense.faces import Directions
from dcgan_features.eval.l2svm.dense.systems import GramSystem, LeastSquares, WeightSystem, compiled
from dcgan_features.eval.l2svm.matrices import converted, gram_matrix

Array = npt.NDArray[Any]

GRAM_ROWS = 8192  # most rows for which the Gram matrix is made
TALL = 1.6  # most rows a feature for which it is made, where there are rows enough for compiled products,
TALL_FOLDS = 2.5  # and for many columns, on features of which a few directions hold much of the energy
WEIGHTS = 4096  # most features for which X' X is,
WEIGHT_BYTES = 3 << 30  # and most bytes of converted features
MANY = 16  # columns a thread, from which conjugate steps for all cost less than exact ones for each


def is_by_gram(rows: int, dimensions: int) -> bool:
    """Whether the Gram matrix costs less than products of features."""
    if rows > min(GRAM_ROWS, TALL * dimensions):
        return False
    return rows <= dimensions or compiled(rows) is not None


def fits(rows: int, dimensions: int) -> bool:
    """Whether matrices of features of this size are made."""
    if is_by_gram(rows, dimensions):
        return True
    return rows > dimensions and dimensions <= WEIGHTS and rows * (dimensions + 1) * 4 <= WEIGHT_BYTES


class Prepared:
    """X (n, d) on the CPU and its matrices. by_gram : whether they are of rows; None is where that costs less."""

    def __init__(self, features: Tensor, intercept: bool, by_gram: bool | None = None) -> None:
        self.features = features
        self.intercept = intercept
        self.rows, self.dimensions = features.shape
        self.by_gram = is_by_gram(self.rows, self.dimensions) if by_gram is None else by_gram
        self._systems: dict[Any, GramSystem | WeightSystem] = {}
        self._deflations: dict[Any, Deflation] = {}
        self._directions: dict[Any, Directions] = {}
        self._last: LeastSquares | None = None
        self._lock = threading.RLock()

    @cached_property
    def largest(self) -> float:
        """The rows' largest squared length, inf where float32 does not hold it."""
        return float(self.features.float().square().sum(1).max())

    def system(self, dtype: Any) -> GramSystem | WeightSystem:
        """The linear systems, through matrices of that precision."""
        with self._lock:
            if dtype not in self._systems:
                self._systems[dtype] = self._made(dtype)
            return self._systems[dtype]

    def _made(self, dtype: Any) -> GramSystem | WeightSystem:
        if self.by_gram:
            gram = gram_matrix(self.features, self.intercept, dtype)
            system: GramSystem | WeightSystem = GramSystem(gram, float(gram.trace(dtype=np.float64)))
        else:
            X = converted(self.features, dtype, self.intercept)
            lengths = np.einsum("ij,ij->i", X, X, dtype=np.float64)
            system = WeightSystem(X, float(lengths.sum()), float(lengths.max(initial=0.0)))
        if self._descends():
            self._deflations[dtype] = Deflation(system)
            system.energy = 1.2 * self._deflations[dtype].energy
        return system

    def _descends(self) -> bool:
        """Whether passes of descent cost less than the exact steps that they spare."""
        if compiled(self.rows) is None:
            return False
        least = self.rows if self.by_gram else min(self.rows, self.dimensions)
        passes = ROUNDS * EPOCHS * 8 * self.rows * least
        if self.by_gram:
            return least**3 / 3 > passes
        # The blocks' own Gram matrices are to be made, too.
        return least**3 / 3 + 0.2 * self.rows * least**2 > 2 * passes

    def deflation(self, dtype: Any) -> Deflation | None:
        """The directions that descent keeps out; None where there is no descent."""
        self.system(dtype)
        return self._deflations.get(dtype)

    def is_even(self, dtype: Any) -> bool:
        """Whether descent and conjugate steps on the Gram matrix come to minima, mostly without exact steps."""
        deflation = self.deflation(dtype)
        return self.by_gram and deflation is not None and deflation.is_empty

    def _is_uneven(self, columns: int, dtype: Any) -> bool:
        """Whether columns are many and a few directions outstanding."""
        deflation = self.deflation(dtype)
        return columns >= MANY * torch.get_num_threads() and deflation is not None and not deflation.is_empty

    def directions(self, columns: int, dtype: Any) -> Directions | None:
        """What preconditions conjugate steps for so many columns; None where exact steps cost less."""
        if not (self.by_gram and self._is_uneven(columns, dtype)):
            return None
        with self._lock:
            if dtype not in self._directions:
                self._directions[dtype] = Directions(cast(GramSystem, self.system(dtype)))
            return self._directions[dtype]

    def better_by_gram(self, columns: int, dtype: Any) -> bool:
        """Whether columns are so many that the Gram matrix pays although there are fewer features than rows."""
        low = self.by_gram or self.rows > min(GRAM_ROWS, TALL_FOLDS * self.dimensions)
        return not low and self._is_uneven(columns, dtype)

    def least_squares(self) -> LeastSquares:
        """The systems as least squares, in float64."""
        with self._lock:
            if self._last is None:
                X = converted(self.features, np.float64, self.intercept)
                lengths = np.einsum("ij,ij->i", X, X)
                self._last = LeastSquares(X, float(lengths.sum()), float(lengths.max(initial=0.0)))
            return self._last
