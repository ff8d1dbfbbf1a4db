"""Rows as images: the layout of the raw pixels' features, guessed shapes, initial weights."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dcgan_features.eval.neural.image_rows import as_images, image_shape, initialise
from dcgan_features.features import RawPixels


def test_rows_are_the_images_of_raw_pixels():
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
    rows = torch.as_tensor(RawPixels().fit(images).transform(images))
    made = as_images(rows, (4, 6, 3))
    assert made.shape == (5, 3, 4, 6)
    assert made.is_contiguous(memory_format=torch.channels_last)
    for place in np.ndindex(5, 3, 4, 6):
        image, channel, row, column = place
        assert float(made[place]) == pytest.approx(images[image, row, column, channel] / 127.5 - 1, abs=1e-6)


@pytest.mark.parametrize(
    ("n_features", "shape"),
    [(784, (28, 28, 1)), (3072, (32, 32, 3)), (3, (1, 1, 3)), (1, (1, 1, 1)), (10, (1, 10, 1)), (6, (1, 6, 1))],
)
def test_shapes_are_guessed(n_features, shape):
    assert image_shape(n_features) == shape


def test_given_shapes_are_checked():
    assert image_shape(24, (2, 4, 3)) == (2, 4, 3)
    with pytest.raises(ValueError, match="2x4 pixels of 3 channels, see image_shape, have 24 numbers, but X has 25"):
        image_shape(25, (2, 4, 3))
    wrong: Any = (4, 6)
    with pytest.raises(ValueError, match="must be \\(height, width, channels\\)"):
        image_shape(24, wrong)
    with pytest.raises(ValueError, match="image_shape's width"):
        image_shape(24, (4, 0, 3))


@pytest.mark.parametrize(("initial_sd", "expected"), [(0.02, (0.02, 0.02, 0.02)), ("he", (0.1, 0.1, 0.05))])
def test_initial_weights(initial_sd, expected):
    torch.manual_seed(0)
    layers: list[Any] = [nn.Conv2d(8, 64, 5), nn.ConvTranspose2d(8, 64, 5), nn.Linear(800, 100)]
    initialise(nn.ModuleList(layers), initial_sd)
    for layer, deviation in zip(layers, expected, strict=True):
        weights = layer.weight.detach()
        assert float(weights.std()) == pytest.approx(deviation, rel=0.03)
        assert float(weights.mean()) == pytest.approx(0, abs=deviation / 30)
        assert not layer.bias.any()
