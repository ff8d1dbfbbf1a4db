"""A network small enough to train in milliseconds, and images for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from dcgan_features.gan.latent.sampler import LatentSampler
from dcgan_features.gan.networks import Discriminator, Generator
from dcgan_features.gan.spec import SPECS, Convolution, NetworkSpec
from dcgan_features.gan.training.adversarial import AdversarialTraining
from dcgan_features.gan.training.recipe import Recipe, make_recipe

TINY = NetworkSpec(
    name="tiny",
    image_size=8,
    channels=3,
    latent_size=5,
    latent="uniform",
    discriminator=(Convolution(4, 3, 1), Convolution(6, 3, 2), Convolution(7, 3, 1)),
    generator_start=(6, 2, 2),
    generator=(Convolution(5, 3, 2), Convolution(3, 5, 2)),
)
TINY_SPECTRAL = replace(TINY, name="tiny-spectral", discriminator_normalisation="spectral")
SPECS.update({spec.name: spec for spec in (TINY, TINY_SPECTRAL)})

DATA = {"digest": "0" * 64, "description": "noise"}


def tiny_images(count=70, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)


def tiny_recipe(**settings: Any) -> Recipe:
    defaults = {"network": "tiny", "images": 160, "batch_size": 16, "precision": "fp32", "sample_every": None}
    return make_recipe({**defaults, **settings})


@contextmanager
def cut_off_at(monkeypatch: pytest.MonkeyPatch, steps: int) -> Iterator[None]:
    """Every training inside ends with an error before its minibatch number `steps`, which is expected here."""
    step = AdversarialTraining.step

    def cut_off(training: AdversarialTraining) -> Any:
        if training.steps_done == steps:
            raise ZeroDivisionError
        return step(training)

    with monkeypatch.context() as patch:
        patch.setattr(AdversarialTraining, "step", cut_off)
        with pytest.raises(ZeroDivisionError):
            yield


def tiny_sampler(seed: int = 0) -> LatentSampler:
    source = torch.Generator().manual_seed(seed)
    return LatentSampler(Generator(TINY, source), Discriminator(TINY, source), device="cpu")
