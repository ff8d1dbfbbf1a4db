"""Digests, SHA-256 in hexadecimal: of settings, and two of arrays (of a file: `data.utils.files`).

Arrays have two, because what was written with either is found again by it, and their bytes differ: `array_digest` is
in weights and results (which images a network saw, which data a row was measured on), `digest_array` in the keys of
the feature store. Neither may change. New code that stores nothing yet takes `array_digest`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1 << 24  # bytes hashed at a time, so that a memory-mapped array is never copied whole
_ROWS = 4096


def digest_of(content: Any) -> str:
    """Return the digest of JSON-ready data, whatever the order of its keys; other values stand as `str` gives them."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def array_digest(*arrays: NDArray[Any] | None) -> str:
    """Return the digest over dtype, shape and bytes of `arrays`, in this order; None counts as an absent array.

    The bytes are taken in C order, whatever the memory order, and in the array's own byte order, which the dtype
    states.
    """
    result = hashlib.sha256()
    for array in arrays:
        if array is None:
            result.update(b"absent;")
            continue
        result.update(f"{array.dtype.str} {array.shape};".encode())
        rows = array.reshape(1) if array.ndim == 0 else array
        step = max(1, _CHUNK // max(1, rows.nbytes // max(1, len(rows))))
        for start in range(0, len(rows), step):
            result.update(np.ascontiguousarray(rows[start : start + step]).reshape(-1).data)
    return result.hexdigest()


def digest_array(array: NDArray[Any]) -> str:
    """Return the digest of an array's shape, type and values, in the feature store's encoding.

    A memory-mapped array is read some rows at a time. Raises ValueError for an array of Python objects.
    """
    if array.dtype.hasobject:
        raise ValueError("an array of Python objects cannot be told apart from others by its bytes; use numbers")
    hasher = hashlib.sha256(repr((array.shape, array.dtype.str)).encode())
    for start in range(0, len(array) if array.ndim else 1, _ROWS):
        block = array[start : start + _ROWS] if array.ndim else array
        hasher.update(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data)
    return hasher.hexdigest()
