"""Dual coordinate descent in blocks of rows, several columns side by side: compiled, without the interpreter's lock.

    min over a >= 0 of 1/2 a'(Q + I / 2C) a - 1'a, one coordinate after the other (Hsieh et al., ICML 2008)

A block's decision values come from one matrix product; within the block they are kept up to date by the block's own
Gram matrix. Features with a common mean make that crawl, because every step along a few directions of large energy must
be undone by all other rows. So the weights' part in those directions, s, is held fixed meanwhile and minimised exactly
between the passes (`beginning.Deflation`): with X V = P the rows' coordinates there, a pass sees K - P P' instead of K.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

BLOCK = 128  # rows
_options: dict[str, Any] = {"nogil": True, "cache": True, "fastmath": True}


@numba.njit(**_options)  # type: ignore[untyped-decorator]
def _within(small: Array, f: Array, t: Array, b: Array, change: Array, half: Array) -> None:
    """One pass over a block's rows for one column; what is added to b is added to `change`, too."""
    rows = f.shape[0]
    for i in range(rows):
        target = t[i]
        if target == 0:
            continue
        alpha = target * b[i]
        new = max(alpha - (target * f[i] - 1 + alpha * half[i]) / (small[i, i] + half[i]), 0)
        if new != alpha:
            step = target * (new - alpha)
            b[i] = target * new
            change[i] += step
            for j in range(rows):
                f[j] += step * small[i, j]


@numba.njit(**_options)  # type: ignore[untyped-decorator]
def gram_epochs(gram: Array, places: Array, s: Array, t: Array, b: Array, half: Array, order: Array) -> None:
    """Passes over all rows with the Gram matrix at hand.

    gram : (n, n). places : P, (n, r). s : (k, r). t : (k, n) of -1, 1, and 0 for rows that are left out.
    b : (k, n) coefficients, changed in place. half : 1 / 2 C m, (k, n). order : (epochs, blocks), the blocks' order in
        each pass.
    """
    columns, rows = t.shape
    left = s - np.dot(b, places)
    change = np.zeros((columns, BLOCK), gram.dtype)
    for epoch in range(order.shape[0]):
        for number in range(order.shape[1]):
            start = order[epoch, number] * BLOCK
            stop = min(start + BLOCK, rows)
            part = places[start:stop]
            f = np.dot(b, gram[start:stop].T) + np.dot(left, part.T)
            small = gram[start:stop, start:stop] - np.dot(part, part.T)
            change[:] = 0
            for column in range(columns):
                own = change[column, : stop - start]
                _within(small, f[column], t[column, start:stop], b[column, start:stop], own, half[column, start:stop])
            left -= np.dot(np.ascontiguousarray(change[:, : stop - start]), part)


@numba.njit(**_options)  # type: ignore[untyped-decorator]
def weight_epochs(X: Array, places: Array, s: Array, t: Array, b: Array, w: Array, half: Array, order: Array) -> None:
    """The same with w = X' b, (k, d), kept up to date in place of the Gram matrix. X : (n, d)."""
    columns, rows = t.shape
    left = s - np.dot(b, places)
    change = np.zeros((columns, BLOCK), X.dtype)
    smalls = np.zeros((order.shape[1], BLOCK, BLOCK), X.dtype)
    for epoch in range(order.shape[0]):
        for number in range(order.shape[1]):
            which = order[epoch, number]
            start = which * BLOCK
            stop = min(start + BLOCK, rows)
            rest, part = X[start:stop], places[start:stop]
            if epoch == 0:
                smalls[which, : stop - start, : stop - start] = np.dot(rest, rest.T) - np.dot(part, part.T)
            f = np.dot(w, rest.T) + np.dot(left, part.T)
            small = smalls[which, : stop - start, : stop - start]
            change[:] = 0
            for column in range(columns):
                own = change[column, : stop - start]
                _within(small, f[column], t[column, start:stop], b[column, start:stop], own, half[column, start:stop])
            moved = np.ascontiguousarray(change[:, : stop - start])
            w += np.dot(moved, rest)
            left -= np.dot(moved, part)


@numba.njit(**_options)  # type: ignore[untyped-decorator]
def combine(matrix: Array, index: Array, coefficients: Array, out: Array) -> None:
    """Write the sum over i of coefficients[i] * matrix[index[i]] to out (n,), multiplied and summed in float64."""
    out[:] = 0
    count, width = len(index), matrix.shape[1]
    whole = count // 4 * 4
    for start in range(0, whole, 4):
        r0, r1 = matrix[index[start]], matrix[index[start + 1]]
        r2, r3 = matrix[index[start + 2]], matrix[index[start + 3]]
        c0, c1 = coefficients[start], coefficients[start + 1]
        c2, c3 = coefficients[start + 2], coefficients[start + 3]
        for j in range(width):
            out[j] += c0 * np.float64(r0[j]) + c1 * np.float64(r1[j]) + c2 * np.float64(r2[j]) + c3 * np.float64(r3[j])
    for place in range(whole, count):
        row, c = matrix[index[place]], coefficients[place]
        for j in range(width):
            out[j] += c * np.float64(row[j])


@numba.njit(**_options)  # type: ignore[untyped-decorator]
def gather(matrix: Array, index: Array, out: Array) -> None:
    """The lower triangle of matrix[index][:, index] into `out`."""
    for i in range(len(index)):
        row = matrix[index[i]]
        for j in range(i + 1):
            out[i, j] = row[index[j]]
