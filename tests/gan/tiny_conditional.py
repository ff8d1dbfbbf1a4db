"""Conditional networks small enough to train in seconds, and labelled images for them."""

from typing import Any

import numpy as np

from dcgan_features.gan.conditional.networks import CONDITIONAL_SPECS, ConditionalSpec
from dcgan_features.gan.conditional.training import make_conditional_recipe
from dcgan_features.gan.spec import Convolution

CLASSES = 3
TINY = ConditionalSpec(
    name="tiny-conditional",
    image_size=8,
    channels=1,
    latent_size=5,
    latent="uniform",
    discriminator=(Convolution(4, 5, 2), Convolution(6, 5, 2)),
    generator_start=(6, 2, 2),
    generator=(Convolution(5, 5, 2), Convolution(1, 5, 2)),
    classes=CLASSES,
    generator_hidden=(16,),
    discriminator_hidden=(16,),
)
TINY_DENSE = ConditionalSpec(
    name="tiny-dense",
    image_size=8,
    channels=1,
    latent_size=5,
    latent="uniform",
    discriminator=(),
    generator_start=(1, 8, 8),
    generator=(),
    classes=CLASSES,
    generator_hidden=(16, 16),
    discriminator_hidden=(16, 16),
)
CONDITIONAL_SPECS.update({spec.name: spec for spec in (TINY, TINY_DENSE)})
ABOUT = {"digest": "0" * 64, "description": "bars"}


def bars(count: int = 90, seed: int = 0) -> tuple[Any, Any]:
    """One bright row a class, under noise; labels 0, 1, 2 in turn."""
    labels = np.arange(count) % CLASSES
    images = np.random.default_rng(seed).integers(0, 60, (count, 8, 8, 1), dtype=np.uint8)
    images[np.arange(count), 2 * labels + 1] += 190
    return images, labels


def recipe(**settings: Any) -> Any:
    defaults = {"network": TINY.name, "images": 160, "batch_size": 16, "precision": "fp32", "sample_every": None}
    return make_conditional_recipe({**defaults, **settings})
