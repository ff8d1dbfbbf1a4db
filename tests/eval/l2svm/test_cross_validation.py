"""The choice of C against scikit-learn fold by fold."""

import numpy as np
import pytest
import torch
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

from dcgan_features.eval import L2SVM, L2SVMCV

CS = (1e-3, 1e-2, 1e-1, 1.0)


def problem(dimensions, rows=120, classes=4):
    generator = np.random.default_rng(0)
    y = generator.integers(0, classes, rows)
    X = generator.normal(size=(rows, dimensions))
    X[:, :classes] += 1.5 * np.eye(classes)[y]
    return X, y


@pytest.mark.parametrize("dimensions", [15, 300])
@pytest.mark.parametrize("classes", [2, 4])
def test_scores_equal_scikit_learns_folds(dimensions, classes):
    X, y = problem(dimensions, classes=classes)
    fitted = L2SVMCV(CS, seed=3, tol=1e-8).fit(X, y)
    folds = list(StratifiedKFold(5, shuffle=True, random_state=3).split(X, y))
    for C in CS:
        model = LinearSVC(C=C, tol=1e-8, max_iter=1_000_000)
        scores = [(model.fit(X[a], y[a]).predict(X[b]) == y[b]).mean() * 100 for a, b in folds]
        assert fitted.scores_[C] == pytest.approx(np.mean(scores), abs=0.9)  # one row near the border
    best = max(fitted.scores_.values())
    assert min(C for C in CS if fitted.scores_[C] == best) == fitted.C_
    np.testing.assert_allclose(fitted.coef_, L2SVM(fitted.C_, tol=1e-8).fit(X, y).coef_, atol=1e-3)


def test_a_holdout_is_scored_by_a_fit_without_it():
    X, y = problem(30)
    held = np.arange(20, 60)
    rest = np.setdiff1d(np.arange(len(y)), held)
    fitted = L2SVMCV(CS, holdout=held, tol=1e-8).fit(X, y)
    for C in CS:
        model = LinearSVC(C=C, tol=1e-8, max_iter=1_000_000).fit(X[rest], y[rest])
        assert fitted.scores_[C] == pytest.approx((model.predict(X[held]) == y[held]).mean() * 100, abs=2.6)


def test_labels_of_held_out_rows_do_not_reach_the_fits_they_judge():
    X, y = problem(300, classes=2)
    held = np.arange(60)
    other = y.copy()
    other[held] = 1 - other[held]
    scores = L2SVMCV(CS, holdout=held, tol=1e-9).fit(torch.from_numpy(X), y).scores_
    flipped = L2SVMCV(CS, holdout=held, tol=1e-9).fit(torch.from_numpy(X), other).scores_
    assert all(scores[C] + flipped[C] == pytest.approx(100) for C in CS)


@pytest.mark.parametrize(("grid", "beyond"), [((1e-6, 1e-5), (1e-4, 1e-3)), ((100.0, 1000.0), (10.0, 1.0))])
def test_a_grid_is_extended_as_long_as_the_score_rises(grid, beyond):
    X, y = problem(300)
    wide = L2SVMCV((1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1000.0), tol=1e-8).fit(X, y)
    ends = [grid[-1] if grid[-1] < beyond[0] else grid[0]]
    for value in beyond:  # what it comes to by hand: a step more while that is better than the last
        ends.append(value)
        if wide.scores_[value] <= wide.scores_[ends[-2]]:
            break
    fitted = L2SVMCV(grid, extend=(1e-7, 1e4), tol=1e-8).fit(X, y)
    assert set(ends) <= set(fitted.scores_)
    for value in set(fitted.scores_) & set(wide.scores_):
        assert fitted.scores_[value] == pytest.approx(wide.scores_[value], abs=0.9)
    assert fitted.scores_[fitted.C_] == max(fitted.scores_.values())
    assert fitted.C_ not in (min(fitted.scores_), max(fitted.scores_)) or fitted.scores_[fitted.C_] == 100


def test_a_grid_is_left_as_it_is_where_the_best_lies_inside_or_the_bounds_are_reached():
    X, y = problem(300)
    wide = [10.0**exponent for exponent in range(-9, 4)]
    plain = L2SVMCV(wide, tol=1e-8).fit(X, y)
    assert wide[0] < plain.C_ < wide[-1]
    assert set(L2SVMCV(wide, extend=(1e-12, 1e9), tol=1e-8).fit(X, y).scores_) == set(wide)
    low = (1e-7, 1e-6)
    assert set(L2SVMCV(low, extend=(1e-7, 1e-6), tol=1e-8).fit(X, y).scores_) == set(low)
    assert set(L2SVMCV((1e-6,), extend=(1e-9, 1e9), tol=1e-8).fit(X, y).scores_) == {1e-6}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"extend": (0.0, 1.0)}, "both above 0"),
        ({"Cs": ()}, "empty"),
        ({"Cs": (0.1, -1)}, "each of Cs"),
        ({"n_splits": 60}, "n_splits"),
        ({"holdout": [0, 0]}, "different"),
        ({"holdout": [500]}, "row 500"),
    ],
)
def test_unusable_parameters(settings, message):
    X, y = problem(10)
    with pytest.raises(ValueError, match=message):
        L2SVMCV(**settings).fit(X, y)


def test_a_class_held_out_whole_is_refused():
    X, y = problem(10)
    with pytest.raises(ValueError, match="every row of class"):
        L2SVMCV(holdout=np.flatnonzero(y == 2)).fit(X, y)
