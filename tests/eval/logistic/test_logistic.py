"""Logistic regression against scikit-learn's and its own certificate."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from dcgan_features.eval import LogisticProbe, LogisticProbeCV, logistic_path
from dcgan_features.eval.l2svm import primal
from dcgan_features.eval.l2svm.gram import GramSpace
from dcgan_features.eval.logistic import estimator


def problem(rows, dimensions, classes, dtype=np.float64):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(rows, dimensions)) + 0.3
    y = generator.integers(0, classes, rows)
    y[:classes] = np.arange(classes)
    X[np.arange(rows), y % dimensions] += 1.0
    return X.astype(dtype), y


def theirs(X, y, C):
    """scikit-learn's weights (k, d + 1), the intercept regularised as the weight of a constant feature."""
    whole = np.concatenate([X, np.ones((len(X), 1))], 1).astype(np.float64)
    return LogisticRegression(C=C, fit_intercept=False, tol=1e-10, max_iter=10_000).fit(whole, y).coef_


@pytest.mark.parametrize(("rows", "dimensions", "classes"), [(200, 12, 4), (60, 150, 3), (80, 10, 2)])
@pytest.mark.parametrize("C", [0.01, 10.0])
def test_multinomial_weights_equal_scikit_learns(rows, dimensions, classes, C):
    X, y = problem(rows, dimensions, classes)
    ours = LogisticProbe(C, tol=1e-10).fit(X, y)
    expected = theirs(X, y, C)
    np.testing.assert_allclose(ours.coef_, expected[:, :-1], atol=1e-4)
    np.testing.assert_allclose(ours.intercept_, expected[:, -1], atol=1e-4)
    np.testing.assert_allclose(ours.predict_proba(X).sum(1), 1)


@pytest.mark.parametrize("dimensions", [12, 250])
def test_one_against_the_rest_is_a_model_for_each_class(dimensions):
    X, y = problem(150, dimensions, 3)
    ours = LogisticProbe(0.5, multi_class="ovr", tol=1e-10).fit(X, y)
    for place in range(3):
        np.testing.assert_allclose(ours.coef_[place], theirs(X, y == place, 0.5)[0, :-1], atol=1e-4)


@pytest.mark.parametrize("multi_class", ["multinomial", "ovr"])
def test_the_gap_is_a_certificate(multi_class):
    X, y = problem(120, 20, 4)
    exact = LogisticProbe(1.0, multi_class=multi_class, tol=1e-12).fit(X, y)
    loose = LogisticProbe(1.0, multi_class=multi_class, tol=0.1).fit(X, y)
    excess = loose.objective_ - exact.objective_
    assert (excess >= -1e-9).all()
    assert (excess <= loose.duality_gap_ + 1e-9).all()
    assert exact.duality_gap_.max() < 1e-9 * exact.objective_.max()
    if multi_class == "multinomial":
        f = X @ loose.coef_.T + loose.intercept_
        loss = (np.log(np.exp(f).sum(1)) - f[np.arange(len(f)), y]).sum()
        square = (loose.coef_**2).sum() + (loose.intercept_**2).sum()
        assert loose.objective_[0] == pytest.approx(0.5 * square + loss)


def test_a_path_and_folds_equal_single_fits():
    X, y = problem(120, 15, 3)
    for C, fitted in zip((1.0, 0.01), logistic_path(X, y, (1.0, 0.01), tol=1e-10), strict=True):
        assert fitted.C == C
        np.testing.assert_allclose(fitted.coef_, LogisticProbe(C, tol=1e-10).fit(X, y).coef_, atol=1e-5)
    folds = StratifiedKFold(4)
    chosen = LogisticProbeCV((0.01, 1.0), cv=folds, tol=1e-10).fit(X, y)
    for C, score in chosen.scores_.items():
        each = [np.mean(LogisticProbe(C).fit(X[a], y[a]).predict(X[b]) == y[b]) for a, b in folds.split(X, y)]
        assert score == pytest.approx(100 * np.mean(each), abs=1.7)


def test_half_precision_and_weights():
    X, y = problem(200, 30, 3, np.float32)
    half = torch.from_numpy(X).bfloat16()
    settings: dict[str, Any] = {"C": 0.3, "tol": 1e-7}
    ours = LogisticProbe(**settings).fit(half, y).coef_
    np.testing.assert_allclose(ours, LogisticProbe(**settings).fit(half.float(), y).coef_, atol=1e-4)
    counts = np.random.default_rng(1).integers(0, 3, len(y))
    repeated = LogisticProbe(**settings).fit(np.repeat(X, counts, axis=0), np.repeat(y, counts)).coef_
    np.testing.assert_allclose(LogisticProbe(**settings).fit(X, y, counts).coef_, repeated, atol=1e-4)


def test_what_cannot_be_used_and_what_was_not_reached():
    X, y = problem(60, 10, 3)
    with pytest.raises(ValueError, match="multi_class must be"):
        LogisticProbe(multi_class="crammer").fit(X, y)
    with pytest.raises(ValueError, match="that PyTorch knows"):
        LogisticProbe(device="cudda").fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConvergenceWarning, match="duality gap"):
            LogisticProbe(100.0, max_iter=1, tol=1e-12).fit(X, y)


@pytest.mark.parametrize(("rows", "dimensions"), [(300, 700), (700, 300)])
def test_one_fit_of_many_numbers_multiplies_neither_rows_nor_features_out(rows, dimensions, monkeypatch):
    X, y = problem(rows, dimensions, 3)
    X = X.astype(np.float32)
    usual = LogisticProbe(1e-3, tol=1e-7).fit(X, y)
    monkeypatch.setattr(estimator, "_LARGE", 0)
    monkeypatch.setattr(estimator, "_SMALL", 0)
    monkeypatch.setattr(estimator, "EXACT_ROWS", 0)
    monkeypatch.setattr(primal, "SHARED_RANK", 8)
    chosen = estimator._Problem(LogisticProbe(1e-3), X, y, None, [1e-3])
    assert not chosen.exact
    assert not chosen.use_gram
    assert estimator._Problem(LogisticProbe(1e-3), X, y, None, [1e3]).exact  # too far from the identity
    assert estimator._Problem(LogisticProbe(1e-3), X, y, None, [1e-3] * 9).exact  # shared by many fits
    direct = LogisticProbe(1e-3, tol=1e-7).fit(X, y)
    np.testing.assert_allclose(direct.coef_, usual.coef_, atol=5e-5)


@pytest.mark.parametrize("C", [0.1, 1.0])
def test_the_gap_may_grow_before_it_shrinks(C):
    """Many classes of correlated features: the dual bound falls for some steps, which is no end."""
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(100), 6)
    noise = generator.standard_normal((600, 20)), generator.standard_normal((20, 1200))
    X = np.abs(noise[0] @ noise[1] + 0.3 * generator.standard_normal((600, 1200))).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        fitted = LogisticProbe(C).fit(X, y)
    assert fitted.duality_gap_[0] <= 1e-4 * fitted.objective_[0]


def noting(function, calls):
    """The function, which adds what it is called with to a list."""

    def noted(*given):
        calls.append(given)
        return function(*given)

    return noted


@pytest.mark.parametrize("multi_class", ["multinomial", "ovr"])
def test_directions_from_coarse_products_lead_to_the_same_minimum(multi_class, monkeypatch):
    X, y = problem(700, 60, 4, np.float32)
    monkeypatch.setattr("dcgan_features.eval.logistic.estimator._SMALL", 0)
    counted: list[Any] = []
    monkeypatch.setattr(primal.WeightSpace, "coarse_curved", noting(primal.WeightSpace.coarse_curved, counted))
    made = {}
    for fast in (False, True):
        monkeypatch.setattr(primal, "fast_bfloat16", lambda fast=fast: fast)
        made[fast] = LogisticProbeCV((0.01, 1.0), multi_class=multi_class, tol=1e-6).fit(X, y)
        assert bool(counted) == fast
    assert made[True].scores_ == made[False].scores_
    assert (made[True].duality_gap_ <= 1e-6 * made[True].objective_).all()
    np.testing.assert_allclose(made[True].coef_, made[False].coef_, atol=2e-3)


def test_folds_at_one_C_share_their_inverses(monkeypatch):
    X, y = problem(60, 150, 3)
    made: list[Any] = []
    monkeypatch.setattr(GramSpace, "shared_inverse", noting(GramSpace.shared_inverse, made))
    splits = list(StratifiedKFold(5).split(X, y))
    LogisticProbeCV((0.01, 1.0, 100.0), cv=splits[:1]).fit(X, y)
    once = len(made)
    LogisticProbeCV((0.01, 1.0, 100.0), cv=splits).fit(X, y)
    assert len(made) - once <= 2 * once
