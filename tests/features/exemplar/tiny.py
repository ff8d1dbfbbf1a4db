"""A network small enough to train in milliseconds, and images for it."""

from typing import Any

import numpy as np

from dcgan_features.features.exemplar.recipe import ExemplarRecipe, make_exemplar_recipe

TINY = "3c5-4c5-6f"
DATA = {"digest": "0" * 64, "description": "noise"}


def tiny_images(count=12, size=40, seed=0):
    """Noise in blocks of 4 x 4 pixels, so that patches differ by more than their grain."""
    small = np.random.default_rng(seed).integers(0, 256, (count, size // 4, size // 4, 3), dtype=np.uint8)
    return small.repeat(4, axis=1).repeat(4, axis=2)


def tiny_recipe(**settings: Any) -> ExemplarRecipe:
    defaults = {
        "network": TINY,
        "seeds": 8,
        "samples": 80,
        "batch_size": 8,
        "decay": 40,
        "samples_per_seed": None,
        "dropout": 0.5,
        "precision": "fp32",
    }
    return make_exemplar_recipe({**defaults, **settings})
