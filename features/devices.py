"""Work on a device in blocks that become smaller where its memory does not suffice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gan.devices import computes_bfloat16, fits, is_out_of_memory, release_memory

__all__ = ["computes_bfloat16", "fits", "with_smaller_blocks"]

Result = TypeVar("Result")


def with_smaller_blocks(work: Callable[[int], Result], size: int, least: int = 1) -> tuple[Result, int]:
    """work(size), or, where memory does not suffice, work(size // 2) and so on; and the size that it was in the end.

    work : takes the size of a block, and may be begun again. What it raises at the size `least`, this raises.
    """
    while True:
        try:
            return work(size), size
        except RuntimeError as error:
            if size <= least or not is_out_of_memory(error):
                raise
        # Only here, where the exception is no longer held, are the attempt's tensors free.
        release_memory()
        size = max(size // 2, least)
