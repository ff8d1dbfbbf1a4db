"""From a layer's maps to its features: the largest values of a grid's cells, and how they count."""

from __future__ import annotations

import importlib.util

import torch
from torch import Tensor
from torch.nn import functional

FUSED_CHANNELS = 64  # of a program of `features.discriminator.fused`, which takes maps of a multiple of them


def pool_to_grid(maps: Tensor, grid: int) -> Tensor:
    """Maximum over a grid x grid of cells: (n, maps, height, width) to (n, maps, grid, grid).

    Cells tile the map where the grid divides it; otherwise they are those of adaptive pooling and may overlap by a row.
    """
    height, width = maps.shape[2:]
    if height % grid or width % grid:
        return functional.adaptive_max_pool2d(maps, grid)
    if (height, width) == (grid, grid):
        return maps
    return functional.max_pool2d(maps, (height // grid, width // grid))


def can_fuse(maps: Tensor, grid: int) -> bool:
    """Whether `fused` can rectify these maps, (n, maps, height, width), and pool them to this grid."""
    height, width = maps.shape[2:]
    return (
        maps.is_cuda
        and importlib.util.find_spec("triton") is not None
        and maps.is_contiguous(memory_format=torch.channels_last)
        and maps.shape[1] % FUSED_CHANNELS == 0
        and height % grid == 0
        and width % grid == 0
        and grid.bit_count() == 1  # blocks of Triton's are powers of two
    )


def signed_power(features: Tensor, power: float) -> Tensor:
    """The absolute values to this power, with the signs they had; computed in float32, returned in their dtype."""
    exact = features.float()
    return exact.abs().pow_(power).copysign_(exact).to(features.dtype)
