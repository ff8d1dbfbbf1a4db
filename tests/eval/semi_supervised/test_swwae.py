"""The what-where autoencoder's loss by hand, what its unlabelled rows are for, and its control."""

from typing import Any

import numpy as np
import pytest
import torch

from dcgan_features.eval.semi_supervised.swwae import SWWAE

LAYERS = "(3)3c-2p-(4)3c-(5)3c-2p-(4)3c-2p"
SMALL: dict[str, Any] = {"layers": LAYERS, "epochs": 2, "batch_size": 10, "labelled_batch_size": 6, "precision": "fp32"}


@pytest.fixture
def rows():
    """40 images of 8 x 8 pixels, a bright column or a bright row, 8 of them labelled."""
    random = np.random.default_rng(0)
    images = random.normal(-1, 0.3, (40, 8, 8)).astype(np.float32)
    truth = np.arange(40) % 2
    for image, label in zip(images, truth, strict=True):
        line = image.T if label else image
        line[random.integers(0, 8)] = 1.0
    return images.reshape(40, 64), truth, np.where(np.arange(40) < 8, truth, -1)


def loss(classifier, X, labels):
    """Of one minibatch, and the network; the first rows are labelled."""
    torch.manual_seed(0)
    made = classifier._build(64, 2)
    count = len(labels)
    given = torch.from_numpy(X[:count]), torch.from_numpy(labels), torch.from_numpy(X[count:])
    return classifier._loss(made, *given), made


def test_the_loss_by_hand(rows):
    X, truth, _ = rows
    weights: dict[str, Any] = {"reconstruction_weight": 0.7, "middle_weight": 0.3}
    value, made = loss(SWWAE(LAYERS, batch_norm=False, **weights), X, truth[:6])
    images = torch.from_numpy(X).reshape(40, 1, 8, 8)
    with torch.no_grad():
        what, where = made.encode(images)
        decoded = [part.numpy().astype(float) for part in made.decode(images, what, where)]
        logits = made(images[:6]).numpy().astype(float)
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    entropy = -np.log(chances[np.arange(6), truth[:6]]).mean()
    pixels = np.mean((decoded[0] - images.numpy()) ** 2)
    middle = sum(np.mean((decoded[stage + 1] - what[stage].numpy()) ** 2) for stage in range(2))
    assert min(entropy, pixels, middle) > 0.01
    assert float(value.detach()) == pytest.approx(entropy + 0.7 * pixels + 0.3 * middle, rel=1e-4)


def test_gradients_by_finite_differences(rows):
    X, truth, _ = rows
    classifier = SWWAE(LAYERS, reconstruction_weight=1.0, middle_weight=0.2, batch_norm=True)
    torch.manual_seed(0)
    made: Any = classifier._build(64, 2).double()
    given = [torch.from_numpy(part) for part in (X[:6].astype(float), truth[:6], X[6:].astype(float))]
    value = classifier._loss(made, *given)
    torch.autograd.backward(value)
    random = torch.Generator().manual_seed(1)
    for name, parameter in made.named_parameters():
        direction = torch.randn(parameter.shape, generator=random, dtype=torch.float64)
        expected = float((parameter.grad * direction).sum())
        ends = []
        for step in (1e-4, -1e-4):
            with torch.no_grad():
                parameter += step * direction
                ends.append(float(classifier._loss(made, *given)))
                parameter -= step * direction
        assert (ends[0] - ends[1]) / 2e-4 == pytest.approx(expected, rel=2e-2, abs=2e-3), name


def test_unlabelled_rows_and_both_weights_count(rows):
    X, _, labels = rows
    usual = SWWAE(**SMALL).fit(X, labels).predict_proba(X)
    changed = X.copy()
    changed[8:] = changed[8:, ::-1] * 0.5
    assert np.abs(SWWAE(**SMALL).fit(changed, labels).predict_proba(X) - usual).max() > 1e-4
    settings: list[dict[str, Any]] = [{"reconstruction_weight": 0.0}, {"middle_weight": 0.0}, {"batch_norm": True}]
    for setting in (*settings, {"dropout": 0.5}, {"stage_dropout": 0.5}):
        assert np.abs(SWWAE(**SMALL, **setting).fit(X, labels).predict_proba(X) - usual).max() > 1e-4


def test_the_control_learns_from_labelled_rows_alone(rows):
    X, _, labels = rows
    changed = X.copy()
    changed[8:] = changed[8:, ::-1] * 0.5
    off: dict[str, Any] = {"reconstruction_weight": 0.0, "middle_weight": 0.0}
    control: Any = SWWAE(**SMALL, **off, batch_norm=False).fit(X, labels)
    assert not len(control.network_.decoder)
    np.testing.assert_array_equal(
        SWWAE(**SMALL, **off, batch_norm=False).fit(changed, labels).predict_proba(X), control.predict_proba(X)
    )


def test_the_control_starts_from_the_same_weights():
    made = []
    for weights in ((1.0, 0.2), (0.0, 0.0)):
        torch.manual_seed(0)
        made.append(
            SWWAE(LAYERS, reconstruction_weight=weights[0], middle_weight=weights[1])._build(64, 2).state_dict()
        )
    assert {name for name in made[0] if not name.startswith("decoder")} == set(made[1])
    assert all(torch.equal(made[0][name], value) for name, value in made[1].items())


def test_it_reconstructs_and_classifies(rows):
    X, truth, labels = rows
    settings = {"epochs": 120, "learning_rate": 1e-2, "batch_norm": True}
    weights: dict[str, Any] = {"reconstruction_weight": 1.0, "middle_weight": 0.2}
    fitted: Any = SWWAE(**SMALL | settings, **weights).fit(X, labels)
    assert fitted.score(X, truth) >= 0.95
    assert fitted.loss_curve_[-1] < 0.3 * fitted.loss_curve_[0]
    images = torch.from_numpy(X).reshape(40, 1, 8, 8)
    with torch.no_grad():
        what, where = fitted.network_.encode(images)
        missed = fitted.network_.decode(images, what, where)[0] - images
    assert float(missed.square().mean()) < 0.5 * float(images.var())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"layers": "(3)3c"}, "must end in a pooling"),
        ({"reconstruction_weight": -1.0}, "reconstruction_weight must be a number from 0 on"),
        ({"middle_weight": "much"}, "middle_weight"),
        ({"dropout": 1.1}, "dropout must be"),
        ({"stage_dropout": -0.1}, "stage_dropout must be"),
        ({"image_shape": (8, 8, 3)}, "image_shape"),
    ],
)
def test_unusable_parameters_are_named(rows, settings, words):
    X, _, labels = rows
    with pytest.raises(ValueError, match=words):
        SWWAE(**SMALL | settings).fit(X, labels)
