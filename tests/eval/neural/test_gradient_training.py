"""What all classifiers trained by gradients share: which rows a minibatch holds, validation, rates, seeds, messages."""

from collections import Counter
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from dcgan_features.eval.neural.gradient_training import GradientClassifier


class Linear(GradientClassifier):
    """Multinomial logistic regression that keeps the rows of each minibatch and the learning rate it used."""

    def __init__(
        self, epochs=3, batch_size=8, learning_rate=0.1, *, labelled_batch_size=3, decay_from=1.0, validate_every=1,
        patience=None, precision="fp32", random_state=0, progress=None,
    ):  # fmt: skip
        super().__init__(
            epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, labelled_batch_size=labelled_batch_size,
            decay_from=decay_from, validate_every=validate_every, patience=patience, precision=precision,
            random_state=random_state, progress=progress,
        )  # fmt: skip

    def _build(self, n_features, n_classes):
        self.seen_, self.rates_ = [], []
        return nn.Linear(n_features, n_classes)

    def _optimiser(self, network):
        self.optimiser_ = super()._optimiser(network)
        return self.optimiser_

    def _loss(self, network, labelled, index, unlabelled):
        self.seen_.append((labelled, index, unlabelled))
        self.rates_.append(self.optimiser_.param_groups[0]["lr"])
        return super()._loss(network, labelled, index, unlabelled)


class PartlyLinear(Linear):
    semi_supervised: ClassVar[bool] = True


@pytest.fixture
def problem():
    """Three blobs; the first feature numbers the rows, and weighs nothing."""
    random = np.random.default_rng(0)
    y = np.arange(41) % 3
    X = np.column_stack([np.zeros(41), random.normal(0, 0.3, (41, 3)) + np.eye(3)[y]]).astype(np.float32)
    X[:, 0] = np.arange(41) * 1e-6
    return X, y


def numbers(rows):
    return [round(float(value) * 1e6) for value in rows[:, 0]]


def test_supervised_minibatches_go_through_all_rows_once_an_epoch(problem):
    X, y = problem
    fitted = Linear(epochs=3, batch_size=8).fit(X, y)
    orders = []
    for epoch in range(3):
        part = fitted.seen_[6 * epoch : 6 * epoch + 6]
        assert [len(rows) for rows, _, _ in part] == [7, 7, 7, 7, 7, 6]
        orders.append(numbers(torch.cat([rows for rows, _, _ in part])))
        assert sorted(orders[-1]) == list(range(41))
    assert orders[0] != orders[1] != orders[2]
    for rows, index, unlabelled in fitted.seen_:
        np.testing.assert_array_equal(index, y[numbers(rows)])
        assert unlabelled is None
    assert len(fitted.seen_) == 18
    assert fitted.n_iter_ == fitted.best_epoch_ == 3


def test_partly_labelled_minibatches_hold_rows_of_both_kinds(problem):
    X, y = problem
    y = np.where(np.arange(41) < 7, y, -1)
    fitted = PartlyLinear(epochs=7, batch_size=17, labelled_batch_size=3).fit(X, y)
    assert len(fitted.seen_) == 14
    for epoch in range(7):
        others = [unlabelled for _, _, unlabelled in fitted.seen_[2 * epoch : 2 * epoch + 2]]
        assert [len(part) for part in others] == [17, 17]
        assert sorted(numbers(torch.cat(others))) == list(range(7, 41))
    labelled = [rows for rows, _, _ in fitted.seen_]
    assert {len(part) for part in labelled} == {3}
    assert Counter(numbers(torch.cat(labelled))) == dict.fromkeys(
        range(7), 6
    )  # 14 minibatches of 3 are six times the 7 rows
    for rows, index, _ in fitted.seen_:
        np.testing.assert_array_equal(index, y[numbers(rows)])


def test_of_few_labelled_rows_none_is_twice_in_a_minibatch(problem):
    X, y = problem
    y = np.where(np.arange(41) < 7, y, -1)
    fitted = PartlyLinear(epochs=1, batch_size=17, labelled_batch_size=30).fit(X, y)
    assert all(sorted(numbers(rows)) == list(range(7)) for rows, _, _ in fitted.seen_)


def test_without_unlabelled_rows_it_is_the_supervised_method(problem):
    X, y = problem
    np.testing.assert_array_equal(PartlyLinear().fit(X, y).predict_proba(X), Linear().fit(X, y).predict_proba(X))


def test_minus_one_is_a_class_where_all_rows_have_labels(problem):
    X, y = problem
    fitted = Linear(epochs=30).fit(X, y - 1)
    assert fitted.classes_.tolist() == [-1, 0, 1]
    assert fitted.score(X, y - 1) > 0.9
    partly = PartlyLinear(epochs=30).fit(X, y - 1)
    assert partly.classes_.tolist() == [0, 1]
    assert partly.score(X[y > 0], y[y > 0] - 1) == 1.0


def test_weights_follow_adam_by_hand():
    X, y = np.array([[1.0, 2.0], [-1.0, 0.5], [0.5, -1.0]], np.float32), np.array([0, 1, 1])
    fitted: Any = Linear(epochs=4, batch_size=3, learning_rate=0.05).fit(X, y)
    torch.manual_seed(int(np.random.RandomState(0).randint(2**31 - 1)))
    start = nn.Linear(2, 2)
    weights = np.column_stack([start.weight.detach(), start.bias.detach()]).astype(float)
    extended, targets = np.column_stack([X, np.ones(3)]), np.eye(2)[y]
    first, second, losses = 0.0, 0.0, []
    for step in range(1, 5):
        exponentials = np.exp(extended @ weights.T)
        chances = exponentials / exponentials.sum(1, keepdims=True)
        losses.append(-np.log((chances * targets).sum(1)).mean())
        gradient = (chances - targets).T @ extended / 3
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        weights = weights - 0.05 * first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    np.testing.assert_allclose(fitted.network_.weight.detach(), weights[:, :2], atol=1e-5)
    np.testing.assert_allclose(fitted.network_.bias.detach(), weights[:, 2], atol=1e-5)
    np.testing.assert_allclose(fitted.loss_curve_, losses, rtol=1e-5)
    exponentials = np.exp(extended @ weights.T)
    np.testing.assert_allclose(fitted.predict_proba(X), exponentials / exponentials.sum(1, keepdims=True), rtol=1e-4)
    np.testing.assert_array_equal(fitted.predict(X), exponentials.argmax(1))


def test_the_learning_rate_falls_to_zero(problem):
    X, y = problem
    rates = Linear(epochs=5, batch_size=41, learning_rate=0.1, decay_from=0.4).fit(X, y).rates_
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.1, 0.1 * 2 / 3, 0.1 / 3])
    assert Linear(epochs=5, batch_size=41, learning_rate=0.1).fit(X, y).rates_ == [0.1] * 5


def errors_by_hand(X, y, rows, truth, **settings):
    """The error after each epoch, by training anew for as many."""
    fits = [Linear(**settings | {"epochs": epochs}).fit(X, y) for epochs in range(1, settings["epochs"] + 1)]
    return [100 * float(np.mean(fitted.predict(rows) != truth)) for fitted in fits]


def test_the_weights_of_the_fewest_mistakes_on_validation_rows_are_kept(problem):
    X, y = problem
    random = np.random.default_rng(1)
    truth = random.integers(0, 3, 60)
    rows = np.column_stack([np.zeros(60), random.normal(0, 0.6, (60, 3)) + np.eye(3)[truth]]).astype(np.float32)
    settings = {"epochs": 12, "learning_rate": 0.5}
    expected = errors_by_hand(X, y, rows, truth, **settings)
    best = int(np.argmin(expected))
    assert expected[best] < expected[-1]  # else the test could not fail
    fitted = Linear(**settings).fit(X, y, rows, truth)
    np.testing.assert_allclose([error for _, error in fitted.validation_errors_], expected)
    assert [epoch for epoch, _ in fitted.validation_errors_] == list(range(1, 13))
    assert fitted.best_epoch_ == best + 1
    assert 100 * np.mean(fitted.predict(rows) != truth) == pytest.approx(expected[best])
    kept = Linear(**settings | {"epochs": best + 1}).fit(X, y)
    np.testing.assert_array_equal(fitted.predict_proba(rows), kept.predict_proba(rows))

    every = Linear(**settings, validate_every=5).fit(X, y, rows, truth)
    assert every.validation_errors_ == [fitted.validation_errors_[place] for place in (4, 9, 11)]
    patient = Linear(**settings, patience=2).fit(X, y, rows, truth)
    waits = [place - int(np.argmin(expected[: place + 1])) for place in range(12)]
    assert patient.n_iter_ == next((place + 1 for place, wait in enumerate(waits) if wait == 2), 12) < 12
    assert patient.validation_errors_ == fitted.validation_errors_[: patient.n_iter_]


def test_validation_rows_of_an_unknown_class_are_mistakes(problem):
    X, y = problem
    fitted = Linear(epochs=1).fit(X, y, X[:4], np.full(4, 7))
    assert fitted.validation_errors_ == [(1, 100.0)]


def test_the_seed_determines_the_fit_and_nothing_else_is_touched(problem):
    X, y = problem
    torch.manual_seed(5)
    first = torch.rand(3)
    torch.manual_seed(5)
    made = Linear(random_state=1).fit(X, y).predict_proba(X)
    assert torch.equal(torch.rand(3), first)
    np.testing.assert_array_equal(Linear(random_state=1).fit(X, y).predict_proba(X), made)
    assert np.abs(Linear(random_state=2).fit(X, y).predict_proba(X) - made).max() > 1e-3


def test_bfloat16_is_near(problem):
    X, y = problem
    exact = Linear(epochs=20).fit(X, y)
    reduced = Linear(epochs=20, precision="bf16").fit(X, y)
    gap = np.abs(exact.predict_proba(X) - reduced.predict_proba(X)).max()
    assert 0 < gap < 0.05
    assert reduced.network_.weight.dtype == torch.float32


def test_progress_counts_minibatches(problem):
    X, y = problem
    calls = []
    Linear(epochs=2, batch_size=21, progress=lambda *call: calls.append(call)).fit(X, y)
    assert calls == [("training", done, 4) for done in range(1, 5)]


def test_many_rows_are_predicted_block_by_block(problem, monkeypatch):
    X, y = problem
    fitted = Linear().fit(X, y)
    whole = fitted.predict_proba(X)
    monkeypatch.setattr("dcgan_features.eval.neural.gradient_training._PREDICTED", 4)
    np.testing.assert_allclose(fitted.predict_proba(X), whole, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"labelled_batch_size": 0}, "labelled_batch_size"),
        ({"validate_every": 0}, "validate_every"),
        ({"patience": 0}, "patience"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"decay_from": 1.5}, "decay_from must be a number from 0 to 1"),
        ({"precision": "fp8"}, "precision"),
    ],
)
def test_unusable_parameters_are_named(problem, settings, words):
    with pytest.raises(ValueError, match=words):
        Linear(**settings).fit(*problem)


def test_unusable_input_is_explained(problem):
    X, y = problem
    with pytest.raises(ValueError, match="one class only"):
        Linear().fit(X, np.ones(41))
    with pytest.raises(ValueError, match="together"):
        Linear().fit(X, y, X)
    with pytest.raises(ValueError, match="features"):
        Linear().fit(X, y, X[:, :2], y)
    with pytest.raises(
        ValueError, match=r"loss of Linear is no longer finite in epoch 1; lower learning_rate, now 1e\+38"
    ):
        Linear(learning_rate=1e38).fit(X, y)
