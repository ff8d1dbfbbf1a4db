"""The processes that `torchrun` started, as one group of torch.distributed; without it a command is alone."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from datetime import timedelta

import torch
from torch import distributed
from torch.distributed.rendezvous import rendezvous

from gan.devices import failure

_PATIENCE = timedelta(days=7)  # while one works, others wait; one that dies is noticed at once, and torchrun ends all


def started_by_torchrun() -> bool:
    """Whether `torchrun` started this process."""
    return distributed.is_available() and distributed.is_torchelastic_launched()


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


def resuming_command(module: str, arguments: list[str]) -> list[str]:
    """The command line of a module of ours that is running, to be typed again."""
    command = ["python"]
    if started_by_torchrun():
        machines = int(os.environ.get("GROUP_WORLD_SIZE", "1"))
        command = ["torchrun", "--nproc-per-node", os.environ.get("LOCAL_WORLD_SIZE", "1")]
        command += ["--nnodes", str(machines), "..."] if machines > 1 else []
    return [*command, "-m", module, *arguments]


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
