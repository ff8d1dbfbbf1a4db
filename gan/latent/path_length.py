"""How evenly images change along paths through latent space, in a space where like images lie near each other.

Source: perceptual path length, Karras, Laine & Aila (2019), "A style-based generator architecture for generative
adversarial networks", section 4.1. Departures: distances are of our own frozen discriminator's maps, in place of LPIPS
of VGG16 with weights fitted to people's judgements; great circles only where z is normal, straight lines where it is
uniform. So figures compare with each other, not with published ones.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dcgan_features.data.utils.random_streams import uniform
from dcgan_features.gan.latent.paths import evenly, interpolate
from dcgan_features.gan.latent.sampler import LatentSampler
from dcgan_features.gan.networks import Discriminator

EPSILON = 1e-4  # of the way, the paper's
_OUTLIERS = 0.01  # of the distances at either end are left out, as in the authors' code
_WAY = 70  # purpose of random numbers


def squared_distances(judge: Discriminator, first: Tensor, second: Tensor) -> Tensor:
    """Of images -1..1, (n, channels, size, size), in the maps of a network in evaluation mode: float64 (n,).

    As LPIPS (Zhang et al. 2018, section 3.1) with all weights 1: at each position of each layer the maps are scaled to
    length 1; squared differences are added over maps, averaged over positions, and added over layers.
    """
    total = torch.zeros(len(first), dtype=torch.float64)
    for ours, theirs in zip(judge.maps(first), judge.maps(second), strict=True):
        difference = functional.normalize(ours.double(), dim=1) - functional.normalize(theirs.double(), dim=1)
        total += difference.square().sum(1).mean((1, 2))
    return total


@torch.no_grad()
def perceptual_path_length(
    sampler: LatentSampler, judge: Discriminator, seed: int, pairs: int, epsilon: float = EPSILON
) -> float:
    """The mean of d(G(t), G(t + epsilon)) / epsilon² over `pairs` pairs of samples, t even in 0..1; without outliers.

    sampler, judge : on the CPU. The pairs are samples 2i and 2i + 1 of `seed`.
    """
    latent = sampler.latent(seed, range(2 * pairs))
    places = uniform((pairs,), seed, _WAY) * (1 - epsilon)
    lengths = []
    for start in range(0, pairs, 32):
        steps = torch.stack(
            [
                interpolate(
                    latent[2 * pair].double(),
                    latent[2 * pair + 1].double(),
                    (float(places[pair]), float(places[pair]) + epsilon),
                    sampler.spec.latent,
                )
                for pair in range(start, min(start + 32, pairs))
            ]
        )
        made = sampler.generator(steps.flatten(0, 1).float())
        lengths.append(squared_distances(judge, made[::2], made[1::2]))
    found = (torch.cat(lengths) / epsilon**2).numpy()
    low, high = np.quantile(found, [_OUTLIERS, 1 - _OUTLIERS])
    return float(found[(found >= low) & (found <= high)].mean())


@torch.no_grad()
def step_lengths(
    sampler: LatentSampler, judge: Discriminator, seed: int, walks: int, steps: int = 16
) -> NDArray[np.float64]:
    """Distances of neighbouring images along walks from sample 2i to 2i + 1 of `seed`: float64 (walks, steps)."""
    latent = sampler.latent(seed, range(2 * walks))
    parts = evenly(0.0, 1.0, steps + 1)
    found = []
    for walk in range(walks):
        points = interpolate(latent[2 * walk], latent[2 * walk + 1], parts, sampler.spec.latent)
        made = sampler.generator(points)
        found.append(squared_distances(judge, made[:-1], made[1:]).sqrt().numpy())
    return np.stack(found)
