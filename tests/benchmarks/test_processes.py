"""Rows in processes of their own: killed, interrupted, and two commands at once."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from dcgan_features.benchmarks.config.schema import load_table
from dcgan_features.benchmarks.runner.executor import _PATIENCE, launch
from dcgan_features.benchmarks.runner.job import Job
from dcgan_features.benchmarks.runner.resolve import resolve
from tests.benchmarks.conftest import MEANS
from tests.benchmarks.spies import notes

ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(tmp_path):
    """Start the command; what is still running at the end is killed."""
    started = []

    def begin(table, **how):
        command = [sys.executable, "-m", "benchmarks.cifar10", "--table", str(table), "--device", "cpu"]
        command += ["--results", str(tmp_path / "results"), "--store", str(tmp_path / "store")]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def rows_of(tmp_path, seconds):
    quick = {"class": MEANS, "notes": str(tmp_path / "a")}
    slow = {"class": MEANS, "notes": str(tmp_path / "b"), "seconds": seconds}
    return [{"name": "a", "title": "A", "extractor": quick}, {"name": "b", "title": "B", "extractor": slow}]


def wait_for(path, process):
    for _ in range(3600):  # three minutes, for machines that are busy with other things
        if path.exists() and path.stat().st_size:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError(f"{path} never came")


def test_a_run_killed_at_any_moment_loses_no_finished_row(start, make_table, tmp_path, cli):
    table = make_table(rows=rows_of(tmp_path, 120.0))
    process = start(table)
    wait_for(tmp_path / "b", process)  # row a is finished, row b is in its fit
    process.kill()
    process.communicate()
    first = (tmp_path / "results" / "tiny" / "a.json").read_bytes()
    assert not (tmp_path / "results" / "tiny" / "b.json").exists()
    fits = notes(tmp_path / "a")
    # The row's own process must end with the command; were it alive, it would hold the row's lock.
    rows = rows_of(tmp_path, 0.0)
    begun = time.monotonic()
    code, out, _ = cli("--table", make_table(rows=rows))
    assert code == 0
    assert time.monotonic() - begun < 100
    assert "measured already" in out
    assert (tmp_path / "results" / "tiny" / "a.json").read_bytes() == first
    assert notes(tmp_path / "a") == fits
    assert json.loads((tmp_path / "results" / "tiny" / "b.json").read_text())["row"] == "b"


def test_an_interrupted_run_says_how_to_resume(start, make_table, tmp_path):
    process = start(make_table(rows=rows_of(tmp_path, 120.0)[1:]))
    wait_for(tmp_path / "b", process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "interrupted while measuring b; finished rows and features are kept" in err
    assert f"python -m benchmarks.cifar10 --table {tmp_path / 'tiny.yaml'}" in err
    assert "Traceback" not in err


def test_a_row_is_interrupted_at_once_in_a_background_job_too(start, make_table, tmp_path):
    """Shells have these ignore SIGINT: the row would be waited for in vain, and killed a minute later."""
    ignore = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    process = start(make_table(rows=rows_of(tmp_path, 120.0)[1:]), preexec_fn=ignore)
    wait_for(tmp_path / "b", process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=_PATIENCE - 10)
    assert "interrupted while measuring b" in err


def test_two_commands_at_once_measure_a_row_once(start, make_table, tmp_path, cli):
    table = make_table(rows=rows_of(tmp_path, 5.0)[1:])
    first = start(table)
    wait_for(tmp_path / "b", first)
    code, _, err = cli("--table", table)
    assert code == 0
    assert "b: waiting for another command that measures this row" in err
    _, err = first.communicate(timeout=300)
    assert first.returncode == 0, err
    assert json.loads((tmp_path / "results" / "tiny" / "b.json").read_text())["row"] == "b"
    assert [call["call"] for call in notes(tmp_path / "b")].count("extractor.fit") == 1
    assert (tmp_path / "results" / "tiny.csv").read_text().count("\n") == 3


def test_a_row_killed_for_its_memory_says_so_and_peaks_are_its_own(make_table, tmp_path):
    rows = [
        {"name": "a", "title": "A", "extractor": {"class": MEANS, "die": True}},
        {"name": "b", "title": "B", "extractor": {"class": MEANS}},
    ]
    path = make_table(rows=rows)
    outcomes = {}
    ballast = bytearray(os.urandom(1) * 2**30)  # of this process, and no part of the row's peak
    for name in ("a", "b"):
        job = Job(
            table=load_table(path), table_folder=tmp_path, row=name, preset="quick", data_root=tmp_path, device="cpu",
            store=tmp_path / "store", results=tmp_path / "results",
        )  # fmt: skip
        outcomes[name] = launch(resolve(job), resume=True)
    assert outcomes["a"].status == "failed"
    assert "killed by the system" in outcomes["a"].message
    assert outcomes["b"].status == "measured"
    peak = json.loads((tmp_path / "results" / "tiny" / "b.json").read_text())["peak_gib"]
    assert 0.1 < peak < 1.0
    assert len(ballast) == 2**30
