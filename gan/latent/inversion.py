"""The z whose image is nearest to a given one: what a generator can and cannot make.

By optimisation, after Zhu, Krähenbühl, Shechtman & Efros (2016), "Generative visual manipulation on the natural image
manifold", section 4.1, here in squared pixels alone; z is kept where the generator was trained, as in Lipton & Tripathi
(2017), "Precise recovery of latent vectors from generative adversarial networks", who cut it off.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import chi
from torch import Tensor

from dcgan_features.gan.latent.sampler import Images, LatentSampler
from dcgan_features.gan.networks import scale_images

_RATE = 0.05
_INSIDE = 0.999  # of N(0, 1)'s z are shorter than those that are kept


def keep_inside(latent: Tensor, kind: str) -> Tensor:
    """The nearest z (n, latent_size) that the generator was trained on: within -1..1, or not longer than 99.9% are."""
    if kind == "uniform":
        return latent.clamp(-1.0, 1.0)
    longest = float(chi.ppf(_INSIDE, latent.shape[1]))
    lengths = latent.norm(dim=1, keepdim=True)
    return latent * (longest / lengths.clamp_min(1e-12)).clamp_max(1.0)


def reconstruction_error(images: Images, others: Images) -> NDArray[np.float64]:
    """Root mean square of the differences, grey levels of 0..255, (n,); both uint8 (n, height, width, channels)."""
    difference = (images.astype(np.float64) - others).reshape(len(images), -1)
    error: NDArray[np.float64] = np.sqrt((difference**2).mean(1))
    return error


def nearest_samples(sampler: LatentSampler, images: Images, seed: int, count: int) -> Tensor:
    """Of `count` samples of a seed, the z of that which is nearest in pixels to each image, (n, latent_size)."""
    latent = sampler.latent(seed, range(count))
    made = sampler.images(latent).reshape(count, -1).astype(np.float32)
    wanted = images.reshape(len(images), -1).astype(np.float32)
    squares = (made**2).sum(1) - 2 * wanted @ made.T  # the images' own lengths are the same for all samples
    return latent[torch.from_numpy(squares.argmin(1))]


def invert(
    sampler: LatentSampler, images: Images, start: Tensor, steps: int, advance: Callable[[int], object]
) -> Tensor:
    """The best z that Adam comes upon in `steps` steps from `start`, (n, latent_size), each image for itself.

    images : uint8 (n, size, size, channels). advance : called with each step's number of images. An image's error is
    never above that of its `start`, kept inside.
    """
    kind = sampler.spec.latent
    wanted = scale_images(torch.from_numpy(np.array(images))).to(sampler.device)
    latent = keep_inside(start.float(), kind).to(sampler.device).requires_grad_(True)
    optimiser = torch.optim.Adam([latent], _RATE)
    best, least = latent.detach().clone(), torch.full((len(latent),), torch.inf, device=sampler.device)
    for step in range(steps + 1):
        errors = (sampler.generator(latent) - wanted).square().mean((1, 2, 3))
        with torch.no_grad():
            better = errors < least
            best[better], least[better] = latent[better], errors[better]
        if step < steps:
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(errors.sum())
            optimiser.step()
            with torch.no_grad():
                latent.copy_(keep_inside(latent, kind))
            advance(len(latent))
    return best.cpu()
