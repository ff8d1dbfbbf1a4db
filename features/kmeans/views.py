"""Views of a patch: the same place translated, rotated, scaled and mirrored, as linear maps from a wider crop."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from dcgan_features.features.kmeans.patches import all_patches


class View(NamedTuple):
    """Where a view takes its pixels from.

    Its pixel (y, x), counted from the centre, is the image's at scale * R (y, x) + (down, right), with R the rotation
    by `angle` degrees from y towards x; a mirrored view has -x in place of x. A scale above 1 sees more of the image.
    """

    angle: float = 0.0
    scale: float = 1.0
    down: int = 0
    right: int = 0
    mirrored: bool = False


def all_views(
    rotations: Sequence[float], scales: Sequence[float], translation: int = 0, reflection: bool = False
) -> list[View]:
    """Every combination, the patch itself first.

    rotations : degrees; 0 is always among them. scales : 1 is always among them. translation : pixels, each way.
    reflection : whether there are mirrored views too.
    """
    angles, factors = sorted({0.0, *rotations}, key=abs), sorted({1.0, *scales}, key=lambda s: abs(math.log(s)))
    shifts = sorted(range(-translation, translation + 1), key=abs)
    sides = [False, True] if reflection else [False]
    return [View(*view) for view in itertools.product(angles, factors, shifts, shifts, sides)]


def crop_margin(patch_size: int, views: Sequence[View]) -> int:
    """Pixels that a crop needs on each side of the patch so that no view reaches beyond it."""
    half = (patch_size - 1) / 2
    reach = 0.0
    for angle, scale, down, right, _ in views:
        turned = half * scale * (abs(math.cos(math.radians(angle))) + abs(math.sin(math.radians(angle))))
        reach = max(reach, turned + max(abs(down), abs(right)))
    return max(0, math.ceil(reach - half - 1e-6))


def view_operators(patch_size: int, margin: int, views: Sequence[View]) -> Tensor:
    """Bicubic sampling of each view, float32 (views, patch_size^2, crop^2), crop = patch_size + 2 * margin.

    A row holds the weights of the crop's pixels, row by row, in a pixel of the patch. At the crop's rim, where the
    interpolation needs a pixel more, the outermost one is repeated.
    """
    crop = patch_size + 2 * margin
    pixels = torch.eye(crop**2).view(1, crop**2, crop, crop)  # as channels of one image: all are sampled alike
    offsets = torch.arange(patch_size) - (patch_size - 1) / 2
    y, x = torch.meshgrid(offsets, offsets, indexing="ij")
    operators = []
    for angle, scale, down, right, mirrored in views:
        side = -x if mirrored else x
        cosine, sine = scale * math.cos(math.radians(angle)), scale * math.sin(math.radians(angle))
        places = torch.stack([sine * y + cosine * side + right, cosine * y - sine * side + down], dim=-1)
        grid = places[None] * (2 / max(crop - 1, 1))  # -1 and 1 are the centres of the outermost pixels
        sampled = grid_sample(pixels, grid, mode="bicubic", padding_mode="border", align_corners=True)
        operators.append(sampled[0].flatten(1).T)
    return torch.stack(operators)


def views_of_patches(images: Tensor, operators: Tensor) -> Tensor:
    """Every view at every position at stride 1: float32 (n, rows, columns, views, patch_size^2 * channels).

    images : float32 (n, height, width, channels). operators : from `view_operators`; a position is one of its crop.
    The order of a view's values is that of `patches.all_patches`.
    """
    n, channels = len(images), images.shape[3]
    views, pixels, crop = len(operators), operators.shape[1], math.isqrt(operators.shape[2])
    planes = images.permute(0, 3, 1, 2).flatten(0, 1).unsqueeze(3).contiguous()  # (n * channels, height, width, 1)
    crops = all_patches(planes, crop)
    rows, columns = crops.shape[1:3]
    sampled = crops.reshape(-1, crop**2) @ operators.flatten(0, 1).T
    sampled = sampled.view(n, channels, rows, columns, views, pixels)
    return sampled.permute(0, 2, 3, 4, 5, 1).flatten(4)


def move(images: Tensor, down: int, right: int) -> Tensor:
    """Images (n, height, width, channels) moved by so many pixels, continued by their reflection.

    The outermost pixel is where it is reflected, and is not repeated; moves are smaller than the image.
    """
    height, width = images.shape[1:3]
    rows, columns = (_reflected(torch.arange(size) - by, size) for size, by in ((height, down), (width, right)))
    return images[:, rows.to(images.device)][:, :, columns.to(images.device)]


def _reflected(places: Tensor, size: int) -> Tensor:
    """Places, less than `size` outside of 0..size-1, brought inside."""
    return (size - 1) - ((size - 1) - places.abs()).abs()
