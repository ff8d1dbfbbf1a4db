"""The script for a GPU, tried on the CPU with a small problem, and the solver that it races."""

import os
import subprocess
from pathlib import Path

import pytest
import torch

from dcgan_features.benchmarks.speed import svm_large
from dcgan_features.benchmarks.speed.svm import large_problem, objective
from dcgan_features.data.utils.formats import read_sealed
from dcgan_features.eval import L2SVM

ROOT = Path(__file__).parents[3]


def test_the_script_measures_all_that_is_there_at_equal_objective(tmp_path):
    script = ROOT / "benchmarks" / "studies" / "solver-gpu.sh"
    done = subprocess.run(
        ["bash", str(script), str(tmp_path)],
        env={**os.environ, "TINY": "1", "DEVICE": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    measured = read_sealed(tmp_path / "speed" / "svm-large.json")["measured"]
    for name in ("fit", "path_of_7", "path_of_45", "logistic"):
        assert measured[name]["relative_gap"] <= 1e-4, name
        assert measured[name]["seconds"] > 0
    for name in ("lbfgs", "logistic_of_scikit_learn"):
        assert measured[name]["objective_over_ours"] == pytest.approx(1, abs=2e-3), (name, measured[name])
    for name in ("cuml_linear_svc", "logistic_of_cuml"):
        assert "cuml" in measured[name].get("absent", "cuml") or "cupy" in measured[name]["absent"]


def test_lbfgs_goes_down_to_the_goal_and_no_further():
    X, y = large_problem(300, 40)
    ours = L2SVM(1e-3, tol=1e-6).fit(X, y)
    goal = objective(ours.coef_, ours.intercept_, X, y, 1e-3)
    found = svm_large.lbfgs(X.float(), torch.from_numpy(y), 1e-3, goal, torch.device("cpu"))
    assert 1 - 1e-6 <= found["objective_over_ours"] <= 1 + svm_large.EQUAL
    loose = svm_large.lbfgs(X.float(), torch.from_numpy(y), 1e-3, 2 * goal, torch.device("cpu"))
    assert loose["evaluations"] < found["evaluations"]


def test_what_fails_or_is_absent_is_written_down_and_the_rest_goes_on():
    said: list[str] = []

    def absent():
        raise ImportError("No module named 'cuml'")

    def failing():
        raise RuntimeError("out of memory\nand more")

    assert svm_large._attempt(absent, said.append, "cuML") == {"absent": "No module named 'cuml'"}
    assert svm_large._attempt(failing, said.append, "cuML") == {"failed": "RuntimeError: out of memory"}
    assert len(said) == 2
    seconds = {name: {"seconds": 2.0} for name in svm_large.TARGETS}
    assert [said.split("; ")[1] for said in svm_large.verdicts(seconds)] == [
        "missed with 2.00 s.",
        "met with 2.00 s.",
        "met with 2.00 s.",
    ]
