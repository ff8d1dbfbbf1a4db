"""What follows a convolution on a GPU, in one pass over its maps: shift, leaky rectifier, and maxima of a grid's cells.

PyTorch's own operations read and write the maps three times for that, which takes longer than the convolutions. This
module needs Triton; `features.discriminator.pooling.can_fuse` says where it is of use.
"""

from __future__ import annotations

import torch
import triton
from torch import Tensor
from triton import language as tl

from dcgan_features.features.discriminator.pooling import FUSED_CHANNELS


def rectify_and_pool(maps: Tensor, bias: Tensor, leak: float, grid: int) -> Tensor:
    """Make `maps`, in place, leaky_relu(maps + bias); return the maxima of the cells of a grid on each map.

    maps : (n, channels, height, width), on a GPU, as `can_fuse` says. bias : (channels,). leak : the slope below 0.
    Returns (n, channels * grid * grid), in the order of (channel, row, column). Sums are of float32.
    """
    count, channels, height, width = maps.shape
    pooled = torch.empty(count, channels * grid * grid, dtype=maps.dtype, device=maps.device)
    with torch.cuda.device_of(maps):  # type: ignore[no-untyped-call]
        _kernel[count, channels // FUSED_CHANNELS](
            maps, bias, pooled, channels, leak, height, width, grid, grid * grid, FUSED_CHANNELS
        )
    return pooled


@triton.jit  # type: ignore[untyped-decorator]
def _kernel(  # type: ignore[no-untyped-def]
    maps, bias, pooled, channels, leak,
    height: tl.constexpr, width: tl.constexpr, grid: tl.constexpr, grid_cells: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    # One image, `block` of its channels, all cells at once. In memory a pixel's channels lie side by side.
    image, first = tl.program_id(0).to(tl.int64), tl.program_id(1) * block
    cells, own = tl.arange(0, grid_cells), first + tl.arange(0, block)
    corners = (cells // grid) * (height // grid) * width + (cells % grid) * (width // grid)  # a cell's first pixel
    shift = tl.load(bias + own).to(tl.float32)[None, :]
    largest = tl.full((grid_cells, block), float("-inf"), tl.float32)
    for row in tl.static_range(height // grid):
        for column in tl.static_range(width // grid):
            pixels = image * (height * width) + corners + row * width + column
            places = maps + pixels[:, None] * channels + own[None, :]
            values = tl.load(places).to(tl.float32) + shift
            values = tl.where(values > 0, values, leak * values)
            tl.store(places, values.to(maps.dtype.element_ty))
            largest = tl.maximum(largest, values, propagate_nan=tl.PropagateNan.ALL)
    places = pooled + image * channels * grid_cells + own[None, :] * grid_cells + cells[:, None]
    tl.store(places, largest.to(pooled.dtype.element_ty))
