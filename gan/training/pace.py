"""How long a training will take, found out before it begins, by a few minibatches that count for nothing."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from dcgan_features.gan.training.adversarial import AdversarialTraining
from dcgan_features.gan.training.recipe import Recipe

_SECONDS, _MOST = 2.0, 6  # of timing, and minibatches at most; even, as losses take turns


def images_per_second(recipe: Recipe, images: NDArray[np.uint8]) -> float:
    """Real images that a training like this sees in a second on the CPU, by a copy of it that is thrown away.

    The first two minibatches are not timed: what is set up once is set up in them. Samples, checkpoints and logs are
    not counted. Raises `InputError` as the training itself would.
    """
    training = AdversarialTraining(recipe, images, "cpu")
    for _ in range(2):
        training.step()
    begun, done = time.perf_counter(), 0
    while done < _MOST and (done < 2 or time.perf_counter() - begun < _SECONDS):
        training.step()
        done += 1
    return done * recipe.batch_size / (time.perf_counter() - begun)
