"""What is said of a classifier, against other ways to compute it."""

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from sklearn.base import BaseEstimator, ClassifierMixin

from dcgan_features.eval import L2SVM, evaluate, wilson_interval


class Recorder(ClassifierMixin, BaseEstimator):
    """Keeps what it is fitted to, on the class; predicts the first label."""

    seen: list = []  # noqa: RUF012, shared on purpose: evaluate clones

    def fit(self, X, y):
        self.seen.append((np.array(X), np.array(y)))
        self.first_ = y[0]
        return self

    def predict(self, X):
        return np.full(len(X), self.first_)


def test_fits_see_the_drawn_rows_and_nothing_else():
    Recorder.seen.clear()
    X, y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 0, 1, 0, 1])
    X_test, y_test = -np.ones((4, 2)), np.array([0, 0, 0, 1])
    draws = [np.array([0, 3]), np.array([1, 2])]
    result = evaluate(Recorder(), X, y, X_test, y_test, draws)
    assert result.scores == (75.0, 25.0)
    for (seen_X, seen_y), draw in zip(Recorder.seen, draws, strict=True):
        np.testing.assert_array_equal(seen_X, X[draw])
        np.testing.assert_array_equal(seen_y, y[draw])
    assert result.mean == 50.0
    assert result.sd == pytest.approx(np.std([75, 25], ddof=1))


def test_test_labels_change_the_scores_and_nothing_else():
    generator = np.random.default_rng(0)
    X, y, X_test = generator.normal(size=(60, 5)), generator.integers(0, 3, 60), generator.normal(size=(30, 5))
    truth = generator.integers(0, 3, 30)
    one = evaluate(L2SVM(), X, y, X_test, truth)
    two = evaluate(L2SVM(), X, y, X_test, (truth + 1) % 3)
    np.testing.assert_array_equal(one.predictions[0], two.predictions[0])
    assert one.scores != two.scores
    assert one.sd is None


def test_torch_features_are_indexed_by_draw():
    X, y = torch.eye(4).bfloat16(), np.array([0, 1, 0, 1])
    result = evaluate(L2SVM(100.0), X, y, X, y, [np.arange(4), np.array([0, 1])])
    assert result.scores[0] == 100.0


@pytest.mark.parametrize(("right", "size"), [(828, 1000), (0, 50), (50, 50), (7, 31)])
def test_interval_equals_scipys(right, size):
    low, high = wilson_interval(100 * right / size, size)
    theirs = binomtest(right, size).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((100 * theirs.low, 100 * theirs.high), abs=1e-9)


def test_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="3 training rows with 2 labels"):
        evaluate(L2SVM(), np.zeros((3, 2)), np.zeros(2), np.zeros((1, 2)), np.zeros(1))
