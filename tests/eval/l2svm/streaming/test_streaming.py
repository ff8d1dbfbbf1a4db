"""The solver of many rows and features, made to take small problems: against LIBLINEAR, dense products and itself."""

import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.svm import LinearSVC

from dcgan_features.data.utils.errors import InputError
from dcgan_features.eval import L2SVM, L2SVMCV, l2svm_path
from dcgan_features.eval.l2svm import primal
from dcgan_features.eval.l2svm import problem as problems
from dcgan_features.eval.l2svm.dense.solver import Dense
from dcgan_features.eval.l2svm.newton import Preconditioner
from dcgan_features.eval.l2svm.primal import WeightSpace
from dcgan_features.eval.l2svm.streaming import checkpoint, reading, solver

ROWS, DIMENSIONS, RANK = 300, 80, 12
CS = (1e-3, 1e-2, 1e-1)


@pytest.fixture(autouse=True)
def streamed(monkeypatch):
    """Every problem of more features than the leading directions is streamed, in several blocks."""
    monkeypatch.setattr(Dense, "fits", staticmethod(lambda rows, dimensions: dimensions <= RANK))
    monkeypatch.setattr(problems, "STREAMED", RANK)
    monkeypatch.setattr(primal, "WEIGHT_RANK", RANK)
    monkeypatch.setattr(primal, "_COARSE_ROWS", 64)
    monkeypatch.setattr(primal, "BLOCK_BYTES", 48 * DIMENSIONS * 4)


@pytest.fixture(params=[True, False], ids=["bfloat16", "exact"])
def coarse(request, monkeypatch):
    monkeypatch.setattr(primal, "fast_bfloat16", lambda: request.param)
    return request.param


def problem(classes=3, dtype=torch.bfloat16):
    """Rectified features with a common mean, of which the labels are noisy functions."""
    generator = np.random.default_rng(0)
    X = np.maximum(generator.normal(size=(ROWS, DIMENSIONS)) + 0.5, 0)
    scores = X[:, :classes] + 0.3 * generator.normal(size=(ROWS, classes))
    return torch.from_numpy(X).to(dtype), scores.argmax(1)


def objective(fitted, X, y, C):
    t = np.where(y[:, None] == fitted.classes_, 1, -1) if len(fitted.coef_) > 1 else np.where(y, 1, -1)[:, None]
    slack = np.maximum(0, 1 - t * (X.double().numpy() @ fitted.coef_.T.astype(float) + fitted.intercept_))
    return 0.5 * (fitted.coef_.astype(float) ** 2).sum(1) + 0.5 * fitted.intercept_**2 + C * (slack**2).sum(0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("C", [1e-3, 1e-1, 10.0])
def test_the_objective_is_liblinears_and_certified(coarse, dtype, classes, C):
    X, y = problem(classes, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = LinearSVC(C=C, tol=1e-9, max_iter=1_000_000, dual=True).fit(X.double().numpy(), y)
    ours = L2SVM(C).fit(X, y)
    reached, least = objective(ours, X, y, C), objective(theirs, X, y, C)
    np.testing.assert_allclose(ours.objective_, reached, rtol=1e-5)
    assert (reached <= least * (1 + 1e-4)).all()
    assert (ours.objective_ - ours.duality_gap_ <= least * (1 + 1e-6)).all()
    assert (ours.duality_gap_ <= 1e-4 * ours.objective_).all()


def test_what_it_cannot_reach_another_solver_does(coarse):
    X, y = problem()
    fine = L2SVM(0.1, tol=1e-9).fit(X, y)
    assert (fine.duality_gap_ <= 1e-9 * fine.objective_).all()
    np.testing.assert_allclose(L2SVM(0.1).fit(X, y).coef_, fine.coef_, atol=0.02 * np.abs(fine.coef_).max())


def test_a_step_too_long_is_shortened(coarse, monkeypatch):
    X, y = problem()
    expected = L2SVM(0.1, tol=1e-5).fit(X, y)
    found = solver._direction

    def overshooting(*arguments):
        direction, passes = found(*arguments)
        return 50 * direction, passes

    monkeypatch.setattr(solver, "_direction", overshooting)
    np.testing.assert_allclose(L2SVM(0.1, tol=1e-5).fit(X, y).objective_, expected.objective_, rtol=1e-4)


def test_directions_that_lead_nowhere_are_left_to_the_other_solver(coarse, monkeypatch):
    X, y = problem()
    monkeypatch.setattr(solver, "_direction", lambda space, gradient, *others: (0 * gradient, 1.0))
    found = L2SVM(0.1, tol=1e-6).fit(X, y)
    assert (found.duality_gap_ <= 1e-6 * found.objective_).all()


def test_weights_of_rows_count_as_copies(coarse):
    X, y = problem()
    counts = np.random.default_rng(1).integers(0, 3, ROWS)
    weighted = L2SVM(0.01, tol=1e-6).fit(X, y, sample_weight=counts)
    repeated = L2SVM(0.01, tol=1e-6).fit(X.repeat_interleave(torch.from_numpy(counts), 0), np.repeat(y, counts))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=2e-3 * np.abs(repeated.coef_).max())


def test_it_begins_with_the_minimum_in_the_leading_directions():
    X, y = problem()
    space, preconditioner = WeightSpace(X, True, torch.float32, X.device), Preconditioner()
    t = torch.from_numpy(np.where(y[:, None] == np.arange(3), 1.0, -1.0)).float()
    w = solver.begin(space, preconditioner, t, torch.ones_like(t), 0.01)
    basis = preconditioner.leading(space).vectors
    torch.testing.assert_close(basis @ (basis.T @ w), w, rtol=1e-3, atol=1e-5)
    whole = torch.cat([X.float(), torch.ones(ROWS, 1)], 1)

    def gradient(w):
        return basis.T @ (w - 0.02 * whole.T @ ((1 - t * (whole @ w)).clamp_min(0) * t))

    assert float(gradient(w).norm()) < 0.02 * float(gradient(torch.zeros_like(w)).norm())


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("intercept", [True, False])
def test_coarse_products_are_the_hessians_but_for_rounding(share, intercept):
    X = problem()[0]
    generator = torch.Generator().manual_seed(0)
    space = WeightSpace(X, intercept, torch.float32, X.device)
    vector = torch.randn(DIMENSIONS + 1, 3, generator=generator)
    weights = torch.rand(ROWS, 3, generator=generator) * (torch.rand(ROWS, 1, generator=generator) < share)
    made, exact = space.coarse_hessian(vector, weights), space.hessian(vector, weights)[1]
    assert float((made - exact).norm()) <= 5e-3 * float(exact.norm())


def test_every_second_pass_goes_backwards_and_the_system_is_told_ahead(monkeypatch):
    X = problem(dtype=torch.float32)[0]
    told, row = [], DIMENSIONS * 4
    monkeypatch.setattr(reading, "_LEAST", 0)
    monkeypatch.setattr(reading, "AHEAD", 100 * row)
    monkeypatch.setattr(reading, "_advise", lambda: lambda start, size, advice: told.append((start, start + size)))
    space = WeightSpace(X, True, torch.float32, X.device)
    space.alternates = True
    blocks = [slice(start, min(start + 48, ROWS)) for start in range(0, ROWS, 48)]
    seen = []
    for _ in range(2):
        for own in space._in_threads(blocks, list):
            for block in own:
                seen.append(block.start)
    assert sorted(seen[:7]) == sorted(seen[7:]) == [block.start for block in blocks]
    assert seen[0] == 0
    assert seen[7] == 288
    for block in blocks:  # all of it was told, by addresses of whole pages
        first, last = X.data_ptr() + block.start * row, X.data_ptr() + block.stop * row
        assert any(start <= first and stop == last for start, stop in told)
    ahead = iter(reading.Announced(X, blocks))
    told.clear()
    next(ahead)
    assert len(told) == 3  # the first, and those that begin within 100 rows


class Ended(Exception):
    """What ends a path in its middle."""


def solves(monkeypatch, most):
    """The C that are solved from here on; an error instead of more than so many."""
    done: list[float] = []
    solve = problems.Passes.solve

    def counted(self, C, *arguments):
        if len(done) == most:
            raise Ended
        done.append(C)
        return solve(self, C, *arguments)

    monkeypatch.setattr(problems.Passes, "solve", counted)
    return done


def test_an_interrupted_path_goes_on_at_the_last_finished_C(tmp_path, monkeypatch):
    X, y = problem()
    whole = l2svm_path(X, y, CS)
    with monkeypatch.context() as patch:
        solves(patch, 2)
        with pytest.raises(Ended):
            l2svm_path(X, y, CS, checkpoint=tmp_path / "path")
    done = solves(monkeypatch, 5)
    path = l2svm_path(X, y, CS[::-1], checkpoint=tmp_path / "path")
    assert done == [CS[2]]
    for ours, theirs in zip(path[::-1], whole, strict=True):
        assert ours.C == theirs.C
        np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-2 * np.abs(theirs.coef_).max())
        np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-2 * np.abs(theirs.coef_).max())
        np.testing.assert_allclose(objective(theirs, X, y, theirs.C), theirs.objective_, rtol=1e-5)
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
        assert ours.n_features_in_ == DIMENSIONS
    l2svm_path(X, y, (*CS, 0.05), checkpoint=tmp_path / "path")
    assert done == [CS[2], 0.05]


def test_a_path_killed_goes_on(tmp_path):
    np.savez(tmp_path / "problem.npz", X=problem(dtype=torch.float32)[0].numpy(), y=problem()[1])
    code = f"""
        import os, numpy as np
        from dcgan_features.eval import l2svm_path
        from dcgan_features.eval.l2svm import problem
        from dcgan_features.eval.l2svm.dense.solver import Dense
        from dcgan_features.eval.l2svm.streaming.checkpoint import PathCheckpoint
        Dense.fits, problem.STREAMED, problem.GRAM_ROWS = staticmethod(lambda rows, dimensions: False), 0, 0
        keep = PathCheckpoint.keep
        def killing(self, C, solved):
            keep(self, C, solved)
            print(C, flush=True)
            if C == {CS[1]} and not os.path.exists({str(tmp_path / "second")!r}):
                os.kill(os.getpid(), 9)
        PathCheckpoint.keep = killing
        data = np.load({str(tmp_path / "problem.npz")!r})
        l2svm_path(data["X"], data["y"], {CS}, checkpoint={str(tmp_path / "path")!r})
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    first = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (first.returncode, first.stdout.split()) == (-9, ["0.001", "0.01"]), first.stderr
    (tmp_path / "second").touch()
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert second.stdout.split() == ["0.1"]


def test_folders_of_another_path_or_damaged_are_refused_in_a_sentence(tmp_path, monkeypatch):
    X, y = problem()
    folder = tmp_path / "path"
    l2svm_path(X, y, CS[:2], checkpoint=folder)
    other = X.clone()
    other[7, 7] += 1
    for what, arguments, options in (
        ("'y'", (X, np.roll(y, 1)), {}),
        ("'X'", (other, y), {}),
        ("'tol'", (X, y), {"tol": 1e-3}),
        ("'weights'", (X, y), {"class_weight": "balanced"}),
        ("'dtype'", (X.float(), y), {}),
    ):
        with pytest.raises(InputError, match=f"belongs to another path .*{what} is another"):
            l2svm_path(*arguments, CS[:2], checkpoint=folder, **options)
    with pytest.raises(ValueError, match="checkpoint is for one process"):
        l2svm_path(X, y, CS, checkpoint=folder, sharded=True)
    file = folder / "C-0.01.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(InputError, match=r"C-0.01.safetensors is not there or damaged; delete the folder"):
        l2svm_path(X, y, CS, checkpoint=folder)
    file.unlink()
    with pytest.raises(InputError, match="is not there or damaged"):
        l2svm_path(X, y, CS, checkpoint=folder)
    file.write_bytes(whole)
    listing = folder / "path.json"
    listing.write_text(listing.read_text().replace('"converged": true', '"converged": false'))
    with pytest.raises(InputError, match=r"path.json is damaged"):
        l2svm_path(X, y, CS, checkpoint=folder)


def test_the_description_sees_every_number_of_X():
    X = problem(dtype=torch.float32)[0]
    seen = checkpoint._features_digest(X)
    changed = X.clone()
    changed[ROWS // 2, -1] += 1e-3
    assert checkpoint._features_digest(changed) != seen
    assert checkpoint._features_digest(X.clone()) == seen


def test_progress_is_shown_where_it_is_asked_for(capsys):
    X, y = problem()
    L2SVM(0.01).fit(X, y)
    assert capsys.readouterr().err == ""
    L2SVM(0.01, verbose=1).fit(X, y)
    assert "L2-SVM: 1 of 1 after" in capsys.readouterr().err
    l2svm_path(X, y, CS, verbose=1)
    said = capsys.readouterr().err
    assert "L2-SVM: 3 of 3 after" in said
    assert "relative gap" in said


def test_choosing_c_tells_how_far_each_fit_has_come():
    X, y = problem()
    told = []
    chosen = L2SVMCV(CS, holdout=np.arange(0, ROWS, 5), progress=lambda *report: told.append(report)).fit(X, y)
    stages = list(dict.fromkeys(stage for stage, _, _ in told))
    assert stages == [*(f"held out, C = {C:g}" for C in sorted(CS)), f"all rows, C = {chosen.C_:g}"]
    for stage in stages:
        percent = [done for which, done, total in told if which == stage and total == 100]
        assert percent == sorted(set(percent))
        assert percent[-1] == 100
        assert len(percent) > 1
    assert clone(chosen).get_params()["progress"] is not None


def test_features_mapped_from_a_file_are_not_copied(tmp_path):
    X, y = problem()
    (tmp_path / "features.bin").write_bytes(X.view(torch.int16).numpy().tobytes())
    mapped = torch.from_file(str(tmp_path / "features.bin"), shared=False, size=X.numel(), dtype=X.dtype).view(X.shape)
    np.testing.assert_array_equal(L2SVM(0.01).fit(mapped, y).coef_, L2SVM(0.01).fit(X, y).coef_)
