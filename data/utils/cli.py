"""What every command of the project shares: how it ends, and how it shows progress."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import NoReturn, Protocol

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.files import writing
from dcgan_features.data.utils.raw import printable
from dcgan_features.data.utils.terminal import steady_output
from dcgan_features.data.utils.torchrun import started_by_torchrun

USER_ERROR, INTERRUPTED = 2, 130
FIRST_SECONDS, PLAIN_SECONDS = 3.0, 10.0  # until the first line of progress, and between two, without a terminal

# Typer carries its own copy of click from some version on; either way this is the class of usage errors.
_ClickException = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")


class Interrupted(Exception):
    """The user stopped a command that has put its work in order; the message says how to resume."""


def run(app: typer.Typer, how_to_resume: str = "run the same command again to resume") -> NoReturn:
    """Run a command line to its end and exit.

    Exit codes: 0; 2 with one sentence on stderr for what the user can mend (`InputError`, a wrong option, a full
    disk, a folder that may not be written, a GPU that fails); 130 when interrupted, with how to resume. Anything else
    is a mistake of ours and keeps its traceback. The processes that `torchrun` starts run the command as one group.
    """
    app.pretty_exceptions_enable = False
    with steady_output():
        _run(app, how_to_resume)


def _run(app: typer.Typer, how_to_resume: str) -> NoReturn:
    try:
        with _group():
            code = app(standalone_mode=False)
    except InputError as error:
        _fail(f"error: {error}", USER_ERROR)
    except Interrupted as error:
        _fail(str(error), INTERRUPTED)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except OSError as error:
        try:
            with writing(error.filename or "the output"):
                raise error
        except InputError as sentence:
            _fail(f"error: {sentence}", USER_ERROR)
    except _ClickException as error:  # type: ignore[misc]
        _fail(f"error: {_usage(error)}", USER_ERROR)
    except RuntimeError as error:
        said = _failure(error)
        if said is None:
            raise
        _fail(f"error: {said}; {how_to_resume}", USER_ERROR)
    if code == INTERRUPTED:
        _fail(f"interrupted; {how_to_resume}", INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def _group() -> contextlib.AbstractContextManager[None]:
    """The group of `torchrun`'s processes, where it started this one; else nothing, and PyTorch is not imported."""
    if not started_by_torchrun():
        return contextlib.nullcontext()
    from dcgan_features.data.utils.distributed import process_group

    return process_group("command")


def _failure(error: RuntimeError) -> str | None:
    """What to say of an error of the device or of another process; None where it is neither."""
    if "torch" not in sys.modules:
        return None
    from dcgan_features.data.utils.distributed import ProcessLost
    from dcgan_features.data.utils.gpu import failure

    return str(error) if isinstance(error, ProcessLost) else failure(error)


def _fail(message: str, code: int) -> NoReturn:
    rank = int(os.environ["RANK"]) if started_by_torchrun() else 0
    message = printable(message)
    print(f"process {rank}: {message}" if rank else message, file=sys.stderr, flush=True)
    sys.exit(code)


def _usage(error: Exception) -> str:
    """One sentence for a wrong option or argument, naming the nearest valid one."""
    context, wrong = getattr(error, "ctx", None), getattr(error, "option_name", None)
    if wrong is not None and context is not None:
        options = [
            name for parameter in context.command.params for name in (*parameter.opts, *parameter.secondary_opts)
        ]
        return str(unknown_name("option", wrong, [name for name in options if name.startswith("--")]))
    message: str = error.format_message()  # type: ignore[attr-defined]
    return " ".join(message.split())


class Advance(Protocol):
    """Tells a progress display of `count` more units done, and optionally what to say beside them."""

    def __call__(self, count: float = 1, note: str = "") -> None:
        """Count on; an empty note leaves the former one."""


@contextlib.contextmanager
def progress(total: float, description: str, done: float = 0) -> Iterator[Advance]:
    """Show how far long work has come, on stderr: a bar on a terminal, otherwise a line every ten seconds.

    total : units in all. done : units done before, which do not count for the speed.
    Yields a function that is called as `advance(count, note)`.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(description, total=total, completed=int(done), note="")

            def advance_bar(count: float = 1, note: str = "") -> None:
                bar.advance(task, count)
                if note:
                    bar.update(task, note=note)

            yield advance_bar
        return
    lines = _PlainProgress(total, description, done)
    yield lines.advance
    lines.say()


class _PlainProgress:
    def __init__(self, total: float, description: str, done: float) -> None:
        self.total, self.description, self.done, self.done_before, self.note = total, description, done, done, ""
        self.started = time.monotonic()
        self.next_line = self.started + FIRST_SECONDS

    def advance(self, count: float = 1, note: str = "") -> None:
        self.done += count
        self.note = note or self.note
        if time.monotonic() >= self.next_line:
            self.say()

    def say(self) -> None:
        now = time.monotonic()
        self.next_line = now + PLAIN_SECONDS
        seconds = now - self.started
        rate = (self.done - self.done_before) / seconds if seconds > 0 else 0.0
        left = f", {duration((self.total - self.done) / rate)} left" if rate > 0 and self.done < self.total else ""
        note = f", {self.note}" if self.note else ""
        text = f"{self.description}: {self.done:,.0f} of {self.total:,.0f} after {duration(seconds)}{left}{note}"
        print(text, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Seconds as people say them: "12 s", "3 min 05 s", "2 h 10 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
