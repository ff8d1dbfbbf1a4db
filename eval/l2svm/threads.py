"""Blocks of a matrix shared out among threads, each of which computes alone.

torch's own threads meet at a barrier in every operation. On blocks that fit a core's cache an operation is so short
that the meetings cost as much as the work, and a hundred times as much when another program uses one of the cores.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import torch

Part = TypeVar("Part")
Item = TypeVar("Item")
Result = TypeVar("Result")


def share_out(parts: Sequence[Part], work: Callable[[Sequence[Part]], Result]) -> list[Result]:
    """[work(these), work(those), ...]: every part goes to one of as many threads as torch would use.

    Which parts a thread gets depends on their number and that of the threads alone, so that sums over the parts come
    out the same every time.
    """
    threads = min(torch.get_num_threads(), len(parts))
    if threads <= 1:
        return [work(parts)]
    # Here, too, for the libraries whose setting is one for all threads.
    with (
        single_threaded_torch(),
        ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        return list(pool.map(work, [parts[first::threads] for first in range(threads)]))


_guard = threading.RLock()
_inside = 0
_limits: Any = None


@contextlib.contextmanager
def single_threaded_blas() -> Iterator[None]:
    """NumPy's and SciPy's BLAS compute on the calling thread alone inside, in every thread of the process.

    Several threads may be inside; the setting comes back when the last has left.
    """
    global _inside, _limits
    with _guard:
        if _inside == 0:
            _limits = _controller().limit(limits=1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _guard:
            _inside -= 1
            if _inside == 0 and _limits is not None:
                _limits.restore_original_limits()
                _limits = None


@contextlib.contextmanager
def single_threaded_torch() -> Iterator[None]:
    """PyTorch computes on the calling thread alone inside, where that thread calls it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def _controller() -> Any:
    import scipy.linalg  # noqa: F401  its BLAS is another than NumPy's, and must be loaded to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _begin_anew() -> None:
    """In a forked child no other thread is inside, and none will leave."""
    global _guard, _inside, _limits
    _guard = threading.RLock()
    if _limits is not None:
        _limits.restore_original_limits()
    _inside, _limits = 0, None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def as_tasks(parts: Sequence[Part], work: Callable[[Part], Result]) -> list[Result]:
    """[work(part), ...], in order; whichever thread is free takes the next part, and none waits for another.

    As many threads as torch would use; BLAS computes on one thread in each.
    """
    threads = min(torch.get_num_threads(), len(parts))
    with single_threaded_blas():
        if threads <= 1:
            return [work(part) for part in parts]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(work, parts))


def in_stages(
    parts: Sequence[Part], first: Callable[[Part], Sequence[Item]], then: Callable[[Item], Result]
) -> list[Result]:
    """[then(item) for part in parts for item in first(part)], as tasks: a part's items need not await other parts."""
    threads = torch.get_num_threads()
    with single_threaded_blas():
        if threads <= 1:
            return [then(item) for part in parts for item in first(part)]
        items = first(parts[0]) if len(parts) == 1 else None
        if items is not None and len(items) <= 1:  # starting threads takes longer than a small problem
            return [then(item) for item in items]
        with ThreadPoolExecutor(threads) as pool:
            if items is not None:
                return list(pool.map(then, items))

            def begin(part: Part) -> list[Future[Result]]:
                return [pool.submit(then, item) for item in first(part)]

            return [task.result() for begun in [pool.submit(begin, part) for part in parts] for task in begun.result()]
