"""What is printed arrives: in any encoding, after the reader has gone, and whatever names of files hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
COMMAND = """
import sys, typer
from pathlib import Path
from dcgan_features.data.utils.cli import run
from dcgan_features.data.utils.errors import InputError
app = typer.Typer()
@app.command()
def work(out: Path, wrong: str = ""):
    for number in range(3):
        print(f"{number} 41.04 \\u00b10.1 \\u6f22 \\x1b[2J", flush=True)
        (out / str(number)).write_text("done")
    if wrong:
        raise InputError(f"{wrong} cannot be read")
run(app)
"""


def call(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **options.pop("environment", {})}
    command = [sys.executable, "-c", COMMAND, *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, **options)


def test_an_encoding_without_the_characters_ends_nothing(tmp_path):
    child = call(str(tmp_path), stdout=subprocess.PIPE, environment={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    out, err = child.communicate()
    assert (child.returncode, err) == (0, b"")
    assert out.splitlines()[0] == rb"0 41.04 +-0.1 ? \x1b[2J"


def test_a_reader_that_goes_away_ends_nothing(tmp_path):
    child = call(str(tmp_path), stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.close()
    assert child.stderr is not None
    assert child.stderr.read() == b""
    assert child.wait() == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2"]


def test_names_in_sentences_are_written_out(tmp_path):
    child = call(str(tmp_path), "--wrong", "a\nb\x1b]0;title\x07", stdout=subprocess.DEVNULL)
    assert child.communicate()[1] == b"error: a\\nb\\x1b]0;title\\x07 cannot be read\n"
    assert child.returncode == 2
