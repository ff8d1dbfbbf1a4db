"""A table measured by several processes together, as `torchrun` starts them, against one process."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dcgan_features.benchmarks.records.reading import read_predictions
from dcgan_features.benchmarks.runner import executor as runner
from dcgan_features.benchmarks.runner.executor import measure_plans
from dcgan_features.benchmarks.runner.plan import ToMeasure
from dcgan_features.benchmarks.runner.resolve import resolve
from dcgan_features.benchmarks.runner.worker import Outcome, attempt
from dcgan_features.data.utils.errors import InputError
from dcgan_features.eval import L2SVMCV
from tests.benchmarks.conftest import MEANS, measure_rows
from tests.processes import in_processes, results

ROOT = Path(__file__).parents[2]
# So near the minimum that a prediction on the boundary is the same whichever way the solver took.
EXACT = {"class": "L2SVMCV", "tol": 1e-9}
PIXELS = {"name": "pixels", "title": "Pixels", "extractor": {"class": "RawPixels"}, "classifier": EXACT}
MAJORITY = {"class": "tests.benchmarks.spies:Majority"}


def found(folder, row):
    result = json.loads((folder / "results" / "tiny" / f"{row}.json").read_text())
    figures = {name: (item["values"], item["chosen"]) for name, item in result["protocols"].items()}
    return result, figures, read_predictions(folder / "results", "tiny", row).by_protocol


def compare(one, other, row):
    """The same figures, choices of C and predictions."""
    (_, figures, predicted), (_, expected, theirs) = found(one, row), found(other, row)
    assert figures == expected
    for name, draws in theirs.items():
        np.testing.assert_array_equal(predicted[name], draws)


def measure_jobs(rank, jobs):
    return [attempt(resolve(job)) for job in jobs]


@pytest.mark.parametrize("count", [2, 4])
def test_figures_and_predictions_are_those_of_one_process(make_table, tmp_path, count):
    rows = [PIXELS, {"name": "means", "title": "M", "extractor": {"class": MEANS}, "classifier": MAJORITY}]
    jobs = measure_rows(tmp_path / "alone", make_table(rows=rows))
    places = {"store": tmp_path / "store", "results": tmp_path / "shared" / "results"}
    shared = [replace(job, **places) for job in jobs]
    everyones = results(in_processes(count, measure_jobs, shared))
    assert everyones == [[Outcome(status="measured")] * 2] * count
    for row in ("pixels", "means"):
        compare(tmp_path / "shared", tmp_path / "alone", row)
        assert found(tmp_path / "shared", row)[0]["device"].endswith(f", {count} processes")


def measure_in_peril(rank, job):
    """Rank 1 is killed while the classifier is fitted."""
    if rank == 1:
        L2SVMCV.fit = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment, method-assign]
    return attempt(resolve(job))


def test_a_process_that_is_killed_ends_a_row_which_any_number_of_others_measure(make_table, tmp_path):
    (job,) = measure_rows(tmp_path / "alone", make_table(rows=[PIXELS]))
    places = {"store": tmp_path / "store", "results": tmp_path / "shared" / "results"}
    job = replace(job, **places)
    first, second = in_processes(2, measure_in_peril, job)
    assert second is None
    assert first.status == "failed"
    assert first.message.startswith("another process is gone, killed perhaps or out of memory (")
    assert results(in_processes(3, measure_jobs, [job])) == [[Outcome(status="measured")]] * 3
    compare(tmp_path / "shared", tmp_path / "alone", "pixels")


def fail_in_one(rank, job, status):
    """Rank 1's row ends in `status`."""
    runner.launch = lambda *_: status if rank == 1 else Outcome(status="measured")
    return measure_plans([ToMeasure(job, resolved=resolve(job))], True, "torchrun this")


def test_a_row_that_ends_in_one_process_ends_all_and_one_that_all_refuse_does_not(make_table, tmp_path):
    (job,) = measure_rows(tmp_path, make_table(rows=[PIXELS]))
    refused = Outcome(status="failed", message="no such thing", bad_input=True)
    assert results(in_processes(2, fail_in_one, job, refused)) == [{"pixels": refused}] * 2
    killed = Outcome(status="failed", message="killed by the system")
    first, second = in_processes(2, fail_in_one, job, killed)
    assert isinstance(first, RuntimeError)
    assert isinstance(second, InputError)
    assert "pixels failed in process 1: killed by the system; finished rows" in str(second)
    assert "to resume, run: torchrun this" in str(second)


def test_the_command_under_torchrun(make_table, tmp_path):
    table = make_table(rows=[PIXELS])
    measure_rows(tmp_path, table)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "benchmarks.cifar10"]
    places = ["--results", str(tmp_path / "shared" / "results"), "--store", str(tmp_path / "shared" / "store")]
    environment: Any = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    run = [*command, "--table", str(table), "--device", "cpu", *places]
    ended = subprocess.run(run, cwd=ROOT, env=environment, text=True, capture_output=True, timeout=600)
    assert ended.returncode == 0, ended.stderr
    compare(tmp_path / "shared", tmp_path, "pixels")
    assert ended.stdout.count("A tiny table") == 2  # what will be done, and the table at the end
    assert ended.stdout.count("written:") == 1
    assert ended.stderr.count("[1/1] pixels") == 1
    assert (tmp_path / "shared" / "results" / "tiny.csv").exists()
