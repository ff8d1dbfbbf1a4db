"""What a discriminator's maps respond to: receptive fields, the images that excite a map most, guided gradients.

Guided back-propagation is Springenberg, Dosovitskiy, Brox & Riedmiller (2015), section 3.4. Theirs are plain
rectifiers; here is how it is defined for the leaky ones of Radford, Metz & Chintala (2016), a reconstruction. The
forward pass is the network's own, leak included. Backwards, a gradient passes a rectifier unchanged where both the
rectifier's input and the gradient itself are above 0, and is 0 everywhere else: the leak's slope of 0.2 passes nothing.
Convolutions and batch normalisation, which at inference is linear, pass gradients as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dcgan_features.gan.networks import LEAK, Discriminator, scale_images
from dcgan_features.gan.spec import NetworkSpec

BATCH = 128  # images at a time


@dataclass(frozen=True)
class ReceptiveField:
    """The pixels that positions of a layer's maps see, alike in both directions.

    size : pixels along each side. step : pixels between neighbouring positions. start : the first pixel that position
    0 sees, below 0 where that lies in the padding.
    """

    size: int
    step: int
    start: int

    def span(self, position: int, image_size: int | None = None) -> tuple[int, int]:
        """First pixel that a position sees, and the one after the last; cut to the image where its size is given."""
        first = self.start + position * self.step
        last = first + self.size
        return (first, last) if image_size is None else (max(first, 0), min(last, image_size))


def receptive_field(spec: NetworkSpec, layer: int) -> ReceptiveField:
    """What one position of the discriminator's layer (from 0) sees. Raises ValueError for a layer that is not there."""
    _check_layer(spec, layer)
    size, step, start = 1, 1, 0
    for convolution in spec.discriminator[: layer + 1]:
        size += (convolution.kernel - 1) * step
        start -= (convolution.kernel - 1) // 2 * step
        step *= convolution.stride
    return ReceptiveField(size, step, start)


@dataclass(frozen=True)
class Strongest:
    """For each of some maps the images that excite it most, strongest first; arrays (maps, count).

    values : the response, float32. images : index of the image, int64, none twice for one map.
    rows, columns : where on the map the image's strongest response is, int64.
    """

    values: NDArray[np.float32]
    images: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]


@torch.no_grad()
def strongest(
    discriminator: Discriminator,
    images: NDArray[np.uint8],
    layer: int,
    count: int,
    maps: Sequence[int] | None = None,
    advance: Callable[[int], object] | None = None,
) -> Strongest:
    """The `count` images that excite each of `maps` (None: all) of a layer most, by its rectified response.

    images : uint8 (n, size, size, channels), at least `count`; of equal responses the first counts.
    advance : called with the number of images done since it was last called.
    The network is used in evaluation mode, with the batch statistics that it holds.
    Raises ValueError for layers, maps or counts that are not there.
    """
    _check_layer(discriminator.spec, layer)
    chosen = list(range(discriminator.spec.discriminator[layer].maps)) if maps is None else list(maps)
    _check_maps(discriminator.spec, layer, chosen)
    if not 1 <= count <= len(images):
        raise ValueError(f"count={count} must be from 1 to the number of images, {len(images)}")
    discriminator.eval()
    device = next(discriminator.parameters()).device
    values, places = [], []
    for start in range(0, len(images), BATCH):
        block = torch.from_numpy(np.array(images[start : start + BATCH]))  # copied: may be read-only
        response = _forward(discriminator, scale_images(block.to(device)), layer, _leaky)[:, chosen]
        best = response.flatten(2).max(dim=2)
        values.append(best.values.cpu())
        places.append(best.indices.cpu())
        if advance is not None:
            advance(len(block))
    by_map, place = torch.cat(values).T.numpy(), torch.cat(places).T.numpy()  # (maps, n)
    order = np.argsort(-by_map, axis=1, kind="stable")[:, :count]
    rows, columns = np.divmod(np.take_along_axis(place, order, 1), discriminator.spec.map_sizes()[layer])
    return Strongest(np.take_along_axis(by_map, order, 1), order, rows, columns)


def gradients(
    discriminator: Discriminator,
    images: NDArray[np.uint8] | Tensor,
    layer: int,
    maps: Sequence[int] | NDArray[np.int64],
    rows: Sequence[int] | NDArray[np.int64],
    columns: Sequence[int] | NDArray[np.int64],
    guided: bool = True,
) -> NDArray[np.float32]:
    """Gradient of one rectified response an image by its pixels, scaled to -1..1: float32 (n, size, size, channels).

    images : uint8 (n, size, size, channels). maps, rows, columns : (n,), which response of which image.
    guided : as this module defines it, from 1 at the response; a response that is not above 0 has none, so all its
        gradients are 0. False: the plain gradient.
    The network is used in evaluation mode and is not changed. Raises ValueError for a layer or maps not there.
    """
    _check_layer(discriminator.spec, layer)
    _check_maps(discriminator.spec, layer, [int(item) for item in maps])
    discriminator.eval()
    device = next(discriminator.parameters()).device
    pixels = scale_images(torch.as_tensor(images).to(device)).requires_grad_()
    rectify = _guided if guided else _leaky
    with torch.enable_grad():
        response = _forward(discriminator, pixels, layer, rectify)
        which = tuple(torch.as_tensor(np.asarray(item)).to(device) for item in (maps, rows, columns))
        picked = response[torch.arange(len(pixels), device=device), which[0], which[1], which[2]]
        (gradient,) = torch.autograd.grad(picked.sum(), pixels)
    result: NDArray[np.float32] = gradient.permute(0, 2, 3, 1).cpu().numpy()
    return result


def neighbour_correlation(gradient: NDArray[np.float32]) -> NDArray[np.float64]:
    """Correlation of pixels with those right of and below them: float64 (n,).

    gradient : (n, height, width, channels). Taken about 0 and not about a mean; 0 where all are 0.
    """
    values = gradient.astype(np.float64)
    products, squares = np.zeros(len(values)), np.zeros(len(values))
    for first, second in ((values[:, :-1], values[:, 1:]), (values[:, :, :-1], values[:, :, 1:])):
        products += (first * second).sum((1, 2, 3))
        squares += ((first**2 + second**2) / 2).sum((1, 2, 3))
    return products / np.maximum(squares, 1e-300)


def _forward(discriminator: Discriminator, hidden: Tensor, layer: int, rectify: Callable[[Tensor], Tensor]) -> Tensor:
    """The maps of one layer, with a rectifier of one's own."""
    pairs = list(zip(discriminator.convolutions, discriminator.normalisations, strict=True))
    for convolution, normalisation in pairs[: layer + 1]:
        hidden = rectify(normalisation(convolution(hidden)))
    return hidden


def _leaky(inputs: Tensor) -> Tensor:
    return functional.leaky_relu(inputs, LEAK)


def _guided(inputs: Tensor) -> Tensor:
    result: Tensor = _GuidedRectifier.apply(inputs)
    return result


class _GuidedRectifier(torch.autograd.Function):
    """The leaky rectifier forwards; backwards only gradients above 0 at inputs above 0."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor) -> Tensor:
        ctx.save_for_backward(inputs)
        return _leaky(inputs)

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> Tensor:
        (inputs,) = ctx.saved_tensors
        return torch.where(inputs > 0, gradient[0].clamp_min(0), torch.zeros_like(inputs))


def _check_layer(spec: NetworkSpec, layer: int) -> None:
    if layer not in range(len(spec.discriminator)):
        raise ValueError(f"layer={layer} must be from 0 to {len(spec.discriminator) - 1}, the layers of {spec.name}")


def _check_maps(spec: NetworkSpec, layer: int, maps: Sequence[int]) -> None:
    total = spec.discriminator[layer].maps
    if not maps or any(item not in range(total) for item in maps):
        raise ValueError(f"maps={list(maps)!r} must be indices of layer {layer}'s maps, 0 to {total - 1}")
