"""Directions of latent space in which images change most, found without labels.

After Härkönen, Hertzmann, Lehtinen & Paris (2020), "GANSpace: Discovering interpretable GAN controls", section 2, for
networks in which z enters once: principal components of an early layer's maps, carried back to z by least squares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.latent.sampler import LatentSampler


@dataclass(frozen=True)
class Directions:
    """Steps in latent space, that of the largest effect on the layer first.

    layer : hidden layer of the generator, 0 the projection of z.
    steps : float32 (directions, latent_size): what to add to z to move one standard deviation along a component.
    variance : part of the layer's variance, 0..1, that each component explains.
    """

    layer: int
    steps: Tensor
    variance: tuple[float, ...]


def find_directions(
    sampler: LatentSampler, count: int = 6, layer: int = 0, samples: int = 2048, seed: int = 0
) -> Directions:
    """The first principal components of a layer's maps over `samples` z of a seed, regressed back to z.

    Raises `InputError` for a layer that the generator lacks, more directions than z has dimensions, or too few samples.
    """
    size = sampler.spec.latent_size
    if not 1 <= count <= size:
        raise InputError(f"{count} directions cannot be found; z has {size} dimensions, so give 1 to {size}")
    if samples <= size:
        raise InputError(f"{samples} samples are too few for {size} dimensions of z; give at least {size + 1}")
    latent = sampler.latent(seed, range(samples))
    maps = sampler.hidden(latent, layer).flatten(1).numpy()
    if maps.shape[1] < count:
        raise InputError(
            f"layer {layer} has {maps.shape[1]} numbers, too few for {count} directions; choose a later one"
        )
    components = PCA(count, svd_solver="randomized", random_state=0, iterated_power=7).fit(maps)
    variance = components.explained_variance_
    places = components.transform(maps).astype(np.float64) / np.sqrt(np.maximum(variance, 1e-12 * variance[0]))
    centred = latent.numpy() - latent.numpy().mean(0)
    steps, *_ = np.linalg.lstsq(places - places.mean(0), centred, rcond=None)
    return Directions(layer, torch.from_numpy(steps.astype(np.float32)), tuple(components.explained_variance_ratio_))
