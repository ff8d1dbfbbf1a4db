"""Reading ahead of features that may be mapped from a file."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from torch import Tensor

AHEAD = 128 << 20  # bytes that are asked for before they are needed: a tenth of a second of a fast disk
_LEAST = 1 << 28  # bytes of features for which any of this is worth a call
_WILL_NEED = getattr(mmap, "MADV_WILLNEED", 3)


class Announced(Sequence[slice]):
    """Blocks of rows; while they are gone through, the system is told to read those that come AHEAD bytes later.

    Where the features are few, or the system takes no such advice, nothing is told.
    """

    def __init__(self, features: Tensor, blocks: Sequence[slice]) -> None:
        self._blocks = blocks
        self._row = features.shape[1] * features.itemsize
        self._first = features.data_ptr()
        large = features.device.type == "cpu" and features.is_contiguous() and len(features) * self._row >= _LEAST
        self._advise = _advise() if large else None

    def __len__(self) -> int:
        return len(self._blocks)

    def __getitem__(self, place: Any) -> Any:
        return self._blocks[place]

    def __iter__(self) -> Iterator[slice]:
        told = 0
        for place, block in enumerate(self._blocks):
            while told < len(self._blocks) and self._is_near(place, told):
                self._tell(self._blocks[told])
                told += 1
            yield block

    def _is_near(self, place: int, other: int) -> bool:
        apart = abs(self._blocks[other].start - self._blocks[place].start)
        return bool(apart * self._row <= AHEAD)

    def _tell(self, block: slice) -> None:
        if self._advise is None:
            return
        first = self._first + block.start * self._row
        start = first // mmap.PAGESIZE * mmap.PAGESIZE
        self._advise(start, first + (block.stop - block.start) * self._row - start, _WILL_NEED)


@cache
def _advise() -> Callable[[int, int, int], Any] | None:
    """The C library's `madvise`; None on Windows, and where it is not found."""
    if sys.platform == "win32":
        return None
    with contextlib.suppress(OSError, AttributeError):
        found = ctypes.CDLL(None).madvise
        found.argtypes, found.restype = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int), ctypes.c_int
        return found
    return None
