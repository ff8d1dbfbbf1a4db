"""The races of the probes, on problems that take no time."""

import json
import sys

import numpy as np
import pytest

from dcgan_features.benchmarks.speed import __main__ as speed
from dcgan_features.benchmarks.speed import probe
from dcgan_features.data.utils.cli import run


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(probe, "GRID", [(probe.gaussian, 60, 5, 2), (probe.relu_like, 40, 70, 3)])
    monkeypatch.setattr(probe, "GRID_CS", (0.01, 1.0))


def test_the_grid_compares_at_equal_objective(small, tmp_path):
    said: list[str] = []
    measured = probe.grid(said.append, tmp_path / "kept.tmp")
    assert [(fit["kind"], fit["rows"], fit["C"]) for fit in measured["fits"]] == [
        ("gaussian", 60, 0.01), ("gaussian", 60, 1.0), ("relu_like", 40, 0.01), ("relu_like", 40, 1.0)
    ]  # fmt: skip
    times = [fit["liblinear_seconds"] / fit["seconds"] for fit in measured["fits"]]
    assert [fit["times_faster"] for fit in measured["fits"]] == pytest.approx(times)
    assert all(fit["objective_over_liblinear"] <= 1 + 1e-5 for fit in measured["fits"])
    assert measured["median_times_faster"] == pytest.approx(np.median(times))
    assert measured["slower"] == sum(each < 1 for each in times)
    assert len(said) == 2


def test_an_interrupted_grid_goes_on_at_the_next_shape(small, tmp_path, monkeypatch):
    kept, whole = tmp_path / "kept.tmp", probe.one_fit

    def interrupted(X, *others):
        if X.shape[1] == 70:
            raise KeyboardInterrupt
        return whole(X, *others)

    monkeypatch.setattr(probe, "one_fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        probe.grid(lambda _: None, kept)
    fitted = []

    def noted(X, *others):
        fitted.append(X.shape)
        return whole(X, *others)

    monkeypatch.setattr(probe, "one_fit", noted)
    measured = probe.grid(lambda _: None, kept)
    assert fitted == [(40, 70), (40, 70)]
    assert len(measured["fits"]) == 4

    # What other code measured does not count.
    monkeypatch.setattr(probe, "environment", lambda: {"commit": "another"})
    fitted.clear()
    probe.grid(lambda _: None, kept)
    assert len(fitted) == 4


def test_the_shapes_are_many_and_cover_what_they_should():
    assert len(probe.GRID) == 62
    ends = [(min(sizes), max(sizes)) for sizes in zip(*probe.SHAPES, strict=True)]
    assert ends == [(200, 50_000), (20, 30_000), (2, 100)]


def test_each_part_keeps_the_commit_that_it_was_measured_with(tmp_path, monkeypatch):
    from dcgan_features.benchmarks.records import environment

    for number, part in enumerate(("digits", "gaussian", "digits")):
        monkeypatch.setattr(environment, "commit", lambda number=number: f"commit {number}")
        monkeypatch.setattr(probe, "races", lambda say, features, parts, kept: {parts[0]: {"seconds": 1.0}})
        monkeypatch.setattr(sys, "argv", ["speed.py", "probe", "--part", part, "--results", str(tmp_path)])
        with pytest.raises(SystemExit) as ended:
            run(speed.app)
        assert ended.value.code == 0
    written = json.loads((tmp_path / "speed" / "probe.json").read_text())
    assert written["commits"] == {"digits": "commit 2", "gaussian": "commit 1"}
    assert written["commit"] == "commit 2"


def test_folds_are_raced_at_the_same_choices(monkeypatch):
    monkeypatch.setattr(probe, "FOLDS_SHAPES", ((120, 200, 3), (120, 40, 3)))
    measured = probe.folds(lambda _: None)
    assert [(each["rows"], each["dimensions"]) for each in measured] == [(120, 200), (120, 40)]
    for each in measured:
        assert each["times_faster"] == pytest.approx(each["liblinear_seconds"] / each["seconds"])
        assert each["largest_difference_of_scores"] < 3
