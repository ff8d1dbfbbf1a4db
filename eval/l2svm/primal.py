"""The solver's space for many rows: products with the data matrix in blocks, without copying the matrix."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from dcgan_features.data.utils.distributed import ALONE, Processes
from dcgan_features.data.utils.gpu import computes_bfloat16, fast_bfloat16, fits, with_smaller_blocks
from dcgan_features.eval.l2svm.space import Curvature, Leading, factor_solve
from dcgan_features.eval.l2svm.streaming.reading import Announced
from dcgan_features.eval.l2svm.threads import Result, share_out

BLOCK_BYTES = 5 << 19  # a block of rows, in working precision, that stays in the processor's second-level cache
DEVICE_BLOCK_BYTES = 1 << 30  # the same on a GPU, where large products are what is fast
WEIGHT_RANK = 512  # directions in the preconditioner,
SHARED_RANK = 96  # in the one that is shared by all classes and need not be as near,
SAMPLE_ROWS = 16_384  # and the most rows on which they are sharpened
EXACT_DIMENSIONS = 4096  # most features for which every column's Hessian is made,
EXACT_BYTES = 2 << 30  # and the most bytes that they may take;
FEATURES_A_STEP = 24  # with so many features they cost about what one conjugate step does (measured on a CPU)
_LEAST_ROWS = 16  # in a block
_LEAST_STRIP = 512  # of rows of a square
_COARSE_ROWS = 128  # in a block that is multiplied in bfloat16 (measured; blocks in the cache are no quicker)
_DENSE = 0.6  # share of a block's rows from which it is quicker to multiply all of them


class WeightSpace:
    """w is held as it is; X is streamed in blocks of rows.

    X : (n, d) of any floating dtype on any device, memory-mapped tensors included.
    intercept : append a constant feature of 1, which is regularised like the others.
    dtype : of the arithmetic and of w; X's blocks are converted on the way through the cache.
    device : where the arithmetic is done.
    processes : those that hold the rows: X is this one's. w is the same in each, X w and what weights the rows are of
        the rows here. One all-reduce of w's size a pass over the data is what they exchange, besides a few small sums
        and, where the exact inverse is made, each column's Hessian.
    """

    def __init__(
        self,
        features: Tensor,
        intercept: bool,
        dtype: torch.dtype,
        device: torch.device,
        processes: Processes = ALONE,
    ) -> None:
        self.features = _resident(features, device)
        self.intercept = intercept
        self.dtype = dtype
        self.device = device
        self._threads = device.type == "cpu"
        self.rows, self.dimensions = features.shape
        self.total = processes.total
        self._device_block = DEVICE_BLOCK_BYTES
        self.alternates = False  # whether every second pass goes backwards; sums then come out in another order
        self._backwards = False
        self._leading: Leading | None = None
        self._square: Tensor | None = None
        counts = processes.gather(self.rows)
        self._first, self._all_rows = sum(counts[: processes.rank]), sum(counts)
        self.patience = self.dimensions / FEATURES_A_STEP if self.dimensions <= EXACT_DIMENSIONS else math.inf

    def _blocks(self, dtype: torch.dtype, factor: int = 1) -> list[slice]:
        """Blocks of rows: of BLOCK_BYTES in `dtype`, times a factor, on the CPU."""
        limit = factor * BLOCK_BYTES if self._threads else self._device_block
        step = max(_LEAST_ROWS, limit // (self.dimensions * dtype.itemsize) // _LEAST_ROWS * _LEAST_ROWS)
        return [slice(start, min(start + step, self.rows)) for start in range(0, self.rows, step)]

    def _load(self, block: slice, dtype: torch.dtype) -> Tensor:
        return self.features[block].to(self.device, dtype, non_blocking=True)

    def _share_out(
        self, work: Callable[[Sequence[slice]], Result], dtype: torch.dtype, factor: int = 1, most: int | None = None
    ) -> list[Result]:
        """`work` on the blocks of `_blocks`, or on some of them, evenly spaced, of about `most` rows in all.

        On the CPU by threads. On a GPU whose memory does not suffice the blocks become smaller, for good.
        """

        def blocks() -> list[slice]:
            return self._blocks(dtype, factor)[:: 1 if most is None else -(-self._all_rows // most)]

        if self._threads:
            return self._in_threads(blocks(), work)

        def attempt(size: int) -> list[Result]:
            self._device_block = size
            return [work(blocks())]

        return with_smaller_blocks(attempt, self._device_block, _LEAST_ROWS * self.dimensions * dtype.itemsize)[0]

    def _in_threads(self, blocks: Sequence[slice], work: Callable[[Sequence[slice]], Result]) -> list[Result]:
        """By threads. Going backwards, a pass need not read again what memory still holds of the last one."""
        ordered = blocks[::-1] if self._backwards else blocks
        self._backwards = self.alternates and not self._backwards
        return share_out(ordered, lambda own: work(Announced(self.features, own)))

    def zeros(self, columns: int) -> Tensor:
        """The vector w = 0 for each column."""
        return torch.zeros(self.dimensions + 1, columns, dtype=self.dtype, device=self.device)

    def restated(self, vector: Tensor) -> Tensor:
        """A vector of another dtype in this one."""
        return vector.to(self.dtype)

    def inner(self, left: Tensor, right: Tensor) -> Tensor:
        """<w, v> for each column, (k,)."""
        return (left * right).sum(0)

    def decision(self, vector: Tensor) -> Tensor:
        """X w + b, (n, k), in one pass over the data."""
        padded = pad(vector[:-1])
        out = torch.empty(self.rows, padded.shape[1], dtype=self.dtype, device=self.device)

        def work(blocks: Sequence[slice]) -> None:
            for block in blocks:
                torch.mm(self._load(block, self.dtype), padded, out=out[block])

        self._share_out(work, self.dtype)
        return self._shifted(out[:, : vector.shape[1]], vector)

    def adjoint(self, values: Tensor) -> Tensor:
        """X' values, (d + 1, k), in one pass over the data."""
        padded = pad(values)

        def work(blocks: Sequence[slice]) -> Tensor:
            out = torch.zeros(padded.shape[1], self.dimensions, dtype=self.dtype, device=self.device)
            for block in blocks:
                out.addmm_(padded[block].T, self._load(block, self.dtype))
            return out

        out = _sum(self._share_out(work, self.dtype))
        return self.total(self._vector(out, values.sum(0)))

    def minus_adjoint(self, vector: Tensor, values: Tensor) -> Tensor:
        """W - X' values, (d + 1, k), in one pass over the data."""
        return vector - self.adjoint(values)

    def hessian(self, vector: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """(X w, w + X' (weights * X w)), both products on a block of rows while it is in the cache."""
        padded, columns = pad(vector[:-1]), vector.shape[1]
        decision = torch.empty(self.rows, columns, dtype=self.dtype, device=self.device)

        def work(blocks: Sequence[slice]) -> Tensor:
            out = torch.zeros(padded.shape[1], self.dimensions, dtype=self.dtype, device=self.device)
            for block in blocks:
                features = self._load(block, self.dtype)
                here = decision[block] = self._shifted((features @ padded)[:, :columns], vector)
                # The block is still in the cache for the second product.
                out.addmm_(pad(here * weights[block]).T, features)
            return out

        out = _sum(self._share_out(work, self.dtype))
        return decision, self.total(self._vector(out, (decision * weights).sum(0))).add_(vector)

    @property
    def multiplies_coarsely(self) -> bool:
        """Whether `coarse_hessian` is quicker than `hessian`: the processor multiplies in bfloat16."""
        return self._threads and not self.dtype.itemsize > 4 and fast_bfloat16()

    def coarse_hessian(self, vector: Tensor, weights: Tensor) -> Tensor:
        """W + X' (weights * X w), as `coarse_curved`."""
        return self.coarse_curved(vector, lambda decision, rows: decision * weights[rows], weights.any(1))

    def coarse_curved(self, vector: Tensor, curvature: Curvature, counted: Tensor | None = None) -> Tensor:
        """W + X' curvature(X w) on the CPU, its terms rounded to bfloat16, in which X is multiplied; w itself is not.

        counted : (n,) of bool, rows whose curvature is not 0; the others are neither read nor multiplied where they are
            many. None is all.
        """
        high = vector[:-1].bfloat16()
        columns = vector.shape[1]
        both = pad(torch.cat([high, (vector[:-1] - high.to(vector.dtype)).bfloat16()], 1))

        def work(blocks: Sequence[slice]) -> tuple[Tensor, Tensor]:
            out = torch.zeros(columns + -columns % 16, self.dimensions, dtype=self.dtype)
            sums = torch.zeros(columns, dtype=self.dtype)
            for block in blocks:
                features, rows = self.features[block], cast("slice | Tensor", block)
                if counted is not None and int(counted[block].sum()) < _DENSE * len(features):
                    chosen = counted[block].nonzero()[:, 0]
                    features, rows = features[chosen], chosen + block.start
                    if not len(chosen):
                        continue
                features = features.bfloat16()
                parts = (features @ both).to(self.dtype)
                decision = self._shifted(parts[:, :columns] + parts[:, columns : 2 * columns], vector)
                values = curvature(decision, rows)
                sums += values.sum(0)
                out += pad(values).T.bfloat16() @ features
            return out, sums

        parts = self._in_threads(self._coarse_blocks(), work)
        out, sums = _sum([part[0] for part in parts]), _sum([part[1] for part in parts])
        return self.total(self._vector(out, sums)).add_(vector)

    def _coarse_blocks(self) -> list[slice]:
        return [slice(start, min(start + _COARSE_ROWS, self.rows)) for start in range(0, self.rows, _COARSE_ROWS)]

    def curved(self, vector: Tensor, curvature: Curvature) -> tuple[Tensor, Tensor]:
        """(X w, w + X' curvature(X w)), both products on a block of rows while it is in the cache."""
        padded, columns = pad(vector[:-1]), vector.shape[1]
        decision = torch.empty(self.rows, columns, dtype=self.dtype, device=self.device)

        def work(blocks: Sequence[slice]) -> tuple[Tensor, Tensor]:
            out = torch.zeros(padded.shape[1], self.dimensions, dtype=self.dtype, device=self.device)
            sums = torch.zeros(columns, dtype=self.dtype, device=self.device)
            for block in blocks:
                features = self._load(block, self.dtype)
                here = decision[block] = self._shifted((features @ padded)[:, :columns], vector)
                bent = curvature(here, block)
                sums += bent.sum(0)
                out.addmm_(pad(bent).T, features)
            return out, sums

        parts = self._share_out(work, self.dtype)
        out, sums = _sum([part[0] for part in parts]), _sum([part[1] for part in parts])
        return decision, self.total(self._vector(out, sums)).add_(vector)

    def shared_inverse(self, factor: float, exact: bool = True) -> Callable[[Tensor], Tensor]:
        """The inverse of I + factor X' X: with up to EXACT_DIMENSIONS features exact, else on leading directions.

        exact : whether the exact one is worth multiplying all features out.
        """
        if not exact or self.dimensions > EXACT_DIMENSIONS:
            if self._leading is None:
                self._leading = self.leading(WEIGHT_RANK if exact else SHARED_RANK)
            basis = self._leading.vectors
            square = self.total(self._leading.decision.T @ self._leading.decision)
            lower = torch.linalg.cholesky(
                torch.eye(len(square), dtype=self.dtype, device=self.device) + factor * square
            )

            def on_leading(vector: Tensor) -> Tensor:
                inside = basis.T @ vector
                return vector + basis @ (factor_solve(lower, inside) - inside)

            return on_leading
        if self._square is None:
            self._square = self._all_squared()
        whole = factor * self._square
        whole.diagonal().add_(1)
        lower, failed = torch.linalg.cholesky_ex(whole)
        if bool(failed):
            return lambda vector: vector
        return lambda vector: factor_solve(lower, vector)

    def _all_squared(self) -> Tensor:
        size = self.dimensions + 1

        def work(blocks: Sequence[slice]) -> Tensor:
            square = torch.zeros(size, size, dtype=self.dtype, device=self.device)
            for block in blocks:
                features = self._load(block, self.dtype)
                whole = torch.cat([features, torch.full_like(features[:, :1], float(self.intercept))], 1)
                add_square(square, whole.T)
            return square

        blocks = self._blocks(self.dtype, 16)
        return self.total(work(blocks) if self._threads else self._share_out(work, self.dtype)[0])

    def exact_inverse(self, weights: Tensor) -> Callable[[Tensor], Tensor] | None:
        """The inverse of I + X' weights X as a function of vectors, by one Cholesky factor a column.

        None where the factors would take more than EXACT_BYTES, or one does not exist in this precision.
        """
        size, columns = self.dimensions + 1, weights.shape[1]
        if columns * size**2 * self.dtype.itemsize > EXACT_BYTES:
            return None

        def work(blocks: Sequence[slice]) -> Tensor:
            hessians = torch.zeros(columns, size, size, dtype=self.dtype, device=self.device)
            for block in blocks:
                features = self._load(block, self.dtype)
                features = torch.cat([features, torch.full_like(features[:, :1], float(self.intercept))], 1)
                for hessian, column in zip(hessians, weights[block].T, strict=True):
                    inside = column > 0
                    add_square(hessian, (features[inside] * column[inside, None].sqrt()).T)
            return hessians

        # A thread's own sums would be as large again, and these products are long enough for torch's threads.
        blocks = self._blocks(self.dtype, 16)
        factors = self.total(work(blocks) if self._threads else self._share_out(work, self.dtype)[0])
        factors.diagonal(dim1=1, dim2=2).add_(1)
        for factor in factors:
            lower, failed = torch.linalg.cholesky_ex(factor)
            if bool(failed):
                return None
            factor.copy_(lower)
        return lambda vector: torch.cholesky_solve(vector.T[:, :, None], factors)[:, :, 0].T

    def beyond(self) -> float:
        """About the largest eigenvalue of X' X outside `SHARED_RANK` leading directions."""
        if self._leading is None:
            self._leading = self.leading(SHARED_RANK)
        return float(self.total(self._leading.decision.square().sum(0)).min())

    def leading(self, most: int | None = None) -> Leading:
        """Found in a few rows, then sharpened by a power iteration on up to SAMPLE_ROWS of them.

        most : directions; None is `WEIGHT_RANK`.
        Half-precision features are multiplied as they are: a preconditioner need not be exact.
        """
        rank = min(WEIGHT_RANK if most is None else most, self.dimensions + 1, self._all_rows)
        sample = self._sample(min(2 * rank, self._all_rows))
        basis = torch.linalg.eigh(sample @ sample.T)[1][:, -rank:]
        directions = torch.linalg.qr(sample.T @ basis)[0]
        if self._all_rows > len(sample):

            def multiply(blocks: Sequence[slice]) -> Tensor:
                product = torch.zeros_like(directions)
                for block in blocks:
                    features = self._load(block, self._fast_dtype)
                    part = self._coarse(features, directions)
                    product[:-1] += features.T @ part.to(features.dtype)
                    product[-1] += part.sum(0) * self.intercept
                return product

            sharpened = self._share_out(multiply, self._fast_dtype, 16, SAMPLE_ROWS)
            directions = torch.linalg.qr(self.total(_sum(sharpened)))[0]
        decision = torch.empty(self.rows, rank, dtype=self.dtype, device=self.device)

        def work(blocks: Sequence[slice]) -> None:
            for block in blocks:
                decision[block] = self._coarse(self._load(block, self._fast_dtype), directions)

        self._share_out(work, self._fast_dtype, 16)
        return Leading(directions, decision)

    def _sample(self, count: int) -> Tensor:
        """Rows drawn from those of all processes, the same in each and for any number of them, (count, d + 1)."""
        chosen = np.sort(np.random.default_rng(0).choice(self._all_rows, count, replace=False)) - self._first
        places = torch.from_numpy(np.flatnonzero((chosen >= 0) & (chosen < self.rows)))
        own = self.features[torch.from_numpy(chosen)[places].to(self.features.device)]
        sample = torch.zeros(count, self.dimensions + 1, dtype=self.dtype, device=self.device)
        sample[places.to(self.device), :-1] = own.to(self.device, self.dtype)
        sample = self.total(sample)
        sample[:, -1] = float(self.intercept)
        return sample

    @property
    def _fast_dtype(self) -> torch.dtype:
        half = self.features.dtype == torch.bfloat16 and computes_bfloat16(self.device)
        return torch.bfloat16 if half else self.dtype

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


def pad(values: Tensor) -> Tensor:
    """Pad the columns to a multiple of 16: skinny products are several times faster so."""
    missing = -values.shape[1] % 16
    return torch.nn.functional.pad(values, (0, missing)) if missing else values


def add_square(total: Tensor, left: Tensor) -> None:
    """Add left left' to `total` in place, as far as the lower triangle; above the diagonal some of it is left out.

    total : (n, n). left : (n, any).
    """
    strip = max(_LEAST_STRIP, -(-len(left) // 8))
    for start in range(0, len(left), strip):
        until = start + strip
        total[start:until, :until].addmm_(left[start:until], left[:until].T)


def _sum(parts: Sequence[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total


def _resident(features: Tensor, device: torch.device) -> Tensor:
    """The features on the GPU when they take less than half of what is free there; else where they are."""
    if device.type == "cuda" and features.device != device and fits(features.numel() * features.itemsize, device):
        return features.to(device)
    return features
