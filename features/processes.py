"""Several processes at one piece of work, by torch.distributed; one process alone is the ordinary case.

The processes are those of torch.distributed's default group, which `torchrun` starts. They hold the same program and
must be alike (processor, libraries, threads): each repeats the small computations that are not worth an exchange, and
goes by their outcome to the bit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

from torch import Tensor, distributed

from data.errors import InputError
from gan.processes import losing

Value = TypeVar("Value")


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

    Whatever they exchange raises `gan.processes.ProcessLost` when one of them is gone.
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
