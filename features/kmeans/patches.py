"""The patch pipeline of the k-means rows: patches, contrast, whitening, pooling, standardisation.

Coates, Ng & Lee, "An Analysis of Single-Layer Networks in Unsupervised Feature Learning" (2011), section 3, with the
constants of the authors' published demonstration.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dcgan_features.features.base import Images, as_tensor

CONTRAST_VARIANCE = 10.0  # added to a patch's variance, for pixels 0..255
WHITENING_VARIANCE = 0.1  # added to every eigenvalue of the covariance
POOLED_VARIANCE = 0.01  # added to a pooled feature's variance


def all_patches(images: Tensor, patch_size: int) -> Tensor:
    """A view of every patch at stride 1.

    images : (n, height, width, channels), contiguous.
    Returns (n, height - patch_size + 1, width - patch_size + 1, patch_size, patch_size * channels): rows of pixels.
    """
    channels = images.shape[3]
    return images.flatten(2).unfold(1, patch_size, 1).unfold(2, patch_size * channels, channels)


def draw_patches(images: Images, patch_size: int, count: int, random: np.random.Generator) -> Tensor:
    """`count` patches at random places of random images, with replacement: float32 (count, patch_size^2 * channels).

    images : uint8 (n, height, width, channels). The order of a patch's values is that of `all_patches`.
    """
    height, width = images.shape[1:3]
    which = np.sort(random.integers(len(images), size=count))  # sorted: a memory-mapped file is read in order
    top = random.integers(height - patch_size + 1, size=count)
    left = random.integers(width - patch_size + 1, size=count)
    offsets = np.arange(patch_size)
    rows = (top[:, None] + offsets)[:, :, None]
    columns = (left[:, None] + offsets)[:, None, :]
    drawn = images[which[:, None, None], rows, columns]  # (count, patch_size, patch_size, channels)
    return torch.from_numpy(drawn).flatten(1).float()


def normalise_contrast(patches: Tensor, added: float = CONTRAST_VARIANCE) -> Tensor:
    """(x - mean) / sqrt(var + added) of each patch by itself, over the last axis; var divides by d - 1."""
    centred = patches - patches.mean(-1, keepdim=True)
    # The norm of what is centred: torch.var_mean takes 25 times as long on short rows.
    variance = torch.linalg.vector_norm(centred, dim=-1, keepdim=True).square_().div_(max(patches.shape[-1] - 1, 1))
    return centred.mul_(torch.rsqrt(variance + added))


@dataclass(frozen=True)
class Whitening:
    """x -> (x - mean) @ matrix, which makes the training patches' covariance nearly the identity (ZCA).

    mean : (d,), float32. matrix : (d, d), float32, symmetric: V diag(1 / sqrt(eigenvalue + 0.1)) V'.
    """

    mean: Tensor
    matrix: Tensor

    @classmethod
    def fit(cls, patches: Tensor, epsilon: float = WHITENING_VARIANCE) -> Whitening:
        """Estimate mean and covariance, in float64, from patches (n, d)."""
        mean = patches.mean(0, dtype=torch.float64)
        # The second moment is gathered in pieces: a float64 copy of all patches would be the largest thing in memory.
        covariance = torch.zeros(len(mean), len(mean), dtype=torch.float64, device=patches.device)
        for piece in torch.split(patches, 16384):
            centred = piece.double() - mean
            covariance += centred.T @ centred
        values, vectors = torch.linalg.eigh(covariance / max(len(patches) - 1, 1))
        scale = torch.rsqrt(values.clamp_min(0) + epsilon)
        return cls(mean.float(), ((vectors * scale) @ vectors.T).float())

    def __call__(self, patches: Tensor) -> Tensor:
        """Whiten patches (n, d)."""
        return (patches - self.mean) @ self.matrix


def grid_edges(size: int, grid: int) -> list[int]:
    """Ends of the `grid` cells that tile `size` positions, the larger cells first: 27 in 2 is 0, 14, 27."""
    return list(itertools.accumulate(map(len, np.array_split(np.arange(size), grid)), initial=0))


def cells_of_patches(images: Images, patch_size: int, grid: int, device: torch.device) -> Iterator[Tensor]:
    """Contrast-normalised patches of each pooling cell, row by row: float32 (n, positions in the cell, d).

    images : uint8 (n, height, width, channels).
    """
    pixels = as_tensor(images).to(device).float()
    patches = all_patches(pixels, patch_size)
    rows, columns = grid_edges(patches.shape[1], grid), grid_edges(patches.shape[2], grid)
    length = patches[0, 0, 0].numel()
    for top, bottom in itertools.pairwise(rows):
        for left, right in itertools.pairwise(columns):
            yield normalise_contrast(patches[:, top:bottom, left:right].reshape(len(images), -1, length))


@dataclass(frozen=True)
class Standardisation:
    """f -> (f - mean) / sqrt(var + 0.01), feature by feature. mean, scale : (d,), float32."""

    mean: Tensor
    scale: Tensor

    @classmethod
    def fit(cls, features: Tensor) -> Standardisation:
        """Estimate from features (n, d); var divides by n - 1, and is 0 for a single row."""
        mean = features.mean(0)
        variance = torch.var(features, 0, correction=min(1, len(features) - 1))
        return cls(mean, torch.rsqrt(variance + POOLED_VARIANCE))

    def __call__(self, features: Tensor) -> Tensor:
        """Standardise features (n, d), in place."""
        return features.sub_(self.mean).mul_(self.scale)


def fold_offset(weights: Tensor, offset: Tensor, dtype: torch.dtype) -> Tensor:
    """Filters in `dtype` whose product with inputs that end in two ones is x @ weights + offset.

    weights : float32 (d, units). offset : float32 (units,).
    Returns (at least d + 2, units). The offset becomes two rows, its value in `dtype` and the remainder; rows of zeros
    fill up to a multiple of 8, which is what bf16 units of GPUs want.
    """
    length, units = weights.shape
    rounded = offset.to(dtype)
    filters = torch.zeros(-(-(length + 2) // 8) * 8, units, dtype=dtype, device=weights.device)
    filters[:length] = weights
    filters[length] = rounded
    filters[length + 1] = offset - rounded.float()
    return filters


def rectify_(values: Tensor) -> Tensor:
    """max(0, values), in place. As integers: a float's sign bit is the integer's, and their maximum is much faster."""
    values.view(torch.int16 if values.dtype == torch.bfloat16 else torch.int32).clamp_min_(0)
    return values
