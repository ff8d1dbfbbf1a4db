"""How even walks through latent space are, in a space where like content lies near: the judge's hidden layer.

A generator that had memorised images would show one of them for a while and then jump to another; a walk would have
one large step and little ones. Walks from z to z, as the sampler's figures go them, stand beside cross-fades of the
same two end images, pixel by pixel, and beside unconnected images, each step of which is a jump.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from dcgan_features.benchmarks.latent.classifier import Images, Judge
from dcgan_features.benchmarks.latent.measure import Measure, Randomness, Source, mean, resampled
from dcgan_features.gan.latent.paths import evenly, interpolate

PART = "walks"
STEPS = 16
Z, FADE, JUMPS = "walk in z", "cross-fade of pixels", "unconnected images"
RATIO, SPREAD, LENGTH, SURE = (
    "largest step over mean step, mean over walks",
    "the same, 90th percentile of the walks",
    "length over distance of the ends, mean over walks",
    "images between the ends of which the judge is sure",
)


def step_lengths(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Distances of neighbours along walks: (walks, images, d) to (walks, images - 1)."""
    lengths: NDArray[np.float64] = np.linalg.norm(np.diff(features.astype(np.float64), axis=1), axis=2)
    return lengths


def measure_walks(source: Source, judge: Judge, seed: int, walks: int, rng: Randomness) -> list[Measure]:
    """`walks` walks of 16 steps, between samples 2i and 2i + 1 of `seed`, and their controls."""
    latent = source.latent(seed, range(2 * walks))
    parts = evenly(0.0, 1.0, STEPS + 1)
    points = torch.stack(
        [interpolate(latent[2 * i], latent[2 * i + 1], parts, source.spec.latent) for i in range(walks)]
    )
    walked = source.images(points.flatten(0, 1)).reshape(walks, STEPS + 1, *source.images(latent[:2]).shape[1:])
    weights = np.asarray(parts)[None, :, None, None, None]
    faded = np.rint(walked[:, :1] * (1 - weights) + walked[:, -1:] * weights).astype(np.uint8)
    jumps = source.images(source.latent(seed + 1, range(walks * (STEPS + 1)))).reshape(walked.shape)
    return [
        measure
        for how, made in ((Z, walked), (FADE, faded), (JUMPS, jumps))
        for measure in _read(judge, how, made, rng)
    ]


def _read(judge: Judge, how: str, images: Images, rng: Randomness) -> list[Measure]:
    """Images : (walks, steps + 1, height, width, channels)."""
    flat = images.reshape(-1, *images.shape[2:])
    features = judge.features(flat).reshape(*images.shape[:2], -1)
    lengths = step_lengths(features)
    ends = np.linalg.norm((features[:, -1] - features[:, 0]).astype(np.float64), axis=1)
    ratio = lengths.max(1) / np.maximum(lengths.mean(1), 1e-12)
    between = judge(images[:, 1:-1].reshape(-1, *images.shape[2:])).all_sure
    of_walks = between.reshape(len(images), -1).mean(1) * 100
    return [
        resampled(PART, RATIO, how, [ratio], mean, rng),
        resampled(PART, SPREAD, how, [ratio], lambda column: float(np.quantile(column, 0.9)), rng),
        resampled(PART, LENGTH, how, [lengths.sum(1) / np.maximum(ends, 1e-12)], mean, rng),
        resampled(PART, SURE, how, [of_walks], mean, rng, unit="%"),
    ]
