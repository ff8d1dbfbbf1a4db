"""The perceptron against scikit-learn's logistic regression and what only hidden units can learn."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from torch import nn

from dcgan_features.eval.neural.perceptron import Perceptron


def test_without_hidden_layers_it_is_logistic_regression():
    random = np.random.default_rng(0)
    y = np.arange(60) % 3
    X = (random.normal(0, 1, (60, 4)) + np.eye(3, 4)[y]).astype(np.float32)
    decay = 0.05
    ours = Perceptron((), weight_decay=decay, epochs=600, batch_size=60, learning_rate=0.05, decay_from=0.5).fit(X, y)
    constant = np.column_stack([X, np.ones(60)])  # so that the intercept is penalised too
    theirs = LogisticRegression(C=1 / (60 * decay), fit_intercept=False, tol=1e-8, max_iter=1000).fit(constant, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(constant), atol=2e-4)


def test_hidden_units_learn_what_a_linear_classifier_cannot():
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 5, np.float32)
    y = np.array(["even", "odd", "odd", "even"] * 5)
    settings: dict[str, Any] = {"dropout": 0.0, "epochs": 150, "batch_size": 20, "learning_rate": 0.02}
    assert Perceptron((16,), **settings).fit(X, y).score(X, y) == 1.0
    assert Perceptron((), **settings).fit(X, y).score(X, y) < 1.0


def test_dropout_is_for_training_only():
    random = np.random.default_rng(0)
    X, y = random.normal(size=(30, 6)).astype(np.float32), np.arange(30) % 2
    settings: dict[str, Any] = {"epochs": 2, "batch_size": 10}
    whole: Any = Perceptron((8, 4), dropout=0.0, **settings).fit(X, y)
    hidden = Perceptron((8, 4), dropout=0.5, **settings).fit(X, y)
    inputs = Perceptron((8, 4), dropout=0.0, input_dropout=0.5, **settings).fit(X, y)
    for fitted in (hidden, inputs):
        np.testing.assert_array_equal(fitted.predict_proba(X), fitted.predict_proba(X))
        assert np.abs(fitted.predict_proba(X) - whole.predict_proba(X)).max() > 1e-4
    sizes = [tuple(layer.weight.shape) for layer in whole.network_ if isinstance(layer, nn.Linear)]
    assert sizes == [(8, 6), (4, 8), (2, 4)]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hidden": (8, 0)}, "hidden"),
        ({"dropout": 1.5}, "dropout must be a number from 0 to 1"),
        ({"input_dropout": -0.1}, "input_dropout"),
        ({"weight_decay": -1}, "weight_decay must be a number from 0 on"),
    ],
)
def test_unusable_parameters_are_named(settings, words):
    with pytest.raises(ValueError, match=words):
        Perceptron(**settings).fit(np.eye(4), np.arange(4))
