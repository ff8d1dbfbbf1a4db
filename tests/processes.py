"""Several processes that work together, as `torchrun` starts them, but forked: torch need not be imported again."""

import multiprocessing
import tempfile
import traceback
from collections.abc import Callable
from typing import Any

import torch
from torch import distributed

PATIENCE = 300  # seconds, for a machine that others use as well


def in_processes(count: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What `work(rank, *arguments)` returns in each of `count` gloo processes, or the exception that it raised."""
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        queue = context.Queue()

        def begin(rank: int) -> None:
            torch.set_num_threads(1)
            distributed.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=count)
            try:
                answer = work(rank, *arguments)
            except Exception as error:
                answer = error.with_traceback(None)
                answer.add_note(traceback.format_exc())
            queue.put((rank, answer))
            distributed.barrier()
            distributed.destroy_process_group()

        started = [context.Process(target=begin, args=(rank,)) for rank in range(count)]
        for process in started:
            process.start()
        try:
            answers = dict(queue.get(timeout=PATIENCE) for _ in started)
        finally:
            for process in started:
                process.join(10)
                process.kill()
    return [answers[rank] for rank in range(count)]


def results(answers: list[Any]) -> list[Any]:
    """The answers, if none of them is an exception."""
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers
