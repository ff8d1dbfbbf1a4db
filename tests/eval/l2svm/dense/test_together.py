"""Small problems, whose columns are taken side by side, against one column at a time and LIBLINEAR."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.svm import LinearSVC

from dcgan_features.eval import L2SVM, l2svm_path
from dcgan_features.eval.l2svm.dense import together
from dcgan_features.eval.l2svm.dense.solver import Dense
from dcgan_features.eval.l2svm.dense.systems import WeightSystem
from dcgan_features.eval.l2svm.dense.together import side_by_side


def problem(rows=150, dimensions=12, classes=4):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(rows, dimensions)) + 0.5
    y = (X @ rng.normal(size=(dimensions, classes)) + rng.normal(size=(rows, classes))).argmax(1)
    return X, np.where(y == np.arange(classes)[:, None], 1.0, -1.0)


def system_of(X):
    lengths = (X**2).sum(1)
    return WeightSystem(X, float(lengths.sum()), float(lengths.max()))


@pytest.mark.parametrize("C", [1e-3, 1e-1, 10.0])
def test_what_is_done_side_by_side_is_the_minimum_without_the_rows_left_out(C):
    X, t = problem()
    t[0, :30] = 0
    side = side_by_side(system_of(X), t, C, 1e-8, 60, None)
    assert side.done.any()
    for column in np.flatnonzero(side.done):
        kept = t[column] != 0
        theirs = LinearSVC(C=C, fit_intercept=False, dual=False, tol=1e-10, max_iter=100_000)
        theirs.fit(X[kept], t[column, kept])
        np.testing.assert_allclose(side.w[column], theirs.coef_[0], atol=1e-4)
        slack = np.maximum(1 - t[column, kept] * (X[kept] @ side.w[column]), 0)
        assert side.objective[column] == pytest.approx(0.5 * (side.w[column] ** 2).sum() + C * (slack**2).sum())
        assert abs(side.objective[column] - side.dual[column]) <= 1e-8 * side.objective[column]
        np.testing.assert_allclose(side.f[column], X @ side.w[column])


def test_steps_are_counted_and_end_where_they_may_not_go_on():
    X, t = problem()
    side = side_by_side(system_of(X), t, 10.0, 1e-12, 2, None)
    assert (side.steps <= 2).all()
    assert not side.done.any()


@pytest.mark.parametrize("C", [1e-2, 1.0])
def test_columns_that_unit_steps_do_not_solve_are_solved(C, monkeypatch):
    X, y = load_digits(return_X_y=True)
    X, y = X[:600], y[:600]
    usual = L2SVM(C, tol=1e-7).fit(X, y)
    monkeypatch.setattr(together, "_PATIENCE", 1)  # all are left to others soon
    impatient = L2SVM(C, tol=1e-7).fit(X, y)
    np.testing.assert_allclose(impatient.objective_, usual.objective_, rtol=1e-6)
    monkeypatch.setattr(Dense, "_beside", lambda *_: False)
    alone = L2SVM(C, tol=1e-7).fit(X, y)
    np.testing.assert_allclose(usual.objective_, alone.objective_, rtol=1e-6)
    np.testing.assert_allclose(usual.coef_, alone.coef_, atol=1e-3)


def test_more_columns_than_are_taken_at_a_time(monkeypatch):
    X, t = problem(classes=5)
    y = t.argmax(0)
    whole = l2svm_path(X, y, [0.1, 1.0], tol=1e-8)
    monkeypatch.setattr(together, "COLUMNS", 2)
    parts = l2svm_path(X, y, [0.1, 1.0], tol=1e-8)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-6)


def test_probabilities_come_through_calibration():
    X, t = problem(rows=240)
    y = np.array(["a", "b", "c", "d"])[t.argmax(0)]
    probabilities = CalibratedClassifierCV(L2SVM(0.1), cv=3).fit(X, y).predict_proba(X)
    theirs = CalibratedClassifierCV(LinearSVC(C=0.1, dual=False, tol=1e-8), cv=3).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    np.testing.assert_allclose(probabilities, theirs, atol=0.02)
