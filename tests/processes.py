"""Several processes that work together, as `torchrun` starts them, but forked: torch need not be imported again."""

import contextlib
import multiprocessing
import os
import pickle
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import distributed

PATIENCE = 300  # seconds, for a machine that others use as well


def in_processes(count: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What `work(rank, *arguments)` returns in each of `count` gloo processes, or the exception that it raised.

    None stands for a process that was killed.
    """
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        answers = [Path(folder, str(rank)) for rank in range(count)]

        def begin(rank: int) -> None:
            torch.set_num_threads(1)
            distributed.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=count)
            try:
                answer = work(rank, *arguments)
            except Exception as error:
                answer = error.with_traceback(None)
                answer.add_note(traceback.format_exc())
            answers[rank].write_bytes(pickle.dumps(answer))
            if isinstance(answer, Exception):
                os._exit(1)  # others may wait for this one, and only notice that it is gone
            with contextlib.suppress(RuntimeError):  # of another that was killed
                distributed.barrier()
            distributed.destroy_process_group()

        started = [context.Process(target=begin, args=(rank,)) for rank in range(count)]
        for process in started:
            process.start()
        for process in started:
            process.join(PATIENCE)
            process.kill()
        return [pickle.loads(answer.read_bytes()) if answer.exists() else None for answer in answers]


def results(answers: list[Any]) -> list[Any]:
    """The answers, if none of them is an exception."""
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers
