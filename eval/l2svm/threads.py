"""Blocks of a matrix shared out among threads, each of which computes alone.

torch's own threads meet at a barrier in every operation. On blocks that fit a core's cache an operation is so short
that the meetings cost as much as the work, and a hundred times as much when another program uses one of the cores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Part = TypeVar("Part")
Result = TypeVar("Result")


def share_out(parts: Sequence[Part], work: Callable[[Sequence[Part]], Result]) -> list[Result]:
    """[work(these), work(those), ...]: every part goes to one of as many threads as torch would use.

    Which parts a thread gets depends on their number and that of the threads alone, so that sums over the parts come
    out the same every time.
    """
    threads = min(torch.get_num_threads(), len(parts))
    if threads <= 1:
        return [work(parts)]
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # for the libraries whose setting is one for all threads
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(work, [parts[first::threads] for first in range(threads)]))
    finally:
        torch.set_num_threads(before)
