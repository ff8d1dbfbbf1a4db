"""Samples beside real images: a Fréchet distance on our own frozen features, the checkerboard, nearest real images.

Every figure has its yardstick from real images alone: they are split into two halves at random, and what one half has
beside the other is what a perfect generator would have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.random_streams import raw_words
from dcgan_features.eval.neighbours import nearest
from dcgan_features.gan.latent.sampler import Images, LatentSampler
from dcgan_features.gan.networks import LEAK, Discriminator, scale_images
from dcgan_features.gan.watching.measures import checkerboard, frechet_distance

SHOWN = 8  # samples beside their nearest real images
FEWEST = 200  # real images; with fewer a covariance says more of the draw than of the images
_BATCH = 100
_HALVES = 80  # purpose of random numbers
Advance = Callable[[int], object]


@dataclass(frozen=True)
class Realism:
    """Figures of one set of images, generated or real.

    frechet : Fréchet distance from the first half of the real images, squared, on the frozen features. checkerboard :
    share of the images' power at which every second pixel differs. images : how many.
    """

    frechet: float
    checkerboard: float
    images: int


@dataclass(frozen=True)
class Nearest:
    """Samples, and the real images nearest to each, uint8 (SHOWN, size, size, channels) each.

    by_pixels, by_features : nearest in squared pixels, and in the frozen features.
    """

    samples: Images
    by_pixels: Images
    by_features: Images


class FrozenMeans:
    """Means over all positions of every map of a frozen discriminator, at the images' own size.

    A convolution takes images of any size, so that nothing of 64 x 64 images is lost to a network of 32 x 32.
    """

    def __init__(self, judge: Discriminator) -> None:
        self.judge = judge.eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(self, images: Images, advance: Advance) -> NDArray[np.float32]:
        """(n, maps of all layers) of uint8 (n, size, size, channels); grey images are taken as colours alike."""
        rows = []
        for start in range(0, len(images), _BATCH):
            hidden = scale_images(torch.from_numpy(np.array(images[start : start + _BATCH])))
            hidden = hidden.expand(-1, self.judge.spec.channels, -1, -1)
            means: list[Tensor] = []
            with torch.autocast("cpu", torch.bfloat16):
                for convolution, normalisation in zip(self.judge.convolutions, self.judge.normalisations, strict=True):
                    hidden = functional.leaky_relu(normalisation(convolution(hidden)), LEAK)
                    means.append(hidden.float().mean((2, 3)))
            rows.append(torch.cat(means, 1))
            advance(len(hidden))
        return torch.cat(rows).numpy()


def halves(images: Images, seed: int) -> tuple[Images, Images]:
    """The images in two halves at random. Raises `InputError` for fewer than 200."""
    if len(images) < FEWEST:
        raise InputError(f"{len(images)} real images are too few to compare with; give at least {FEWEST}")
    order = np.argsort(raw_words(len(images), seed, _HALVES), kind="stable")
    half = len(images) // 2
    return images[np.sort(order[:half])], images[np.sort(order[half : 2 * half])]


def measure(images: Images, features: NDArray[np.float32], real_features: NDArray[np.float32]) -> Realism:
    """The figures of images whose features are given. real_features : of the first half of the real images."""
    distance = frechet_distance(torch.from_numpy(features), torch.from_numpy(real_features))
    power = checkerboard(scale_images(torch.from_numpy(np.array(images))))
    return Realism(distance, power, len(images))


def samples_of(sampler: LatentSampler, seed: int, count: int) -> Images:
    """Samples 0 to `count` - 1 of a seed, uint8 (count, size, size, channels)."""
    return sampler.images(sampler.latent(seed, range(count)))


def find_nearest(
    samples: Images, features: NDArray[np.float32], real: Images, real_features: NDArray[np.float32]
) -> Nearest:
    """The nearest of `real` to the first samples; features : of samples and of `real`."""
    count = min(SHOWN, len(samples))
    flat, others = (part.reshape(len(part), -1).astype(np.float32) for part in (samples[:count], real))
    _, by_pixels = nearest(flat, others, 1)
    _, by_features = nearest(features[:count], real_features, 1)
    return Nearest(samples[:count], real[by_pixels[:, 0]], real[by_features[:, 0]])
