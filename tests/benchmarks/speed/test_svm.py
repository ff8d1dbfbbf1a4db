"""The measurements of the solver, on problems that take no time."""

import numpy as np
import pytest
import torch

from dcgan_features.benchmarks.speed import svm as speed_svm
from dcgan_features.eval import L2SVM


def test_rows_of_the_large_problem_do_not_depend_on_how_many_are_made():
    few, labels = speed_svm.large_problem(30, 40)
    more, more_labels = speed_svm.large_problem(70, 40)
    assert torch.equal(few, more[:30])
    assert (labels == more_labels[:30]).all()
    assert len(set(labels)) > 5


def test_the_objective_is_that_of_the_solver():
    X, y = speed_svm.large_problem(80, 20)
    fitted = L2SVM(0.1, tol=1e-5).fit(X, y)
    assert speed_svm.objective(fitted.coef_, fitted.intercept_, X, y, 0.1) == pytest.approx(
        fitted.objective_.sum(), rel=1e-4
    )


def test_growth_is_the_last_time_over_the_first_per_row(monkeypatch):
    monkeypatch.setattr(speed_svm, "LARGE_DIMENSIONS", 48)
    said: list[str] = []
    measured = speed_svm.over_rows(said.append, rows=(60, 180))
    first, last = (fit["seconds"] for fit in measured["fits"])
    assert measured["over_linear"] == pytest.approx(last / first / 3)
    assert [fit["rows"] for fit in measured["fits"]] == [60, 180]
    assert all(fit["relative_gap"] <= 1e-4 for fit in measured["fits"])
    assert measured["gflops_of_the_last"] == pytest.approx(
        measured["fits"][-1]["products"] * 4 * 180 * 48 * 10 / last / 1e9
    )
    assert np.isfinite(measured["float32_product_gflops"])
    assert np.isfinite(measured["bfloat16_product_gflops"])
    assert measured["device"] == "cpu, 1 threads"
    assert len(said) == 2


def test_both_solvers_are_timed_on_one_problem(monkeypatch):
    X, y = speed_svm.large_problem(60, 40)
    monkeypatch.setattr(speed_svm, "stand_in_features", lambda rows: (X, y))
    monkeypatch.setattr(speed_svm, "PATH", (0.01, 0.1))
    measured = speed_svm.against_liblinear(lambda _: None)
    assert [fit["C"] for fit in measured["liblinear"]] == [0.01, 0.1]
    assert measured["fit_objective_over_liblinear"] == pytest.approx(1, rel=1e-3)
    for fit in measured["liblinear"]:
        assert fit["path_objective_over_liblinear"] == pytest.approx(1, rel=1e-3)
    seconds = [fit["seconds"] for fit in measured["liblinear"]]
    assert measured["fit_times_faster"] == pytest.approx(seconds[0] / measured["fit_seconds"])
    assert measured["path_times_faster"] == pytest.approx(sum(seconds) / measured["path_seconds"])
    assert min(measured["float32_product_gflops"], measured["bfloat16_product_gflops"]) > 0


def test_the_solver_is_timed_on_the_device_that_is_named(monkeypatch):
    seen = []

    def noted(C, *, device):
        seen.append(device)
        return L2SVM(C)

    monkeypatch.setattr(speed_svm, "LARGE_DIMENSIONS", 48)
    monkeypatch.setattr(speed_svm, "L2SVM", noted)
    speed_svm.over_rows(lambda _: None, torch.device("cpu"), rows=(60, 120))
    assert seen == ["cpu", "cpu"]


def test_the_target_is_one_for_a_gpu():
    measured = {"fits": [{"rows": 6_250, "seconds": 9.0}, {"rows": 50_000, "seconds": 4.9}]}
    assert speed_svm.verdict(measured, torch.device("cpu")) == ""
    said = "Target for 50,000 rows on a GPU: under 5 s; {}."
    assert speed_svm.verdict(measured, torch.device("cuda")) == said.format("met")
    measured["fits"][1]["seconds"] = 5.0
    assert speed_svm.verdict(measured, torch.device("cuda")) == said.format("missed")
