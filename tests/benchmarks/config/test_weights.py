"""What decides which trained network is another one."""

from pathlib import Path

import numpy as np
import pytest

from dcgan_features.benchmarks.config.schema import Training, Weights
from dcgan_features.benchmarks.config.weights import locate
from dcgan_features.data.dataset import Dataset
from dcgan_features.gan.training.recipe import LATER_SETTINGS, Recipe

IMAGES = np.arange(2 * 32 * 32 * 3, dtype=np.uint32).astype(np.uint8).reshape(2, 32, 32, 3)
PAPER = {"network": "paper-32", "flips": True, "images": 1280, "seed": 3}


def digest(recipe):
    weights = Weights(kind="discriminator", train=Training(recipe=recipe))
    return locate(weights, "here", Path(), Path("store"), Dataset("own", IMAGES), Path()).digest


@pytest.mark.parametrize(("recipe", "expected"), [
    ({}, "25c140b3c1b1081fb13fb9002c22b1218941d997ce2530d39c716391862a1bee"),
    (PAPER, "d8df255dfcdc74845ac9a617f61f2858e7241335e1f5a61ebd0f393aadd8b4f2"),
])  # fmt: skip
def test_settings_that_came_later_leave_earlier_networks_as_they_were(recipe, expected):
    """The digests are those of before there were any later settings."""
    assert digest(recipe) == expected
    defaults = {name: Recipe.model_fields[name].default for name in LATER_SETTINGS}
    assert digest({**recipe, **defaults}) == expected


@pytest.mark.parametrize(
    "changed",
    [
        {"loss": "hinge"},
        {"gradient_penalty": 1.0},
        {"averaging": 0.9},
        {"rotation": 1.0},
        {"network": "paper-32-spectral"},
        {"seed": 4},
    ],
)
def test_other_settings_are_other_networks(changed):
    assert digest({**PAPER, **changed}) != digest(PAPER)


def test_settings_that_decide_nothing_count_for_nothing():
    assert digest({**PAPER, "log_every": 7, "checkpoint_seconds": 5}) == digest(PAPER)
