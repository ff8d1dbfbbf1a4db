"""Batch normalisation's statistics for inference, estimated anew on images or points of latent space; which images."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dcgan_features.data.utils.gpu import float32_convolutions
from dcgan_features.gan.networks import Discriminator, Generator, scale_images


@torch.no_grad()
def reestimate_batch_statistics(
    discriminator: Discriminator,
    images: NDArray[np.uint8] | Tensor,
    batch_size: int = 128,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Discriminator:
    """Set the running means and variances to those of `images`, as the authors' feature code does.

    Each minibatch goes through the network normalised by its own mean and biased variance; the statistics kept are
    the plain averages of those over the minibatches. A last partial minibatch is dropped unless it is the only one.
    The network is changed in place, moved to `device` if one is named, and returned in evaluation mode.

    images : uint8 (n, height, width, channels), 0..255; memory-mapped arrays are read minibatch by minibatch.
    dtype : precision of the convolutions; bfloat16 is twice as fast or more, and the averages differ little.
    Raises ValueError when there are no images.

    Source: the authors' code (svhn/svhn_semisup_analysis), not the paper.
    """
    if len(images) == 0:
        raise ValueError("batch statistics need at least one image, found none")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    if device is not None:
        discriminator.to(device)
    where = next(discriminator.parameters()).device
    batches = max(len(images) // batch_size, 1)

    def batch(index: int) -> Tensor:
        block = images[index * batch_size : (index + 1) * batch_size]
        tensor = block if isinstance(block, Tensor) else torch.from_numpy(np.array(block))  # copied: may be read-only
        return scale_images(tensor.to(where))

    reduced = torch.autocast(where.type, dtype) if dtype != torch.float32 else contextlib.nullcontext()
    with reduced, float32_convolutions(where):
        average_batch_statistics(discriminator, discriminator.maps, map(batch, range(batches)))
    return discriminator


@torch.no_grad()
def reestimate_generator_statistics(generator: Generator, latent: Tensor, batch_size: int = 128) -> Generator:
    """Set the running means and variances of a generator to those of `latent`, float32 (n, latent_size).

    As `reestimate_batch_statistics`. An image then depends on its own z alone, and no longer, as in training and in
    the authors' code, on the others of its minibatch. Raises ValueError when there are fewer than two z.
    """
    if len(latent) < 2:
        raise ValueError(f"batch statistics of a generator need at least two z, found {len(latent)}")
    where = next(generator.parameters()).device
    batches = max(len(latent) // batch_size, 1)
    minibatches = (latent[index * batch_size : (index + 1) * batch_size].to(where) for index in range(batches))
    average_batch_statistics(generator, generator, minibatches)
    return generator


@torch.no_grad()
def average_batch_statistics(network: nn.Module, forward: Callable[[Tensor], Any], batches: Iterable[Tensor]) -> None:
    """Have `forward` take each batch through the network, normalised by the batch's own mean and biased variance.

    The averages of these statistics over the batches become the running ones; the network ends in evaluation mode.
    """
    network.eval()
    layers = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    sums = [torch.zeros(2, layer.num_features, dtype=torch.float64, device=layer.weight.device) for layer in layers]

    def take_statistics(total: Tensor, layer: nn.Module, inputs: tuple[Tensor]) -> None:
        variance, mean = torch.var_mean(inputs[0].float(), dim=(0, 2, 3), correction=0)
        layer.running_mean, layer.running_var = mean, variance  # by which the layer goes on, in evaluation mode
        total += torch.stack([mean, variance])

    hooks = [
        layer.register_forward_pre_hook(partial(take_statistics, total))
        for layer, total in zip(layers, sums, strict=True)
    ]
    count = 0
    try:
        for batch in batches:
            forward(batch)
            count += 1
    finally:
        for hook in hooks:
            hook.remove()
    for layer, total in zip(layers, sums, strict=True):
        mean, variance = (total / count).float()
        layer.running_mean, layer.running_var = mean.clone(), variance.clone()  # each in memory of its own


def evenly_spaced(images: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """At most `count` of the images, evenly spaced, so that sorted ones serve as well as shuffled ones."""
    chosen: NDArray[np.uint8] = images[np.linspace(0, len(images) - 1, min(count, len(images))).round().astype(int)]
    return chosen
