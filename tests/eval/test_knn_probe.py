import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from dcgan_features.eval.calibration import calibration_error
from dcgan_features.eval.knn_probe import KNNProbe


@pytest.fixture
def points():
    random = np.random.default_rng(0)
    centres = random.normal(size=(3, 6))
    y = np.arange(90) % 3
    return (centres[y] + random.normal(size=(90, 6))).astype(np.float32), np.array(["a", "b", "c"])[y]


def test_weighted_votes_are_those_of_the_formula(points):
    X, y = points
    train, test = X[:60], X[60:]
    probe = KNNProbe(7, temperature=0.1).fit(train, y[:60])
    unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)  # noqa: E731
    similar = unit(test.astype(np.float64)) @ unit(train.astype(np.float64)).T
    for row, shares in zip(similar, probe.predict_proba(test), strict=True):
        near = np.argsort(-row)[:7]
        votes = np.array([np.exp(row[near] / 0.1)[y[near] == label].sum() for label in "abc"])
        np.testing.assert_allclose(shares, votes / votes.sum(), rtol=1e-4)


def test_plain_votes_are_scikit_learns(points):
    X, y = points
    ours = KNNProbe(5, metric="euclidean").fit(X[:60], y[:60])
    theirs = KNeighborsClassifier(5).fit(X[:60], y[:60])
    np.testing.assert_allclose(ours.predict_proba(X[60:]), theirs.predict_proba(X[60:]))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_k_is_chosen_without_the_point_itself(points, metric):
    X, y = points
    doubled, labels = np.concatenate([X, X[:1]]), np.concatenate([y, y[:1]])
    probe = KNNProbe([1, 9, 40], metric=metric).fit(doubled, labels)
    expected = {}
    for k in (1, 9, 40):
        right = 0
        for left in range(len(doubled)):
            others = np.arange(len(doubled)) != left
            fitted = KNNProbe(k, metric=metric).fit(doubled[others], labels[others])
            right += fitted.predict(doubled[left : left + 1])[0] == labels[left]
        expected[k] = 100 * right / len(doubled)
    assert probe.scores_ == pytest.approx(expected, abs=2.3)  # ties of the doubled point may fall either way
    assert probe.k_ == max(probe.scores_, key=lambda k: (probe.scores_[k], -k))


def test_bfloat16_and_rows_of_zeros_are_taken(points):
    X, y = points
    X[3] = 0
    half = torch.from_numpy(X).bfloat16()
    shares = KNNProbe(3).fit(half, y).predict_proba(half)
    assert np.isfinite(shares).all()
    assert (KNNProbe(1).fit(half, y).predict(half)[10:] == y[10:]).mean() > 0.95


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"k": 0}, "whole number"), ({"k": 91}, "from 1 to 90"), ({"k": []}, "empty"), ({"k": [1, 90]}, "from 1 to 89"),
     ({"metric": "l1"}, "not one of"), ({"temperature": 0}, "temperature")],
)  # fmt: skip
def test_wrong_parameters_are_refused(points, settings, words):
    with pytest.raises(ValueError, match=words):
        KNNProbe(**settings).fit(*points)


def test_calibration_error_by_hand():
    truth, classes = np.array([0, 1, 1, 0]), np.array([0, 1])
    shares = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    # Bins of 1/15: 0.9 holds a right and a wrong one, 0.8 a right one, 0.7 a right one.
    expected = 100 * (abs(0.5 - 0.9) * 2 + abs(1 - 0.8) + abs(1 - 0.7)) / 4
    assert calibration_error(truth, classes, shares) == pytest.approx(expected)
    assert calibration_error(truth, classes, np.eye(2)[truth]) == 0
    with pytest.raises(ValueError, match="shape"):
        calibration_error(truth, classes, shares[:2])
