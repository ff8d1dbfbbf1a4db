"""The products with the data matrix that the L2-SVM's solver is made of, in blocks and without copying the matrix.

A *space* is where the solver's vectors live. Both spaces here describe the same weights w (one column a class):

- `WeightSpace` holds w itself, (d + 1, k), and streams over the rows of X: for many rows.
- `GramSpace` holds w = X' a by its coefficients a and by X w = K a with K = X X', stacked into (2, n, k): for few
  rows. K is computed once for all classes, all C and all folds, and one product with K does the work of two with X.

The last dimension of every vector counts independent problems (classes, or folds times classes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

BLOCK_BYTES = 5 << 19  # a block of rows, in working precision, that stays in the processor's second-level cache
DEVICE_BLOCK_BYTES = 1 << 30  # the same on a GPU, where large products are what is fast
WEIGHT_RANK, GRAM_RANK = 512, 128  # directions in the preconditioner: a pass over many rows is worth more of them


class Space(Protocol):
    """What the solver asks of a space. n rows, k columns; `weights` and `values` are (n, k)."""

    rows: int
    dtype: torch.dtype
    device: torch.device

    def zeros(self, columns: int) -> Tensor:
        """The vector w = 0."""

    def inner(self, left: Tensor, right: Tensor) -> Tensor:
        """<w, v> for each column, (k,)."""

    def decision(self, vector: Tensor) -> Tensor:
        """X w + b, (n, k)."""

    def adjoint(self, values: Tensor) -> Tensor:
        """X' values as a vector of the space."""

    def minus_adjoint(self, vector: Tensor, values: Tensor) -> Tensor:
        """W - X' values, the gradient, without losing digits that can be kept."""

    def hessian(self, vector: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """(X w, w + X' (weights * X w)) in one pass over the data."""

    def leading(self) -> Leading:
        """Leading directions of X' X, for the preconditioner."""

    def exact_inverse(self, weights: Tensor) -> Callable[[Tensor], Tensor] | None:
        """The inverse of I + X' weights X applied to a vector, where it can be had; else None."""


@dataclass(frozen=True)
class Leading:
    """r orthonormal directions of weight space that hold most of X's energy.

    vectors : the directions as vectors of the space, (..., r).
    decision : X times them, (n, r).
    """

    vectors: Tensor
    decision: Tensor


class WeightSpace:
    """w is held as it is; X is streamed in blocks of rows.

    X : (n, d) of any floating dtype on any device, memory-mapped tensors included.
    intercept : append a constant feature of 1, which is regularised like the others.
    dtype : of the arithmetic and of w; X's blocks are converted on the way through the cache.
    device : where the arithmetic is done.
    """

    def __init__(self, features: Tensor, intercept: bool, dtype: torch.dtype, device: torch.device) -> None:
        self.features = _resident(features, device)
        self.intercept = intercept
        self.dtype = dtype
        self.device = device
        self.rows, self.dimensions = features.shape

    def blocks(
        self, dtype: torch.dtype | None = None, block_bytes: int = BLOCK_BYTES
    ) -> Iterator[tuple[slice, Tensor]]:
        """Blocks of rows in `dtype` (by default the working one) on the device, with the rows they hold."""
        dtype = dtype or self.dtype
        limit = block_bytes if self.device.type == "cpu" else DEVICE_BLOCK_BYTES
        step = max(16, limit // (self.dimensions * dtype.itemsize) // 16 * 16)
        for start in range(0, self.rows, step):
            block = slice(start, min(start + step, self.rows))
            yield block, self.features[block].to(self.device, dtype, non_blocking=True)

    def zeros(self, columns: int) -> Tensor:
        """The vector w = 0 for each column."""
        return torch.zeros(self.dimensions + 1, columns, dtype=self.dtype, device=self.device)

    def inner(self, left: Tensor, right: Tensor) -> Tensor:
        """<w, v> for each column, (k,)."""
        return (left * right).sum(0)

    def decision(self, vector: Tensor) -> Tensor:
        """X w + b, (n, k), in one pass over the data."""
        padded = _pad(vector[:-1])
        out = torch.empty(self.rows, padded.shape[1], dtype=self.dtype, device=self.device)
        for block, features in self.blocks():
            torch.mm(features, padded, out=out[block])
        return self._shifted(out[:, : vector.shape[1]], vector)

    def adjoint(self, values: Tensor) -> Tensor:
        """X' values, (d + 1, k), in one pass over the data."""
        padded = _pad(values)
        out = torch.zeros(padded.shape[1], self.dimensions, dtype=self.dtype, device=self.device)
        for block, features in self.blocks():
            out.addmm_(padded[block].T, features)
        return self._vector(out, values.sum(0))

    def minus_adjoint(self, vector: Tensor, values: Tensor) -> Tensor:
        """W - X' values, (d + 1, k), in one pass over the data."""
        return vector - self.adjoint(values)

    def hessian(self, vector: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """(X w, w + X' (weights * X w)), both products on a block of rows while it is in the cache."""
        padded, columns = _pad(vector[:-1]), vector.shape[1]
        decision = torch.empty(self.rows, columns, dtype=self.dtype, device=self.device)
        out = torch.zeros(padded.shape[1], self.dimensions, dtype=self.dtype, device=self.device)
        total = torch.zeros(columns, dtype=self.dtype, device=self.device)
        for block, features in self.blocks():
            # The block is still in the cache for the second product.
            here = self._shifted((features @ padded)[:, :columns], vector)
            decision[block] = here
            weighted = here * weights[block]
            total += weighted.sum(0)
            out.addmm_(_pad(weighted).T, features)
        return decision, self._vector(out, total).add_(vector)

    def exact_inverse(self, weights: Tensor) -> None:
        """Not to be had: the matrix is d x d."""

    def leading(self) -> Leading:
        """Found in a sample of rows, then sharpened by one pass over all of them.

        Half-precision features are multiplied as they are: a preconditioner need not be exact.
        """
        rank = min(WEIGHT_RANK, self.dimensions + 1, self.rows)
        generator = torch.Generator().manual_seed(0)
        chosen = torch.randperm(self.rows, generator=generator)[: 2 * rank].sort().values
        sample = self.features[chosen.to(self.features.device)].to(self.device, self.dtype)
        sample = torch.cat([sample, sample.new_full((len(sample), 1), float(self.intercept))], 1)
        basis = torch.linalg.eigh(sample @ sample.T)[1][:, -rank:]
        directions = torch.linalg.qr(sample.T @ basis)[0]
        if self.rows > len(sample):
            product = torch.zeros_like(directions)
            for _, features in self.blocks(self._fast_dtype, 16 * BLOCK_BYTES):
                part = self._coarse(features, directions)
                product[:-1] += features.T @ part.to(features.dtype)
                product[-1] += part.sum(0) * self.intercept
            directions = torch.linalg.qr(product)[0]
        decision = torch.empty(self.rows, rank, dtype=self.dtype, device=self.device)
        for block, features in self.blocks(self._fast_dtype, 16 * BLOCK_BYTES):
            decision[block] = self._coarse(features, directions)
        return Leading(directions, decision)

    @property
    def _fast_dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.features.dtype == torch.bfloat16 else self.dtype

    def _coarse(self, features: Tensor, directions: Tensor) -> Tensor:
        """Features times directions, rounded to the features' precision."""
        product = (features @ directions[:-1].to(features.dtype)).to(self.dtype)
        return self._shifted(product, directions)

    def _shifted(self, decision: Tensor, vector: Tensor) -> Tensor:
        return decision + vector[-1] if self.intercept else decision

    def _vector(self, transposed: Tensor, total: Tensor) -> Tensor:
        """(d + 1, k) from (padded k, d) and the intercept's entries."""
        last = total if self.intercept else torch.zeros_like(total)
        return torch.cat([transposed[: len(total)].T, last[None]])


class GramSpace:
    """w = X' a is held as (a, K a), stacked; nothing of size d is ever touched after K is made.

    gram : K = X X' (+ 1 for the intercept), (n, n), float32 or float64.
    """

    def __init__(self, gram: Tensor) -> None:
        self.gram = gram
        self.rows = len(gram)
        self.dtype = gram.dtype
        self.device = gram.device

    def zeros(self, columns: int) -> Tensor:
        """The vector w = 0 for each column."""
        return torch.zeros(2, self.rows, columns, dtype=self.dtype, device=self.device)

    def inner(self, left: Tensor, right: Tensor) -> Tensor:
        """<w, v> for each column, (k,)."""
        return (left[0] * right[1]).sum(0)

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

    def leading(self) -> Leading:
        """By subspace iteration with K."""
        rank = min(GRAM_RANK, self.rows)
        generator = torch.Generator().manual_seed(0)
        start = torch.randn(self.rows, rank, generator=generator).to(self.device, self.dtype)
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
                solved[inside, column] = torch.cholesky_solve(vector[1, inside, column, None], factor)[:, 0]
            return vector - self.adjoint(solved)

        return apply

    def _multiply(self, values: Tensor) -> Tensor:
        return (self.gram @ _pad(values))[:, : values.shape[1]]


def gram_matrix(features: Tensor, intercept: bool, dtype: torch.dtype, device: torch.device) -> Tensor:
    """K = X X' + 1 (+ 0 without intercept), (n, n) in `dtype`; only one triangle is multiplied out.

    features : (n, d) of any floating dtype.
    """
    rows = len(features)
    columns = max(256, (256 << 20) // (rows * dtype.itemsize))
    gram = torch.full((rows, rows), float(intercept), dtype=dtype, device=device)
    step = max(512, -(-rows // 8))
    for start in range(0, features.shape[1], columns):
        part = features[:, start : start + columns].to(device, dtype)
        for top in range(0, rows, step):
            gram[top : top + step, : top + step].addmm_(part[top : top + step], part[: top + step].T)
    return gram.tril_().add_(gram.tril(-1).T)


def _pad(values: Tensor) -> Tensor:
    """Pad the columns to a multiple of 16: skinny products are several times faster so."""
    missing = -values.shape[1] % 16
    return torch.nn.functional.pad(values, (0, missing)) if missing else values


def _resident(features: Tensor, device: torch.device) -> Tensor:
    """The features on the GPU when they take less than half of what is free there; else where they are."""
    if device.type == "cuda" and features.device != device:
        free, _ = torch.cuda.mem_get_info(device)
        if features.numel() * features.itemsize < free // 2:
            return features.to(device)
    return features
