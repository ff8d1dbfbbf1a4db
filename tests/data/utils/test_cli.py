import errno
import io
import sys
from typing import Annotated

import pytest
import torch
import typer
from rich.console import Console

from dcgan_features.data.utils.cli import Interrupted, duration, progress, run
from dcgan_features.data.utils.devices import device_option
from dcgan_features.data.utils.distributed import ProcessLost
from dcgan_features.data.utils.errors import InputError
from tests.data.utils.test_gpu import GONE, OUT, Accelerator


@pytest.fixture
def call(monkeypatch, capsys):
    """Run an app whose command raises `error`; returns (exit code, stdout, stderr)."""

    def call_with(arguments, error=None):
        app = typer.Typer(add_completion=False)

        @app.command()
        def work(count: Annotated[int, typer.Option()] = 1, resume: Annotated[bool, typer.Option()] = True) -> None:
            if error is not None:
                raise error
            print("done", count)

        monkeypatch.setattr(sys, "argv", ["work", *arguments])
        with pytest.raises(SystemExit) as raised:
            run(app)
        captured = capsys.readouterr()
        return raised.value.code, captured.out, captured.err

    return call_with


def test_success(call):
    assert call(["--count", "3"]) == (0, "done 3\n", "")
    code, out, _ = call(["--help"])
    assert code == 0
    assert "--count" in out


@pytest.mark.parametrize(("error", "code", "sentence"), [
    (InputError("the file is bad; mend it"), 2, "error: the file is bad; mend it\n"),
    (Interrupted("stopped; resume so"), 130, "stopped; resume so\n"),
    (KeyboardInterrupt(), 130, "interrupted; run the same command again to resume\n"),
    (OSError(errno.ENOSPC, "No space left", "x"), 2, "error: cannot write x: the disk is full"),
    (OSError(errno.EROFS, "Read-only", "x"), 2, "error: cannot write x: the file system is read-only"),
    (torch.OutOfMemoryError(OUT), 2, "error: the memory does not suffice (CUDA out of memory. Tried to"),
    (Accelerator(GONE), 2, "error: the GPU failed or is gone (CUDA error: unspecified launch failure); look at"),
    (ProcessLost("another process is gone (closed)"), 2, "error: another process is gone (closed); run the same"),
])  # fmt: skip
def test_errors_are_one_sentence(call, error, code, sentence):
    result, out, err = call([], error)
    assert (result, out) == (code, "")
    assert err.strip().startswith(sentence.strip())
    assert err.count("\n") <= 2
    assert "Traceback" not in err


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["--cuont", "1"], "error: unknown option '--cuont': did you mean '--count'?"),
    (["--no-resum"], "error: unknown option '--no-resum': did you mean '--no-resume'?"),
    (["--count", "x"], "error: Invalid value for '--count'"),
    (["extra"], "error: Got unexpected extra argument"),
])  # fmt: skip
def test_wrong_options_are_one_sentence(call, arguments, sentence):
    code, _, err = call(arguments)
    assert code == 2
    assert err.startswith(sentence)
    assert err.count("\n") == 1


def test_mistakes_of_ours_keep_their_traceback(monkeypatch):
    app = typer.Typer()

    @app.command()
    def work() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sys, "argv", ["work"])
    with pytest.raises(ZeroDivisionError):
        run(app)


def test_plain_progress_tells_speed_and_time_left(monkeypatch, capsys):
    clock = iter([0.0, 1.0, 5.0, 5.0, 10.0])
    monkeypatch.setattr("dcgan_features.data.utils.cli.time.monotonic", lambda: next(clock))
    with progress(100, "counting", done=20) as advance:
        advance(20)  # at 1 s, nothing yet
        advance(20, "note")  # at 5 s: 40 in 5 s, so 40 more take 5 s
    first, last = capsys.readouterr().err.splitlines()
    assert first == "counting: 60 of 100 after 5 s, 5 s left, note"
    assert last == "counting: 60 of 100 after 10 s, 10 s left, note"


def test_a_terminal_gets_a_bar(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(
        "dcgan_features.data.utils.cli.Console", lambda stderr: Console(file=screen, force_terminal=True, width=120)
    )
    with progress(4, "counting") as advance:
        for _ in range(4):
            advance(1, "a note")
    assert "counting" in screen.getvalue()
    assert "4/4" in screen.getvalue()
    assert "a note" in screen.getvalue()


def test_duration():
    assert [duration(s) for s in (3.4, 59.6, 185, 7805)] == ["3 s", "1 min 00 s", "3 min 05 s", "2 h 10 min"]


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "meta"])
def test_devices_that_are_not_there(name):
    with pytest.raises(InputError, match=f"--device {name}"):
        device_option(name)
    assert device_option("cpu").type == "cpu"
