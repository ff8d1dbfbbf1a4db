"""The solver's space for few rows: everything through the Gram matrix."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dcgan_features.data.utils.gpu import with_smaller_blocks
from dcgan_features.eval.l2svm.primal import add_square, pad
from dcgan_features.eval.l2svm.space import Curvature, Leading, factor_solve

GRAM_RANK = 128  # directions in the preconditioner
_COLUMNS = 256  # least features a block


class GramSpace:
    """w = X' a is held as (a, K a), stacked; nothing of size d is ever touched after K is made.

    gram : K = X X' (+ 1 for the intercept), (n, n), float32 or float64.
    """

    patience = 25.0

    def __init__(self, gram: Tensor) -> None:
        self.gram = gram
        self.rows = len(gram)
        self.dtype = gram.dtype
        self.device = gram.device

    def zeros(self, columns: int) -> Tensor:
        """The vector w = 0 for each column."""
        return torch.zeros(2, self.rows, columns, dtype=self.dtype, device=self.device)

    def restated(self, vector: Tensor) -> Tensor:
        """A vector of another dtype in this one. K a is multiplied out: the other's has the other's errors."""
        return self.adjoint(vector[0].to(self.dtype))

    def inner(self, left: Tensor, right: Tensor) -> Tensor:
        """<w, v> for each column, (k,)."""
        return (left[0] * right[1]).sum(0)

    def total(self, part: Tensor) -> Tensor:
        """What is summed over the rows: all of them are here."""
        return part

    def decision(self, vector: Tensor) -> Tensor:
        """X w + b, (n, k), which the vector carries along."""
        return vector[1]

    def adjoint(self, values: Tensor) -> Tensor:
        """X' values: its coefficients are the values themselves."""
        return torch.stack([values, self._multiply(values)])

    def minus_adjoint(self, vector: Tensor, values: Tensor) -> Tensor:
        """W - X' values. The coefficients are subtracted before the product: near the minimum they nearly cancel."""
        return self.adjoint(vector[0] - values)

    def hessian(self, vector: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """(X w, w + X' (weights * X w)) with one product with K."""
        return vector[1], vector + self.adjoint(weights * vector[1])

    def curved(self, vector: Tensor, curvature: Curvature) -> tuple[Tensor, Tensor]:
        """(X w, w + X' curvature(X w)) with one product with K."""
        return vector[1], vector + self.adjoint(curvature(vector[1], slice(None)))

    def shared_inverse(self, factor: float, exact: bool = True) -> Callable[[Tensor], Tensor]:
        """The inverse of I + factor X' X, I - X' (K + I / factor)^-1 X, by one Cholesky factor; exact."""
        lower = self.gram.clone()
        lower.diagonal().add_(1 / factor)
        lower, failed = torch.linalg.cholesky_ex(lower)
        if bool(failed):  # K has not the digits for it
            return lambda vector: vector

        def apply(vector: Tensor) -> Tensor:
            solved = factor_solve(lower, vector[1])
            # K times that is what is left of vector[1] beside its share of the diagonal, without another product.
            return torch.stack([vector[0] - solved, solved / factor])

        return apply

    def leading(self) -> Leading:
        """By subspace iteration with K."""
        rank = min(GRAM_RANK, self.rows)
        generator = torch.Generator().manual_seed(0)
        start = torch.randn(self.rows, rank, generator=generator, dtype=torch.float32).to(self.device, self.dtype)
        for _ in range(2):
            start = torch.linalg.qr(self._multiply(start))[0]
        product = self._multiply(start)
        values, rotation = torch.linalg.eigh(start.T @ product)
        # Directions of smaller energy are not orthonormal to working precision.
        keep = values > values[-1] * (1e-3 if self.dtype == torch.float32 else 1e-10)
        scaled = rotation[:, keep] * values[keep].rsqrt()
        vectors = torch.stack([start @ scaled, product @ scaled])
        return Leading(vectors, vectors[1])

    def exact_inverse(self, weights: Tensor) -> Callable[[Tensor], Tensor] | None:
        """The inverse of I + X' weights X as a function of vectors, by one Cholesky factor a column.

        By Woodbury's identity it is I - X_A' (K_AA + 1 / weights_A)^-1 X_A, A the rows of positive weight. None where
        a factor does not exist in this precision.
        """
        factors = []
        for column in weights.T:
            inside = column.nonzero()[:, 0]
            system = self.gram[inside][:, inside]
            system.diagonal().add_(1 / column[inside])
            factor, failed = torch.linalg.cholesky_ex(system)
            if bool(failed):
                return None
            factors.append((inside, factor))

        def apply(vector: Tensor) -> Tensor:
            solved = torch.zeros_like(vector[0])
            for column, (inside, factor) in enumerate(factors):
                solved[inside, column] = factor_solve(factor, vector[1, inside, column, None])[:, 0]
            return vector - self.adjoint(solved)

        return apply

    def _multiply(self, values: Tensor) -> Tensor:
        return (self.gram @ pad(values))[:, : values.shape[1]]


def gram_matrix(features: Tensor, intercept: bool, dtype: torch.dtype, device: torch.device) -> Tensor:
    """K = X X' + 1 (+ 0 without intercept), (n, n) in `dtype`; only one triangle is multiplied out.

    features : (n, d) of any floating dtype.
    """
    rows = len(features)

    def lower(columns: int) -> Tensor:
        gram = torch.full((rows, rows), float(intercept), dtype=dtype, device=device)
        for start in range(0, features.shape[1], columns):
            add_square(gram, features[:, start : start + columns].to(device, dtype))
        return gram

    gram, _ = with_smaller_blocks(lower, max(_COLUMNS, (256 << 20) // (rows * dtype.itemsize)), _COLUMNS)
    return gram.tril_().add_(gram.tril(-1).T)
