"""Where the vectors of the L2-SVM's solver live.

Both spaces describe the same weights w (one column a class):

- `products.WeightSpace` holds w itself, (d + 1, k), and streams over the rows of X: for many rows.
- `gram.GramSpace` holds w = X' a by its coefficients a and by X w = K a with K = X X', stacked into (2, n, k): for
  few rows. K is computed once for all classes, all C and all folds, and one product with K does the work of two with X.

The last dimension of every vector counts independent problems (classes, or folds times classes).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Curvature = Callable[[Tensor, slice | Tensor], Tensor]  # of the decision values (m, k) of some rows, linear in them


class Space(Protocol):
    """What the solver asks of a space. n rows, k columns; `weights` and `values` are (n, k)."""

    rows: int
    dtype: torch.dtype
    device: torch.device
    patience: float  # conjugate steps that cost what the exact inverse does; infinite where there is none

    def zeros(self, columns: int) -> Tensor:
        """The vector w = 0."""

    def restated(self, vector: Tensor) -> Tensor:
        """A vector of the same kind of space with another dtype, in this one's; what it carries along is made anew."""

    def inner(self, left: Tensor, right: Tensor) -> Tensor:
        """<w, v> for each column, (k,)."""

    def total(self, part: Tensor) -> Tensor:
        """What is summed over the rows held here, summed over those of all processes; `part` may be overwritten."""

    def decision(self, vector: Tensor) -> Tensor:
        """X w + b, (n, k)."""

    def adjoint(self, values: Tensor) -> Tensor:
        """X' values as a vector of the space."""

    def minus_adjoint(self, vector: Tensor, values: Tensor) -> Tensor:
        """W - X' values, the gradient, without losing digits that can be kept."""

    def hessian(self, vector: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """(X w, w + X' (weights * X w)) in one pass over the data."""

    def curved(self, vector: Tensor, curvature: Curvature) -> tuple[Tensor, Tensor]:
        """(X w, w + X' curvature(X w)) in one pass over the data."""

    def shared_inverse(self, factor: float, exact: bool = True) -> Callable[[Tensor], Tensor]:
        """The inverse of I + factor X' X, or one that is near it, applied to a vector. exact : as far as it can be."""

    def leading(self) -> Leading:
        """Leading directions of X' X, for the preconditioner."""

    def exact_inverse(self, weights: Tensor) -> Callable[[Tensor], Tensor] | None:
        """The inverse of I + X' weights X applied to a vector; None where it cannot be had."""


@dataclass(frozen=True)
class Leading:
    """r orthonormal directions of weight space that hold most of X's energy.

    vectors : the directions as vectors of the space, (..., r).
    decision : X times them, (n, r).
    """

    vectors: Tensor
    decision: Tensor


def factor_solve(lower: Tensor, right: Tensor) -> Tensor:
    """The solution of L L' x = right (n, k), several times sooner than by `torch.cholesky_solve` where k is small."""
    solve = torch.linalg.solve_triangular
    solution: Tensor = solve(lower.mT, solve(lower, right, upper=False), upper=True)
    return solution
