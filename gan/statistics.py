"""Batch normalisation's statistics for inference, estimated anew on given images."""

from __future__ import annotations

import contextlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from gan.networks import LEAK, Discriminator, scale_images


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
    discriminator.eval()
    where = next(discriminator.parameters()).device
    layers = [layer for layer in discriminator.normalisations if isinstance(layer, nn.BatchNorm2d)]
    means = [torch.zeros(layer.num_features, dtype=torch.float64, device=where) for layer in layers]
    variances = [torch.zeros_like(mean) for mean in means]
    batches = max(len(images) // batch_size, 1)
    for index in range(batches):
        block = images[index * batch_size : (index + 1) * batch_size]
        batch = block if isinstance(block, Tensor) else torch.from_numpy(np.array(block))  # copied: may be read-only
        for position, (mean, variance) in enumerate(_batch_statistics(discriminator, batch.to(where), dtype)):
            means[position] += mean
            variances[position] += variance
    for layer, total_mean, total_variance in zip(layers, means, variances, strict=True):
        layer.running_mean = (total_mean / batches).to(torch.float32)
        layer.running_var = (total_variance / batches).to(torch.float32)
    return discriminator


def _batch_statistics(discriminator: Discriminator, batch: Tensor, dtype: torch.dtype) -> list[tuple[Tensor, Tensor]]:
    """Mean and biased variance of each normalised layer's input, from the first such layer on."""
    statistics = []
    hidden = scale_images(batch)
    reduced = torch.autocast(batch.device.type, dtype) if dtype != torch.float32 else contextlib.nullcontext()
    last = len(discriminator.convolutions) - 1
    with reduced:
        pairs = zip(discriminator.convolutions, discriminator.normalisations, strict=True)
        for index, (convolution, normalisation) in enumerate(pairs):
            hidden = convolution(hidden)
            if isinstance(normalisation, nn.BatchNorm2d):
                variance, mean = torch.var_mean(hidden.float(), dim=(0, 2, 3), correction=0)
                statistics.append((mean, variance))
                if index == last:
                    break
                hidden = functional.batch_norm(
                    hidden, mean, variance, normalisation.weight, normalisation.bias, eps=normalisation.eps
                )
            hidden = functional.leaky_relu(hidden, LEAK)
    return statistics
