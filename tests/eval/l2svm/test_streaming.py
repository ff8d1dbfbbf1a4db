"""The solver of few passes against LIBLINEAR, its certificate, and paths that go on after they were ended."""

import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from dcgan_features.data.utils.errors import InputError
from dcgan_features.eval import L2SVM, l2svm_path
from dcgan_features.eval.l2svm import dense, primal
from dcgan_features.eval.l2svm import problem as problems
from dcgan_features.eval.l2svm.streaming import reading, solver

CS = [1e-3, 1e-2, 0.1]


@pytest.fixture(params=["bfloat16", "float32"])
def streamed(request, monkeypatch):
    """Small problems are solved in few passes, their directions in bfloat16 or not, in blocks of a few rows."""
    monkeypatch.setattr(dense.Dense, "fits", staticmethod(lambda rows, dimensions: False))
    monkeypatch.setattr(problems, "STREAMED", 0)
    monkeypatch.setattr(primal, "EXACT_DIMENSIONS", 0)
    monkeypatch.setattr(primal, "WEIGHT_RANK", 12)
    monkeypatch.setattr(primal, "BLOCK_BYTES", 1 << 12)
    monkeypatch.setattr(primal, "_COARSE_ROWS", 32)
    monkeypatch.setattr(primal, "fast_bfloat16", lambda: request.param == "bfloat16")


@pytest.fixture
def exact_solver_is_out_of_reach(monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("the other solver was called")

    monkeypatch.setattr(problems, "minimise", refuse)


def problem(rows=300, dimensions=60, classes=4, seed=0):
    """Correlated features whose larger directions tell the class, in bfloat16."""
    generator = np.random.default_rng(seed)
    latent = generator.normal(size=(rows, 10))
    X = np.maximum(latent @ generator.normal(size=(10, dimensions)) + generator.normal(size=(rows, dimensions)), 0)
    y = (latent[:, :classes] + generator.normal(size=(rows, classes))).argmax(1)
    return torch.from_numpy(X).bfloat16(), y


@pytest.mark.parametrize("C", CS)
@pytest.mark.parametrize("classes", [2, 4])
def test_weights_equal_liblinear(streamed, exact_solver_is_out_of_reach, C, classes):
    X, y = problem(classes=classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs = LinearSVC(C=C, tol=1e-8, max_iter=1_000_000).fit(X.double().numpy(), y)
    ours = L2SVM(C, tol=1e-5).fit(X, y)
    assert ours.n_iter_ > 0
    assert (ours.duality_gap_ <= 1e-5 * ours.objective_).all()
    assert np.allclose(ours.coef_, theirs.coef_, atol=2e-2 * np.abs(theirs.coef_).max())
    assert np.allclose(ours.decision_function(X), theirs.decision_function(X.double().numpy()), atol=2e-2)


def test_weights_of_rows_are_copies_of_rows(streamed):
    X, y = problem()
    weights = np.random.default_rng(1).integers(0, 3, len(y))
    repeated = np.repeat(np.arange(len(y)), weights)
    weighted = L2SVM(0.01, tol=1e-6).fit(X, y, weights)
    copied = L2SVM(0.01, tol=1e-6).fit(X[repeated], y[repeated])
    assert np.allclose(weighted.coef_, copied.coef_, atol=1e-4)


def test_a_step_too_long_is_shortened(streamed, monkeypatch):
    X, y = problem()
    expected = L2SVM(0.1, tol=1e-5).fit(X, y)
    exact = solver._direction

    def overshooting(*args):
        direction, passes = exact(*args)
        return 50 * direction, passes

    monkeypatch.setattr(solver, "_direction", overshooting)
    assert np.allclose(L2SVM(0.1, tol=1e-5).fit(X, y).objective_, expected.objective_, rtol=1e-4)


def test_useless_directions_are_left_to_the_other_solver(streamed, monkeypatch):
    X, y = problem()
    expected = L2SVM(0.1, tol=1e-6).fit(X, y)
    monkeypatch.setattr(solver, "_direction", lambda space, gradient, *rest: (0 * gradient, 1.0))
    found = L2SVM(0.1, tol=1e-6).fit(X, y)
    assert np.allclose(found.objective_, expected.objective_, rtol=1e-5)
    assert (found.duality_gap_ <= 1e-6 * found.objective_).all()


def test_every_block_is_announced_once_before_it_is_read(monkeypatch):
    monkeypatch.setattr(reading, "_LEAST", 0)
    monkeypatch.setattr(reading, "AHEAD", 20 * 4096)
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(reading, "_advise", lambda: lambda start, length, advice: told.append((start, length)))
    features = torch.zeros(100, 1024)  # a row is a page of 4,096 bytes, or a part of one
    blocks = [slice(start, start + 5) for start in range(0, 100, 5)]
    first = features.data_ptr()
    for order in (blocks, blocks[::-1]):
        told.clear()
        for block in reading.Announced(features, order):
            place = first + block.start * 4096
            assert any(start <= place and place + 5 * 4096 <= start + length for start, length in told)
        assert len(told) == len(blocks)


def test_path_goes_on_after_the_last_that_was_finished(streamed, tmp_path, monkeypatch):
    X, y = problem()
    whole = l2svm_path(X, y, CS, tol=1e-5)
    asked = []
    solve = problems.Passes.solve

    def watched(self, C, *args):
        asked.append(C)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return solve(self, C, *args)

    monkeypatch.setattr(problems.Passes, "solve", watched)
    with pytest.raises(KeyboardInterrupt):
        l2svm_path(X, y, CS, tol=1e-5, checkpoint=tmp_path / "path")
    resumed = l2svm_path(X, y, CS, tol=1e-5, checkpoint=tmp_path / "path")
    assert asked == [*CS, CS[2]]
    again = l2svm_path(X, y, CS[::-1], tol=1e-5, checkpoint=tmp_path / "path")
    assert len(asked) == 4
    for one, other, last in zip(whole, resumed, again[::-1], strict=True):
        assert one.C == other.C == last.C
        assert np.allclose(one.coef_, other.coef_, atol=1e-3 * np.abs(one.coef_).max())
        assert np.array_equal(other.coef_, last.coef_)
        assert other.n_features_in_ == X.shape[1]
        assert (other.duality_gap_ <= 1e-5 * other.objective_).all()


KILLED = """
import os, signal, sys
import numpy as np
from dcgan_features.eval import l2svm_path
from dcgan_features.eval.l2svm.streaming import checkpoint
keep = checkpoint.PathCheckpoint.keep
def kept(self, C, solved):
    keep(self, C, solved)
    if len(self.finished) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
checkpoint.PathCheckpoint.keep = kept
rng = np.random.default_rng(0)
l2svm_path(rng.normal(size=(60, 8)), rng.integers(0, 3, 60), [0.01, 0.1, 1.0], checkpoint=sys.argv[1])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no kill -9")
def test_path_goes_on_after_kill_9(tmp_path):
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "path")], env=os.environ, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert sorted(each.name for each in (tmp_path / "path").iterdir()) == [
        "C-0.01.safetensors", "C-0.1.safetensors", "path.json",
    ]  # fmt: skip
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 8)), rng.integers(0, 3, 60)
    resumed = l2svm_path(X, y, [0.01, 0.1, 1.0], checkpoint=tmp_path / "path")
    for each, C in zip(resumed, [0.01, 0.1, 1.0], strict=True):
        assert np.allclose(each.coef_, L2SVM(C).fit(X, y).coef_, atol=1e-3)


def test_checkpoint_of_another_path_or_a_damaged_one_is_refused(tmp_path):
    X, y = problem()
    l2svm_path(X, y, CS, checkpoint=tmp_path)
    order = torch.arange(len(X))
    order[[3, 4]] = order[[4, 3]]
    for other, settings, name in ((X[order], {}, "X"), (X, {"tol": 1e-2}, "tol"), (X, {"fit_intercept": False}, "fit")):
        with pytest.raises(InputError, match=f"belongs to another path \\(its '{name}"):
            l2svm_path(other, y, CS, checkpoint=tmp_path, **settings)
    with pytest.raises(InputError, match="belongs to another path"):
        l2svm_path(X, y[::-1], CS, checkpoint=tmp_path)
    file = tmp_path / "C-0.01.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"\0")
    with pytest.raises(InputError, match="delete the folder to begin the path anew") as caught:
        l2svm_path(X, y, CS, checkpoint=tmp_path)
    assert "\n" not in str(caught.value)
    file.unlink()
    with pytest.raises(InputError, match="is not there or damaged"):
        l2svm_path(X, y, CS, checkpoint=tmp_path)
    file.write_bytes(content)
    (tmp_path / "path.json").write_text((tmp_path / "path.json").read_text().replace('"products"', '"product"'))
    with pytest.raises(InputError, match="delete the folder"):
        l2svm_path(X, y, CS, checkpoint=tmp_path)


def test_progress_says_what_is_solved_and_how_far(streamed, capsys):
    X, y = problem()
    l2svm_path(X, y, CS)
    assert capsys.readouterr().err == ""
    l2svm_path(X, y, CS, verbose=1)
    said = capsys.readouterr().err
    assert "L2-SVM: 3 of 3" in said
    assert "C = 0.1: relative gap" in said


def test_checkpoint_is_for_one_process(tmp_path):
    X, y = problem()
    with pytest.raises(ValueError, match="one process"):
        l2svm_path(X, y, CS, checkpoint=tmp_path, sharded=True)
