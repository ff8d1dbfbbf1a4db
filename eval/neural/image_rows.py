"""Rows of a matrix as the images that they are the flattened pixels of."""

from __future__ import annotations

from math import isqrt, prod

from torch import Tensor, nn

from dcgan_features.data.utils.checks import check_counts

Shape = tuple[int, int, int]


def image_shape(n_features: int, shape: Shape | None = None) -> Shape:
    """(height, width, channels) of the images that rows of `n_features` numbers stand for.

    shape : what the user says it is. None takes a square image of one channel or, where the numbers do not make one,
    of three; rows of any other length are images one pixel high, of one channel.
    Raises ValueError for a shape that is none or that has another number of pixels.
    """
    if shape is not None:
        height, width, channels = _three(shape)
        if prod((height, width, channels)) != n_features:
            raise ValueError(
                f"images of {height}x{width} pixels of {channels} channels, see image_shape, have "
                f"{height * width * channels} numbers, but X has {n_features} features"
            )
        return height, width, channels
    for channels in (1, 3):
        side = isqrt(n_features // channels)
        if side * side * channels == n_features:
            return side, side, channels
    return 1, n_features, 1


def _three(shape: Shape) -> Shape:
    if not isinstance(shape, tuple | list) or len(shape) != 3:
        raise ValueError(f"image_shape={shape!r} must be (height, width, channels)")
    for name, value in zip(("height", "width", "channels"), shape, strict=True):
        check_counts(**{f"image_shape's {name}": value})
    return shape


def as_images(rows: Tensor, shape: Shape) -> Tensor:
    """Rows (n, height * width * channels) as images (n, channels, height, width), channels last in memory; a view."""
    return rows.reshape(-1, *shape).permute(0, 3, 1, 2)


def initialise(network: nn.Module, initial_sd: float | str) -> None:
    """Draw the weights of convolutions and fully connected layers from N(0, initial_sd^2); biases are 0.

    initial_sd : or "he", for N(0, 2 / fan-in) (He et al., ICCV 2015).
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            if isinstance(initial_sd, str):
                # In a transposed convolution a unit is fed by the first dimension's maps, not by the second's.
                transposed = isinstance(layer, nn.ConvTranspose2d)
                nn.init.kaiming_normal_(layer.weight, mode="fan_out" if transposed else "fan_in", nonlinearity="relu")
            else:
                nn.init.normal_(layer.weight, 0.0, initial_sd)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
