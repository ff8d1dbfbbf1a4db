"""The executor: which rows are measured, how the time left is told, and what comes back from a worker's process."""

import pytest

from dcgan_features.benchmarks.config.schema import load_table
from dcgan_features.benchmarks.runner import executor
from dcgan_features.benchmarks.runner.executor import launch, measure_plans
from dcgan_features.benchmarks.runner.job import make_jobs
from dcgan_features.benchmarks.runner.plan import Finished, Refused, ToMeasure, Unmeasured, describe, plan
from dcgan_features.benchmarks.runner.resolve import resolve
from dcgan_features.benchmarks.runner.worker import Outcome
from dcgan_features.data.utils.cli import Interrupted
from tests.benchmarks.conftest import MEANS, measure_rows

ROWS = [
    {"name": "a", "title": "A", "extractor": {"class": "RawPixels"}, "minutes": 2},
    {"name": "b", "title": "B", "extractor": {"class": "RawPixels"}, "weights": {"file": "none.safetensors"}},
    {"name": "c", "title": "C", "published": {"all-labels": {"value": 60.0}}},
    {"name": "d", "title": "D", "extractor": {"class": MEANS}},
]


@pytest.fixture
def jobs(make_table, tmp_path):
    path = make_table(rows=ROWS)
    table = load_table(path)
    return make_jobs(table, path, table.rows, "quick", None, "cpu", tmp_path / "results", tmp_path / "store")


def test_what_is_to_become_of_each_row(jobs, tmp_path):
    plans = [plan(job) for job in jobs]
    assert [type(item) for item in plans] == [ToMeasure, Refused, Unmeasured, ToMeasure]
    lines = describe(plans, tmp_path / "store", tmp_path / "results")
    assert lines[0] == "  a: to be measured, about 2 min 00 s"
    assert lines[1].startswith("  b: cannot be measured: ")
    assert lines[2] == "  c: shown as published, not measured"
    assert lines[3] == "  d: to be measured"
    assert lines[4].startswith("in all about 2 min 00 s on two CPU cores, and a time that the table does not say;")


def test_what_is_finished_is_not_measured_again_and_what_is_stale_is_replaced(make_table, tmp_path):
    path = make_table(rows=[ROWS[0]])
    (job,) = measure_rows(tmp_path, path)
    assert isinstance(plan(job), Finished)
    assert isinstance(plan(job, resume=False), ToMeasure)
    table = load_table(make_table(rows=[ROWS[0]], seeds={"draws": 1}))
    (other,) = make_jobs(table, path, table.rows, "quick", None, "cpu", tmp_path / "results", tmp_path / "store")
    (stale,) = describe([plan(other)], tmp_path, tmp_path)[:1]
    assert f"; replaces {job.path}, measured with other settings or code (preset quick)" in stale
    job.path.with_suffix(".npz").unlink()
    assert "whose predictions are not kept or damaged" in plan(job).text


def test_a_damaged_result_is_removed_only_where_that_is_asked_for(jobs):
    jobs[0].path.parent.mkdir(parents=True)
    jobs[0].path.write_text("{")
    assert isinstance(plan(jobs[0], resume=False, look_only=True), ToMeasure)
    assert jobs[0].path.exists()
    assert isinstance(plan(jobs[0], resume=False), ToMeasure)
    assert not jobs[0].path.exists()


def test_rows_are_measured_one_after_another_and_a_failure_leaves_the_others(jobs, monkeypatch, capsys):
    sent = []
    outcomes = {"a": Outcome(status="failed", message="no luck"), "d": Outcome(status="measured")}

    def launched(resolved, resume):
        sent.append((resolved, resume))
        return outcomes[resolved.row]

    monkeypatch.setattr(executor, "launch", launched)
    after = []
    found = measure_plans([plan(job) for job in jobs], True, "this again", lambda: after.append(len(sent)))
    assert sent == [(resolve(jobs[0]), True), (resolve(jobs[3]), True)]
    assert {name: outcome.status for name, outcome in found.items()} == {"a": "failed", "b": "failed", "d": "measured"}
    assert found["b"].bad_input
    assert after == [1, 2]
    err = capsys.readouterr().err
    assert "[1/2] a, about 2 min 00 s left in all" in err
    assert "a: no luck" in err


def test_an_interruption_says_how_to_resume(jobs, monkeypatch):
    monkeypatch.setattr(executor, "launch", lambda *_: Outcome(status="interrupted"))
    with pytest.raises(Interrupted, match=r"interrupted while measuring a; .* are kept; to resume, run: this again"):
        measure_plans([plan(jobs[0])], True, "this again")


def test_a_row_is_measured_in_a_process_of_its_own(jobs, tmp_path):
    assert launch(resolve(jobs[0]), resume=True) == Outcome(status="measured")
    found = resolve(jobs[0]).finished()
    assert found is not None
    assert found.peak_gib > 0
