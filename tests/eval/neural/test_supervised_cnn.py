"""The supervised CNN against the discriminator whose architecture it has, and on images that need convolutions."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dcgan_features.eval.neural.supervised_cnn import SupervisedCNN
from dcgan_features.features import RawPixels
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.spec import SVHN_32


def flattened(images):
    return np.asarray(RawPixels().fit(images).transform(images))


def test_it_is_the_discriminator_with_another_last_layer():
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    fitted: Any = SupervisedCNN(epochs=1, batch_size=8, precision="fp32").fit(flattened(images), np.arange(8) % 4)
    convolutions = [layer for layer in fitted.network_ if isinstance(layer, nn.Conv2d)]
    normalisations = [layer for layer in fitted.network_ if isinstance(layer, nn.BatchNorm2d)]
    last = fitted.network_[-1]
    twin: Any = Discriminator(SVHN_32, torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():
        for ours, theirs in zip(convolutions, twin.convolutions, strict=True):
            assert ours.bias is None
            theirs.weight.copy_(ours.weight)
        for own, other in zip(normalisations, twin.normalisations[1:], strict=True):
            other.load_state_dict(own.state_dict())
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1
        expected = (twin.maps(pixels)[-1].flatten(1) @ last.weight.T + last.bias).softmax(1)
    np.testing.assert_allclose(fitted.predict_proba(flattened(images)), expected, atol=1e-4)


def test_it_learns_where_a_stroke_leads_not_where_it_is():
    random = np.random.default_rng(0)
    images = random.integers(0, 60, (300, 12, 12, 1), dtype=np.uint8)
    labels = np.arange(300) % 2
    for image, label in zip(images, labels, strict=True):
        row, column = random.integers(0, 8, 2)
        stroke = np.eye(5, dtype=bool)
        image[row : row + 5, column : column + 5, 0][stroke[::-1] if label else stroke] = 255
    X = flattened(images)
    settings: dict[str, Any] = {
        "maps": (8, 16),
        "epochs": 10,
        "batch_size": 20,
        "learning_rate": 1e-2,
        "initial_sd": "he",
        "precision": "fp32",
    }
    assert SupervisedCNN(**settings).fit(X[:200], labels[:200]).score(X[200:], labels[200:]) >= 0.95


@pytest.mark.parametrize(
    "changed",
    [
        {"batch_norm": False},
        {"dropout": 0.0},
        {"weight_decay": 0.5},
        {"beta1": 0.5},
        {"initial_sd": 0.02},
        {"maps": (6, 4)},
    ],
)
def test_every_setting_changes_the_network(changed):
    random = np.random.default_rng(0)
    X, y = random.normal(size=(20, 36)).astype(np.float32), np.arange(20) % 2
    settings: dict[str, Any] = {
        "maps": (4, 4),
        "epochs": 3,
        "batch_size": 10,
        "learning_rate": 1e-3,
        "initial_sd": "he",
    }
    usual = SupervisedCNN(**settings).fit(X, y)
    other: Any = SupervisedCNN(**settings | changed).fit(X, y)
    assert np.abs(usual.predict_proba(X) - other.predict_proba(X)).max() > 1e-4
    has_it = any(isinstance(layer, nn.BatchNorm2d) for layer in other.network_)
    assert has_it == ("batch_norm" not in changed)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"maps": ()}, "maps is empty"),
        ({"maps": (4, -1)}, "maps"),
        ({"beta1": 1.0}, "beta1"),
        ({"dropout": 2}, "dropout"),
        ({"weight_decay": -1}, "weight_decay"),
        ({"initial_sd": "xavier"}, "initial_sd, where it is not 'he'"),
        ({"image_shape": (4, 4, 3)}, "image_shape"),
    ],
)
def test_unusable_parameters_are_named(settings, words):
    with pytest.raises(ValueError, match=words):
        SupervisedCNN(**settings).fit(np.eye(4), np.arange(4))
