"""Products of whole feature matrices on the CPU, in pieces that threads take one after the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dcgan_features.eval.l2svm.threads import as_tasks

Array = npt.NDArray[Any]

_CONVERTED = 1 << 30  # most bytes of features that are converted at a time
_COLUMNS = 2048  # features a piece of a product with coefficients
_LEAST_STRIP, _STRIPS = 128, 12


def as_array(features: Tensor, dtype: Any) -> Array:
    """A tensor (n, d), or a part of it, as a NumPy array of another precision; itself where it is one already."""
    if features.dtype == torch.bfloat16:
        bits = features.contiguous().view(torch.int16).numpy().view(np.uint16)
        whole = (bits.astype(np.uint32) << 16).view(np.float32)
    else:
        whole = features.numpy()
    return np.ascontiguousarray(whole, dtype=dtype)


def converted(features: Tensor, dtype: Any, intercept: bool = False) -> Array:
    """Features (n, d) in `dtype`, (n, d) or with a column of 1 (n, d + 1), C order; converted by threads."""
    rows, dimensions = features.shape
    if not intercept and features.dtype == torch.from_numpy(np.empty(0, dtype)).dtype and features.is_contiguous():
        return features.numpy()
    out = np.empty((rows, dimensions + intercept), dtype)
    if intercept:
        out[:, -1] = 1

    def work(start: int) -> None:
        out[start : start + step, :dimensions] = as_array(features[start : start + step], dtype)

    step = max(1, (4 << 20) // (8 * max(dimensions, 1)))
    if rows <= step:
        work(0)
    else:
        as_tasks(range(0, rows, step), work)
    return out


def gram_matrix(features: Tensor, intercept: bool, dtype: Any) -> Array:
    """K = X X' + 1 (+ 0 without intercept), (n, n) in `dtype`, both triangles the same to the bit."""
    rows = len(features)
    gram = np.full((rows, rows), float(intercept), dtype)
    size = max(_LEAST_STRIP, -(-rows // _STRIPS))
    strips = [slice(start, min(start + size, rows)) for start in range(0, rows, size)]
    tiles = list(itertools.combinations_with_replacement(strips, 2))
    for part in _column_parts(features, dtype):
        X = converted(part, dtype)

        def work(tile: tuple[slice, slice], X: Array = X) -> None:
            first, second = tile
            product = X[first] @ X[second].T
            gram[first, second] += product
            if first != second:
                gram[second, first] = gram[first, second].T

        as_tasks(tiles, work)
    return gram


def combined(features: Tensor, intercept: bool, coefficients: Array, decide: bool) -> tuple[Array, Array | None]:
    """Weights X' b, (m, d + 1), for b (m, n), and if asked the decision values X w, (m, n), in the precision of b."""
    rows, dimensions = features.shape
    weights = np.zeros((len(coefficients), dimensions + 1), coefficients.dtype)
    weights[:, -1] = coefficients.sum(1) * intercept

    def work(start: int) -> Array | None:
        X = as_array(features[:, start : start + _COLUMNS], coefficients.dtype)
        part = weights[:, start : min(start + _COLUMNS, dimensions)] = coefficients @ X
        return np.asarray(part @ X.T) if decide else None

    parts = as_tasks(range(0, dimensions, _COLUMNS), work)
    if not decide:
        return weights, None
    decision = np.repeat(weights[:, -1:] * intercept, rows, axis=1)
    for part in parts:
        decision += part
    return weights, decision


def _column_parts(features: Tensor, dtype: Any) -> Iterator[Tensor]:
    rows, dimensions = features.shape
    width = max(256, _CONVERTED // (max(rows, 1) * np.dtype(dtype).itemsize))
    if features.dtype == torch.from_numpy(np.empty(0, dtype)).dtype and features.is_contiguous():
        width = max(dimensions, 1)
    for start in range(0, dimensions, width):
        yield features[:, start : start + width]
