"""The processes that `torchrun` started, at one piece of work by torch.distributed; without it, one alone.

They hold the same program and must be alike (processor, libraries, threads): each repeats the small computations that
are not worth an exchange, and goes by their outcome to the bit.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, distributed
from torch.distributed.rendezvous import rendezvous

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.gpu import failure
from dcgan_features.data.utils.torchrun import started_by_torchrun

Value = TypeVar("Value")

_PATIENCE = timedelta(days=7)  # while one works, others wait; one that dies is noticed at once, and torchrun ends all


def is_first() -> bool:
    """Whether this process writes and talks for its group, or is alone."""
    return not (distributed.is_available() and distributed.is_initialized()) or distributed.get_rank() == 0


@contextlib.contextmanager
def process_group(name: str) -> Iterator[None]:
    """The group of `torchrun`'s processes as torch.distributed's default group; only the first one's output is shown.

    name : tells apart the groups that the processes of one `torchrun` form one after another, or at once.
    """
    if not started_by_torchrun():
        yield
        return
    store, rank, count = next(rendezvous("env://"))
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(
        backend,
        store=distributed.PrefixStore(f"{name}/{attempt}", store),  # type: ignore[attr-defined]
        rank=rank,
        world_size=count,
        timeout=_PATIENCE,
    )
    try:
        with contextlib.ExitStack() as stack:
            if rank > 0:
                nowhere = stack.enter_context(open(os.devnull, "w"))
                stack.enter_context(contextlib.redirect_stdout(nowhere))
                stack.enter_context(contextlib.redirect_stderr(nowhere))
            yield
    finally:
        sys.stdout.flush()
        distributed.destroy_process_group()


class ProcessLost(RuntimeError):
    """Another process of the group is gone, or cannot be reached; the message says so."""


@contextlib.contextmanager
def losing() -> Iterator[None]:
    """Around an exchange: what torch.distributed raises when another process is gone becomes `ProcessLost`.

    A failure of this process's own device stays what it is.
    """
    try:
        yield
    except RuntimeError as error:
        if failure(error) is not None:
            raise
        said = str(error).splitlines()[0]
        raise ProcessLost(f"another process is gone, killed perhaps or out of memory ({said})") from error


@contextlib.contextmanager
def first_goes_ahead() -> Iterator[None]:
    """The first process does what is inside before all others do: what it fetches or makes, they find."""
    waiting = distributed.is_available() and distributed.is_initialized()
    if waiting and distributed.get_rank() > 0:
        distributed.barrier()
    yield
    if waiting and distributed.get_rank() == 0:
        distributed.barrier()


class Processes:
    """One process and those that work with it, in the order of their ranks; as it stands, one alone.

    rank : this process's place, from 0. count : how many there are.
    """

    rank = 0
    count = 1

    def total(self, part: Tensor) -> Tensor:
        """The sum of every process's tensor, to the same bits in each; `part` may be overwritten."""
        return part

    def gather(self, value: Value) -> list[Value]:
        """Every process's value, in the order of ranks."""
        return [value]

    def stack(self, part: Tensor) -> Tensor:
        """The tensors of all processes, of one shape and on their devices, stacked in the order of ranks."""
        return part[None]

    def first(self, work: Callable[[], Value]) -> Value:
        """What `work` returns, which the first process alone does; what it raises, all raise."""
        return work()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What goes wrong inside for one goes wrong for all, so that none waits for one that has failed.

        Nothing may be exchanged inside. The others raise an `InputError` or ValueError as that one did, or else a
        RuntimeError, which names its rank.
        """
        yield


class AllProcesses(Processes):
    """All processes of torch.distributed's default group. Raises ValueError where there is no such group.

    Whatever they exchange raises `ProcessLost` when one of them is gone.
    """

    def __init__(self) -> None:
        if not (distributed.is_available() and distributed.is_initialized()):
            raise ValueError(
                "there is no group of processes to share the work with; start the program with torchrun and call "
                "torch.distributed.init_process_group(), or let one process do it"
            )
        self.rank, self.count = distributed.get_rank(), distributed.get_world_size()

    def total(self, part: Tensor) -> Tensor:
        """The sum of every process's tensor, to the same bits in each; `part` may be overwritten."""
        part = part.contiguous()
        with losing():
            distributed.all_reduce(part)
        return part

    def gather(self, value: Value) -> list[Value]:
        """Every process's value, in the order of ranks; any object that can be pickled."""
        values: list[Value | None] = [None] * self.count
        with losing():
            distributed.all_gather_object(values, value)
        return values  # type: ignore[return-value]

    def stack(self, part: Tensor) -> Tensor:
        """The tensors of all processes, of one shape and on their devices, stacked in the order of ranks."""
        parts = [torch.empty_like(part) for _ in range(self.count)]
        with losing():
            distributed.all_gather(parts, part)
        return torch.stack(parts)

    def first(self, work: Callable[[], Value]) -> Value:
        """What `work` returns, which the first process alone does; what it raises, all raise."""
        made = None
        with self.together():
            if self.rank == 0:
                made = work()
        return self.gather(made)[0]  # type: ignore[return-value]

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What goes wrong inside for one goes wrong for all; see `Processes.together`."""
        failure: Exception | None = None
        try:
            yield
        except Exception as error:
            failure = error
        kinds = (InputError, ValueError)
        kind = next((number for number, kind in enumerate(kinds) if isinstance(failure, kind)), None)
        reports = self.gather(None if failure is None else (kind, f"{type(failure).__name__}: {failure}", str(failure)))
        if failure is not None:
            raise failure
        for rank, report in enumerate(reports):
            if report is not None:
                number, long, short = report
                if number is None:
                    raise RuntimeError(f"process {rank} of {self.count} failed: {long}")
                raise kinds[number](f"{short} (process {rank} of {self.count})")


ALONE = Processes()


def all_processes() -> Processes:
    """Those of torch.distributed's default group where there is one, else this one alone."""
    return AllProcesses() if distributed.is_available() and distributed.is_initialized() else ALONE
