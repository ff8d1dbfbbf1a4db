"""The solver against LIBLINEAR, hand computation and its own certificate."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from dcgan_features.eval import L2SVM, L2SVMCV, l2svm_path
from dcgan_features.eval.l2svm import gram, primal, validation
from dcgan_features.eval.l2svm import problem as problems
from dcgan_features.eval.l2svm.dense import prepared
from dcgan_features.eval.l2svm.dense import solver as dense


@pytest.fixture(params=["dense", "passes"])
def solver(request, monkeypatch):
    """Both solvers, whatever the problem's size would choose."""
    if request.param == "passes":
        monkeypatch.setattr(dense.Dense, "fits", staticmethod(lambda rows, dimensions: False))
    return request.param


@pytest.fixture
def by_passes(monkeypatch):
    monkeypatch.setattr(dense.Dense, "fits", staticmethod(lambda rows, dimensions: False))


def problem(rows: int, dimensions: int, classes: int, dtype: Any = np.float64) -> Any:
    """Noise with a duplicate row, a constant column and a column of zeros."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(rows, dimensions)) + 0.3
    X[:, 1], X[:, 2], X[5] = 3.0, 0.0, X[6]
    y = generator.integers(0, classes, rows)
    y[:classes] = np.arange(classes)
    return X.astype(dtype), y


def objective(coef, intercept, X, y, C):
    targets = np.where(y[:, None] == np.unique(y), 1, -1) if len(coef) > 1 else np.where(y == y.max(), 1, -1)[:, None]
    slack = np.maximum(0, 1 - targets * (X.astype(float) @ coef.T + intercept))
    return 0.5 * (coef**2).sum(1) + 0.5 * intercept**2 + C * (slack**2).sum(0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(
    ("rows", "dimensions", "classes"), [(60, 10, 2), (60, 10, 3), (30, 100, 3), (200, 50, 20), (100, 400, 20)]
)
@pytest.mark.parametrize("C", [0.01, 1.0])
def test_weights_equal_liblinear(solver, rows, dimensions, classes, intercept, dtype, C):
    X, y = problem(rows, dimensions, classes, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs = LinearSVC(C=C, tol=1e-8, max_iter=1_000_000, fit_intercept=intercept).fit(X.astype(float), y)
    ours = L2SVM(C, tol=1e-7, fit_intercept=intercept).fit(X, y)
    assert ours.coef_.dtype == dtype
    assert ours.coef_.shape == theirs.coef_.shape
    scale = np.abs(theirs.coef_).max()
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-3 * scale, rtol=0)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-3 * scale, rtol=0)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


def test_two_points_by_hand():
    # 1/2 w^2 + C [(1 - w)^2 + (1 - w)^2] for x = 1, -1 without intercept: w = 4C / (1 + 4C).
    X, y = np.array([[1.0], [-1.0]]), np.array([1, 0])
    assert L2SVM(0.5, fit_intercept=False, tol=1e-12).fit(X, y).coef_[0, 0] == pytest.approx(2 / 3)


@pytest.mark.parametrize("shape", [(40, 90), (200, 12)])
def test_the_gap_is_a_certificate(solver, shape):
    X, y = problem(shape[0], shape[1], 4)
    exact = L2SVM(1.0, tol=1e-12).fit(X, y)
    loose = L2SVM(1.0, tol=0.2).fit(X, y)
    np.testing.assert_allclose(exact.objective_, objective(exact.coef_, exact.intercept_, X, y, 1.0), rtol=1e-9)
    excess = objective(loose.coef_, loose.intercept_, X, y, 1.0) - exact.objective_
    assert (excess >= -1e-9).all()
    assert (excess <= loose.duality_gap_ + 1e-9).all()
    assert (loose.duality_gap_ <= 0.2 * loose.objective_).all()


def test_few_rows_in_weight_space_and_in_gram_space_agree(by_passes, monkeypatch):
    X, y = problem(80, 300, 5)
    gram = L2SVM(0.3, tol=1e-10).fit(X, y)
    monkeypatch.setattr(problems, "GRAM_ROWS", 0)
    weight = L2SVM(0.3, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(gram.coef_, weight.coef_, atol=1e-5)


@pytest.mark.parametrize("patience", [1, 10_000])
def test_both_preconditioners_find_the_minimum(by_passes, monkeypatch, patience):
    monkeypatch.setattr(gram.GramSpace, "patience", float(patience))
    monkeypatch.setattr(primal, "FEATURES_A_STEP", 30 / patience)
    monkeypatch.setattr(gram, "GRAM_RANK", 3)
    monkeypatch.setattr(primal, "WEIGHT_RANK", 3)
    for shape in ((90, 400), (400, 30)):
        X, y = problem(shape[0], shape[1], 4)
        theirs = LinearSVC(C=2.0, tol=1e-8, max_iter=1_000_000).fit(X, y)
        np.testing.assert_allclose(L2SVM(2.0, tol=1e-9).fit(X, y).coef_, theirs.coef_, atol=1e-4)


def test_a_badly_conditioned_problem_is_given_the_exact_inverse(by_passes, monkeypatch):
    monkeypatch.setattr(primal, "WEIGHT_RANK", 3)
    monkeypatch.setattr(primal, "FEATURES_A_STEP", 10)
    generator = np.random.default_rng(0)
    X = generator.normal(size=(300, 100)) * 10 * np.geomspace(1, 0.01, 100)
    y = (X[:, :3] + generator.normal(size=(300, 3))).argmax(1)
    exact = L2SVM(10.0, tol=1e-8).fit(X, y)
    monkeypatch.setattr(primal, "EXACT_DIMENSIONS", 99)
    without = L2SVM(10.0, tol=1e-8).fit(X, y)
    assert exact.n_products_ < without.n_products_ / 4
    np.testing.assert_allclose(exact.coef_, without.coef_, atol=1e-3 * np.abs(exact.coef_).max())


@pytest.mark.parametrize("shape", [(100, 40), (40, 100)])
def test_half_precision_is_solved_as_the_same_numbers_in_single(solver, shape, monkeypatch):
    monkeypatch.setattr(primal, "BLOCK_BYTES", 4096)  # several blocks
    X, y = problem(shape[0], shape[1], 3)
    half = torch.from_numpy(X).bfloat16()
    np.testing.assert_allclose(
        L2SVM(0.1, tol=1e-6).fit(half, y).coef_, L2SVM(0.1, tol=1e-6).fit(half.float(), y).coef_, atol=1e-4
    )


def test_memory_mapped_features_and_labels_of_any_kind(tmp_path):
    X, y = problem(50, 8, 3, np.float32)
    np.save(tmp_path / "x.npy", X)
    names = np.array(["cat", "dog", "emu"])[y]
    mapped = L2SVM(0.1).fit(np.load(tmp_path / "x.npy", mmap_mode="r"), names)
    whole = L2SVM(0.1).fit(X, y)
    np.testing.assert_array_equal(mapped.coef_, whole.coef_)
    np.testing.assert_array_equal(mapped.predict(X), np.array(["cat", "dog", "emu"])[whole.predict(X)])


@pytest.mark.parametrize("shape", [(60, 200), (200, 20)])
def test_a_path_equals_single_fits_in_the_order_given(solver, shape):
    X, y = problem(shape[0], shape[1], 3)
    Cs = (1.0, 0.01, 0.1)
    for C, fitted in zip(Cs, l2svm_path(X, y, Cs, tol=1e-9), strict=True):
        assert fitted.C == C
        np.testing.assert_allclose(fitted.coef_, L2SVM(C, tol=1e-9).fit(X, y).coef_, atol=1e-4)


def test_works_in_a_pipeline():
    X, y = problem(60, 10, 3)
    assert make_pipeline(StandardScaler(), L2SVM(1.0)).fit(X, y).score(X, y) > 0.5


@pytest.mark.parametrize(("C", "scale"), [(100.0, 1.0), (100.0, 10.0), (1e4, 100.0)])
def test_where_float32_has_no_digits_left_float64_goes_on(solver, monkeypatch, C, scale):
    monkeypatch.setattr(dense, "SMALL", 0)  # float32 first, for few rows, too
    monkeypatch.setattr(dense, "SIDE", 0)
    generator = np.random.default_rng(0)
    X = (generator.normal(size=(600, 40)) * scale).astype(np.float32)
    y = (X[:, :3] + 2 * scale * generator.normal(size=(600, 3))).argmax(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        ours, exact = L2SVM(C).fit(X, y), L2SVM(C, tol=1e-8).fit(X.astype(np.float64), y)
    assert ours.coef_.dtype == np.float32
    assert (ours.duality_gap_ <= 1e-4 * ours.objective_).all()
    np.testing.assert_allclose(ours.coef_, exact.coef_, atol=1e-3 * np.abs(exact.coef_).max())
    np.testing.assert_allclose(objective(ours.coef_, ours.intercept_, X, y, C), exact.objective_, rtol=1e-5)


@pytest.mark.parametrize(("mean", "C"), [(10.0, 1.0), (10.0, 10.0), (30.0, 10.0), (100.0, 1.0)])
@pytest.mark.parametrize(("rows", "dimensions"), [(300, 600), (600, 40)])
def test_features_far_from_the_origin_leave_float32_few_digits(solver, monkeypatch, rows, dimensions, mean, C):
    monkeypatch.setattr(problems, "EXACT_ROWS", 0)  # the Gram matrix in float32, too
    monkeypatch.setattr(dense, "SMALL", 0)
    monkeypatch.setattr(dense, "SIDE", 0)
    generator = np.random.default_rng(0)
    X = (generator.normal(size=(rows, dimensions)) + mean).astype(np.float32)
    y = (X[:, :3] + 2 * generator.normal(size=(rows, 3))).argmax(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        ours, exact = L2SVM(C).fit(X, y), L2SVM(C, tol=1e-8).fit(X.astype(np.float64), y)
    np.testing.assert_allclose(ours.objective_, exact.objective_, rtol=1e-4)
    np.testing.assert_allclose(ours.decision_function(X), exact.decision_function(X), atol=0.03)


def test_too_few_steps_are_said(solver):
    X, y = problem(100, 30, 5)
    with pytest.warns(ConvergenceWarning, match="duality gap"):
        L2SVM(10.0, max_iter=1, tol=1e-10).fit(X, y)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"C": 0}, "C must be"),
        ({"C": float("nan")}, "C must be"),
        ({"tol": -1}, "tol must"),
        ({"max_iter": 0}, "max_i"),
    ],
)
def test_unusable_parameters(settings, message):
    X, y = problem(20, 5, 2)
    with pytest.raises(ValueError, match=message):
        L2SVM(**settings).fit(X, y)


def test_unusable_input():
    X, y = problem(20, 5, 2)
    with pytest.raises(ValueError, match="one class only"):
        L2SVM().fit(X, np.zeros(20))
    bad = torch.from_numpy(X).bfloat16()
    bad[3, 1] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        L2SVM().fit(bad, y)
    with pytest.raises(ValueError, match="expecting 5"):
        L2SVM().fit(X, y).predict(torch.zeros(3, 4))
    with pytest.raises(ValueError, match="matrix"):
        L2SVM().fit(torch.zeros(3, 4, dtype=torch.int64), np.arange(3))
    with pytest.raises(ValueError, match="must be \\(20,\\)"):
        L2SVM().fit(torch.from_numpy(X), y[:5])


def test_large_finite_values_are_not_taken_for_infinity():
    X = torch.full((4, 3), 3e38)
    X[:2] *= -1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        validation.check_problem(L2SVM(), X, np.array([0, 0, 1, 1]))


def test_arrays_that_are_seen_at_a_glance_are_checked_as_others_are():
    X, y = problem(60, 10, 3)
    frame: Any = pd.DataFrame(X, columns=[f"f{place}" for place in range(10)])
    once = L2SVM().fit(frame, y)
    assert list(once.feature_names_in_) == list(frame.columns)
    with pytest.warns(UserWarning, match="feature names"):
        once.predict(X)
    again = once.fit(X, y)
    assert not hasattr(again, "feature_names_in_")
    np.testing.assert_array_equal(again.coef_, L2SVM().fit(X.tolist(), y).coef_)
    for bad, said in ((np.inf, "infinity"), (np.nan, "NaN")):
        spoilt = X.copy()
        spoilt[7, 3] = bad
        with pytest.raises(ValueError, match=said):
            L2SVM().fit(spoilt, y)
        with pytest.raises(ValueError, match=said):
            again.predict(spoilt)
    with pytest.raises(ValueError, match="expecting 10 features"):
        again.predict(X[:, :9].copy())
    large = np.full((4, 3), 3e38, np.float32)  # finite, though its sum is not
    assert validation.check_features(L2SVM(), large, reset=True).shape == (4, 3)


@pytest.mark.parametrize("shape", [(150, 900), (600, 250)])
def test_two_classes_of_single_precision_are_solved_in_it(shape, monkeypatch):
    X, y = problem(shape[0], shape[1], 2)
    seen = []
    made = prepared.Prepared._made

    def noted(self, dtype):
        seen.append(dtype)
        return made(self, dtype)

    monkeypatch.setattr(prepared.Prepared, "_made", noted)
    ours = L2SVM(0.01, tol=1e-5).fit(X.astype(np.float32), y)
    assert seen == [np.float32]
    exact = L2SVM(0.01, tol=1e-9).fit(X.astype(np.float32).astype(np.float64), y)
    assert (ours.objective_ <= exact.objective_ * (1 + 1.1e-5)).all()


def test_rows_beyond_the_gram_matrix_pass_for_small_c_and_take_it_for_large(monkeypatch):
    generator = np.random.default_rng(6)
    X = torch.from_numpy((generator.normal(size=(500, 600)) + 1).astype(np.float32))
    y = generator.integers(0, 3, 500)
    usual = {C: L2SVM(C, tol=1e-5).fit(X, y) for C in (1e-5, 1e-2, 1.0)}
    monkeypatch.setattr(prepared, "GRAM_ROWS", 300)
    monkeypatch.setattr(problems, "GRAM_ROWS", 300)
    solve, passed = problems.Passes.solve, []

    def noted(self, C, *rest):
        passed.append(C)
        return solve(self, C, *rest)

    monkeypatch.setattr(problems.Passes, "solve", noted)
    assert not dense.Dense.fits(500, 600)
    for C, expected in usual.items():
        found = L2SVM(C, tol=1e-5).fit(X, y)
        np.testing.assert_allclose(found.objective_, expected.objective_, rtol=2e-5)
        np.testing.assert_allclose(found.coef_, expected.coef_, atol=0.01 * np.abs(expected.coef_).max())
    path = l2svm_path(X, y, list(usual), tol=1e-5)
    for found, expected in zip(path, usual.values(), strict=True):
        np.testing.assert_allclose(found.objective_, expected.objective_, rtol=2e-5)
    assert passed == [1e-5, 1e-2, 1e-5, 1e-2]  # C times the rows' mean squared length is 0.01, 12 and 1,200
    folds = L2SVMCV(list(usual), tol=1e-5).fit(X, y)
    assert set(passed) == {1e-5, 1e-2}
    monkeypatch.setattr(problems, "MANY", 1)
    several = L2SVMCV(list(usual), tol=1e-5).fit(X, y)
    np.testing.assert_allclose(list(several.scores_.values()), list(folds.scores_.values()), atol=0.5)
    monkeypatch.setattr(problems, "LATE_ROWS", 400)
    passed.clear()
    L2SVM(1.0).fit(X, y)
    assert passed == [1.0]
