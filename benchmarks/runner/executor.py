"""Running a table: each row in a process of its own, results written as soon as there are any.

A row that fails, or is killed for the memory it takes, leaves the others standing, and its peak memory is its own.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, cast

from dcgan_features.benchmarks.records.figures import with_pm
from dcgan_features.benchmarks.records.reading import read_row, read_rows
from dcgan_features.benchmarks.records.rows import Outline
from dcgan_features.benchmarks.reporting.table import STAND_IN, write_table
from dcgan_features.benchmarks.runner.plan import Plan, Refused, ToMeasure
from dcgan_features.benchmarks.runner.progress import TimeLeft
from dcgan_features.benchmarks.runner.resolve import ResolvedJob
from dcgan_features.benchmarks.runner.worker import Outcome
from dcgan_features.data.utils.cli import Interrupted, duration
from dcgan_features.data.utils.distributed import all_processes, is_first
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import writing
from dcgan_features.data.utils.locks import locked

_launched = itertools.count()
_PATIENCE = 60.0  # seconds that an interrupted row gets to put its work in order


def check_writable(folder: Path) -> None:
    """Raise `InputError` unless files can be made in `folder`, before hours of work end there."""
    probe = folder / f".probe-{uuid.uuid4().hex[:12]}"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()


def run_plans(plans: Sequence[Plan], outline: Outline, results: Path, resume: bool, say_how: str) -> dict[str, Outcome]:
    """Measure the rows that are to be, as `measure_plans`; the table's files are written anew after each."""
    if is_first():
        update_table(outline, results)
    return measure_plans(plans, resume, say_how, lambda: update_table(outline, results))


def measure_plans(
    plans: Sequence[Plan], resume: bool, say_how: str, after_each: Callable[[], None] | None = None
) -> dict[str, Outcome]:
    """Measure the rows that are to be, one after another, each in a process of its own.

    Where several processes run this together, each has a row measured in one of its own, and these work together. A
    row that cannot be measured in any of them leaves the others standing; one that ends in one of them alone ends all.

    say_how : command that resumes, for the message of `Interrupted`.
    Returns the outcome of every row that was begun or could not be.
    """
    outcomes = {
        item.job.row: Outcome(status="failed", message=item.message, bad_input=True)
        for item in plans
        if isinstance(item, Refused)
    }
    waiting = [item for item in plans if isinstance(item, ToMeasure)]
    processes = all_processes()
    if len({tuple(names) for names in processes.gather([item.job.row for item in waiting])}) > 1:
        raise InputError("the processes see other results; give --results as one folder that all of them see")
    time_left = TimeLeft([item.minutes for item in waiting])
    for number, item in enumerate(waiting, 1):
        left = time_left.seconds()
        about = "" if left is None else f", about {duration(left)} left in all"
        print(f"[{number}/{len(waiting)}] {item.job.row}{about}", file=sys.stderr, flush=True)
        begun = time.monotonic()
        outcome = launch(item.resolved, resume)
        time_left.finish(time.monotonic() - begun)
        kept = f"finished rows and features are kept; to resume, run: {say_how}"
        if outcome.status == "interrupted":
            raise Interrupted(f"interrupted while measuring {item.job.row}; {kept}")
        if processes.count > 1:
            if outcome.status == "failed" and not outcome.bad_input:  # the others may wait for this one in vain
                raise InputError(f"{item.job.row} failed in process {processes.rank}: {outcome.message}; {kept}")
            everyones = processes.gather(outcome)
            outcome = next((other for other in everyones if other.status == "failed"), outcome)
        outcomes[item.job.row] = outcome
        said = outcome.message if outcome.status == "failed" else _figures(item.resolved, time.monotonic() - begun)
        print(f"{item.job.row}: {said}", file=sys.stderr, flush=True)
        if after_each is not None and processes.rank == 0:
            after_each()
    return outcomes


def _figures(job: ResolvedJob, seconds: float) -> str:
    """What a row that is finished gave, on one line."""
    result = read_row(job.path)
    found = {} if result is None else result.protocols
    mark = f" ({STAND_IN})" if result is not None and result.stand_in else ""
    figures = [
        f"{job.protocols[name].title} {with_pm(item.measured, item.sd, 2)}{mark}" for name, item in found.items()
    ]
    return f"{', '.join(figures)}, after {duration(seconds)}"


def update_table(outline: Outline, results: Path) -> None:
    """Write `<table>.csv`, `.md` and `.json` from the results that are there."""
    with locked(results / f".{outline.name}.lock"):  # another command may be writing the same table
        write_table(outline, read_rows(results, outline), results)


def launch(job: ResolvedJob, resume: bool) -> Outcome:
    """Have a row measured in a process of its own; an interruption is passed on once, and waited for."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "dcgan_features.benchmarks.runner.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        process_group=0,  # so that a Ctrl-C reaches it once, from here
    )
    requests, answers = cast("tuple[IO[bytes], IO[bytes]]", (process.stdin, process.stdout))  # as they are pipes
    with process, _passing_on(process) as received:
        with contextlib.suppress(BrokenPipeError):
            how = f"{'resume' if resume else 'rerun'} row-{next(_launched)}"
            requests.write(f"{how} {job.model_dump_json()}\n".encode())
            requests.flush()
        answer = answers.read()  # stdin stays open meanwhile: its end tells the row that we died
        with contextlib.suppress(BrokenPipeError):
            requests.close()
        code = process.wait()
    if received:
        return Outcome(status="interrupted")
    if answer:
        return Outcome.model_validate_json(answer)
    if code == -signal.SIGKILL:
        return Outcome(status="failed", message="killed by the system, most likely because the memory was used up")
    return Outcome(status="failed", message=f"its process ended with code {code} and no result")


@contextlib.contextmanager
def _passing_on(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Pass SIGINT and SIGTERM on to the process, as SIGINT; a second one kills it. Yields the signals received."""
    received: list[int] = []
    before = {}

    def pass_on(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1:
            process.send_signal(signal.SIGINT)
            signal.signal(signal.SIGALRM, lambda *_: process.kill())
            signal.setitimer(signal.ITIMER_REAL, _PATIENCE)
        else:
            process.kill()

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, pass_on)
    except ValueError:  # not the main thread, which alone receives signals
        pass
    try:
        yield received
    finally:
        if received:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
