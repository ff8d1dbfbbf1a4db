"""Seed patches: where in a corpus of unlabelled images the surrogate classes begin.

Dosovitskiy et al. (arXiv 1406.6909v2), section 3.1: patches from different images, with a probability proportional to
the mean squared gradient magnitude within the patch.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dcgan_features.data.utils.errors import InputError
from dcgan_features.features.exemplar.transformations import CONTEXT, PATCH

Images = NDArray[np.uint8]
_BLOCK = 500  # images looked at together


def to_pixels(images: Images) -> Tensor:
    """Images uint8 (n, height, width, 3) as float32 (n, 3, height, width), 0..255."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float()


def resize(pixels: Tensor, size: int | None) -> Tensor:
    """Pixels (n, channels, height, width) resized to size x size, bilinear; None leaves them."""
    if size is None or pixels.shape[2:] == (size, size):
        return pixels
    shrinks = size < max(pixels.shape[2:])
    return functional.interpolate(pixels, (size, size), mode="bilinear", align_corners=False, antialias=shrinks)


def patch_gradients(brightness: Tensor) -> Tensor:
    """Mean squared gradient magnitude in every patch.

    brightness : (n, height, width), 0..255. Central differences, one-sided at the border.
    Returns float64 (n, height - PATCH + 1, width - PATCH + 1).
    """
    down, right = torch.gradient(brightness, dim=(1, 2))
    squared = (down.square() + right.square()).double()
    sums = functional.pad(squared.cumsum(1).cumsum(2), (1, 0, 1, 0))
    far = sums[:, PATCH:]
    near = sums[:, :-PATCH]
    total = far[:, :, PATCH:] - far[:, :, :-PATCH] - near[:, :, PATCH:] + near[:, :, :-PATCH]
    return total.clamp_min_(0.0) / PATCH**2


def draw_seeds(images: Images, count: int, size: int | None, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """`count` seed patches, at most one an image, drawn without replacement in proportion to their gradient.

    images : uint8 (n, height, width, 3). size : images are resized to it first, bilinear; None leaves them.
    Returns (contexts, places): uint8 (count, CONTEXT, CONTEXT, 3), each patch with what is around it in the image
    (mirrored beyond its border), and int64 (count, 3): image, top, left.
    Raises `InputError` when images are smaller than a patch, not RGB, or too few have any gradient.
    """
    height, width = images.shape[1:3] if size is None else (size, size)
    if images.shape[3] != 3:
        raise InputError(f"the images have {images.shape[3]} channel(s), but patches are RGB; convert them to RGB")
    if min(height, width) < PATCH:
        raise InputError(
            f"the images are {height}x{width} pixels, smaller than a patch of {PATCH}x{PATCH}; "
            "give larger images, or 'image_size' in the recipe"
        )
    columns = width - PATCH + 1
    places, weights = [], []
    for start in range(0, len(images), _BLOCK):
        brightness = to_pixels(images[start : start + _BLOCK]).mean(1, keepdim=True)
        gradients = patch_gradients(resize(brightness, size).squeeze(1)).flatten(1)
        totals = gradients.sum(1)
        # One place in each image, by inverting the cumulative sum: constant images get any, and weight 0.
        drawn = torch.rand(len(gradients), 1, generator=generator, dtype=torch.float64) * totals[:, None]
        place = torch.searchsorted(gradients.cumsum(1), drawn).squeeze(1).clamp_max_(gradients.shape[1] - 1)
        number = torch.arange(start, start + len(gradients))
        places.append(torch.stack([number, place // columns, place % columns], 1))
        weights.append(totals)
    weight = torch.cat(weights)
    usable = int((weight > 1e-6 * gradients.shape[1]).sum())
    if usable < count:
        raise InputError(
            f"{count:,} seed patches are wanted, but only {usable:,} of {len(images):,} images have any contrast; "
            "add images or lower 'seeds' in the recipe"
        )
    # The smallest of exponential variables of these rates: sampling without replacement in proportion to the weight.
    race = -torch.rand(len(weight), generator=generator, dtype=torch.float64).log() / weight
    chosen = torch.cat(places)[race.argsort()[:count].sort().values]
    return _contexts(images, chosen, size), chosen


def _contexts(images: Images, places: Tensor, size: int | None) -> Tensor:
    contexts = torch.empty(len(places), CONTEXT, CONTEXT, 3, dtype=torch.uint8)
    margin = (CONTEXT - PATCH) // 2
    for index, (number, top, left) in enumerate(places.tolist()):
        picture = resize(to_pixels(images[number : number + 1]), size)[0].round().clamp(0, 255).byte().permute(1, 2, 0)
        rows = _mirrored(torch.arange(top - margin, top - margin + CONTEXT), picture.shape[0])
        columns = _mirrored(torch.arange(left - margin, left - margin + CONTEXT), picture.shape[1])
        contexts[index] = picture[rows][:, columns]
    return contexts


def _mirrored(positions: Tensor, length: int) -> Tensor:
    """Positions outside 0..length-1 reflected at the border, whose pixel is not repeated."""
    period = max(2 * (length - 1), 1)
    folded = positions.remainder(period)
    return torch.minimum(folded, period - folded)
