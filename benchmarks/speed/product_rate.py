"""How fast this machine multiplies matrices: what every other speed is compared with."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from dcgan_features.features.base import DTYPES

# Several sizes, because the fastest differs between machines; the best of them is the rate to compare with.
_CPU_SIZES, _CUDA_SIZES = (1024, 2048), (4096, 8192)


def seconds(work: Callable[[], Any], device: torch.device) -> float:
    """How long `work` takes, by the wall clock; on a GPU, until it is done there."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def seconds_in_turn(works: Sequence[Callable[[], Any]], device: torch.device) -> list[float]:
    """How long each of `works` takes, done one after the other.

    On a GPU nothing waits for it in between: the next work is prepared while it does the one before, as in use. A work
    then takes from when the GPU is done with the one before until it is done with this one.
    """
    if device.type != "cuda":
        return [seconds(work, device) for work in works]
    torch.cuda.synchronize(device)
    done = [
        torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        for _ in range(len(works) + 1)
    ]
    done[0].record()
    for work, event in zip(works, done[1:], strict=True):
        work()
        event.record()
    torch.cuda.synchronize(device)
    return [before.elapsed_time(after) / 1e3 for before, after in itertools.pairwise(done)]


class ProductRate:
    """Square matrix products, to be timed in turn with other work, so that what else the machine does meets both alike.

    dtype : "bfloat16" or "float32".
    """

    def __init__(self, dtype: str, device: torch.device) -> None:
        self.device = device
        sizes = _CUDA_SIZES if device.type == "cuda" else _CPU_SIZES
        self._matrices = [torch.randn(size, size).to(device, DTYPES[dtype]) for size in sizes]
        self._rates: list[list[float]] = [[] for _ in sizes]

    def time(self) -> None:
        """Time a product of each size once; the first time warms up and does not count."""
        for matrix, rates in zip(self._matrices, self._rates, strict=True):
            rates.append(2 * len(matrix) ** 3 / seconds(partial(torch.mm, matrix, matrix), self.device) / 1e9)

    @property
    def gflops(self) -> float:
        """The median of the fastest size, in GFLOP/s."""
        return max(statistics.median(rates[1:]) for rates in self._rates)
