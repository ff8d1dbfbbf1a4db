"""Pictures of what a generator makes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from PIL import Image
from torch import Tensor, nn

from dcgan_features.data.utils.drawing import image_grid
from dcgan_features.gan.networks import Generator, unscale_images


@contextlib.contextmanager
def batch_statistics(network: nn.Module) -> Iterator[None]:
    """Within, the network normalises each minibatch by its own statistics and leaves the running ones alone."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    before = [(layer.training, layer.track_running_stats) for layer in layers]
    for layer in layers:
        layer.training, layer.track_running_stats = True, False
    try:
        yield
    finally:
        for layer, (training, tracking) in zip(layers, before, strict=True):
            layer.training, layer.track_running_stats = training, tracking


@torch.no_grad()
def generate(generator: Generator, latent: Tensor) -> Tensor:
    """Images of all of `latent` (n, latent_size) as one minibatch: uint8 (n, height, width, channels), on the CPU.

    Normalised by the batch's own statistics, as in the authors' code; n must be at least 2.
    """
    device = next(generator.parameters()).device
    with batch_statistics(generator):
        images: Tensor = generator(latent.to(device))
    return unscale_images(images).cpu()


def sample_grid(generator: Generator, latent: Tensor) -> Image.Image:
    """One picture of the images that `latent` (n, latent_size) makes, row by row, about as wide as it is high."""
    return image_grid(generate(generator, latent).numpy())
