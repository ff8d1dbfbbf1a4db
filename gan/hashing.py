"""Near-duplicates as the paper finds them: the code of an autoencoder, cut to bits, is a hash that they share.

Source: Radford, Metz & Chintala (2016), section 4.1.1: a 3072-128-3072 denoising, dropout-regularised autoencoder with
rectified linear units, on 32x32 centre crops; the code is thresholded, and of images with equal codes one is kept.
Noise, dropout, threshold, optimiser and length of training are not stated there: those here are a reconstruction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from data.folder import resize
from gan.adversarial import stream
from gan.command import progress

SIDE, BITS = 32, 128
_INPUTS = 3 * SIDE * SIDE
_BATCH, _LEARNING_RATE = 128, 1e-3
_BLOCK = 4096  # images hashed at a time
_TRAINED_ON = 50_000  # images, at random, that the autoencoder sees over and over
_LEAST_DEVIATION = 1e-2  # of an image's pixels, 0..1; flatter ones are not stretched
_CHOICE, _WEIGHTS, _ORDER, _NOISE, _DROPOUT = range(100, 105)  # what a stream of random numbers is for


@dataclass(frozen=True)
class HashSettings:
    """How near-duplicates are told.

    noise : standard deviation of the Gaussian noise added to the input, in standard deviations of an image's pixels.
    dropout : probability with which a unit of the code is left out in training.
    threshold : a unit's bit is 1 above so many times its root mean square over the images. 0 is the plainest reading of
        the paper; above about 1.75 few bits are left, and images that differ begin to share them.
    images : that the autoencoder sees in training, all passes together.
    seed : decides initial weights, order, noise and dropout.
    """

    noise: float
    dropout: float
    threshold: float
    images: int
    seed: int = 0


class Autoencoder(nn.Module):
    """3072-128-3072, with rectified linear units in between.

    An input is an image less its own mean, divided by its own standard deviation, less the mean of such images.
    """

    mean: Tensor
    scale: Tensor  # (128,), root mean square of each unit of the code

    def __init__(self, mean: Tensor, generator: torch.Generator) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(_INPUTS, BITS), nn.Linear(BITS, _INPUTS)
        self.register_buffer("mean", mean)
        self.register_buffer("scale", torch.ones(BITS))
        with torch.no_grad():
            for layer in (self.encoder, self.decoder):
                bound = layer.in_features**-0.5
                layer.weight.uniform_(-bound, bound, generator=generator)
                layer.bias.zero_()

    def code(self, inputs: Tensor) -> Tensor:
        """float32 (n, 3072) to the code (n, 128), 0 or above."""
        return functional.relu(self.encoder(inputs))

    def forward(self, inputs: Tensor, keep: Tensor) -> Tensor:
        """What is made of the code after multiplication by `keep` (n, 128)."""
        restored: Tensor = self.decoder(self.code(inputs) * keep)
        return restored


def hash_images(
    images: NDArray[np.uint8], settings: HashSettings, device: torch.device | str = "cpu"
) -> NDArray[np.uint64]:
    """Train the autoencoder on `images` without labels and return their hashes, uint64 (n, 2), in 16 bytes an image.

    images : uint8 (n, height, width, 3 or 1), memory-mapped if they are many; read in blocks.
    """
    network = _train(images, settings, torch.device(device))
    hashes = np.empty((len(images), BITS // 64), np.uint64)
    with torch.no_grad(), progress(len(images), "hashing images") as advance:
        for start in range(0, len(images), _BLOCK):
            inputs = _inputs(images[start : start + _BLOCK]).to(device) - network.mean
            bits = (network.code(inputs) > settings.threshold * network.scale).cpu().numpy()
            hashes[start : start + len(bits)] = np.packbits(bits, axis=1).view(np.uint64)
            advance(len(bits))
    return hashes


def first_of_each(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each image the index of the first one with the same hash, int64 (n,); its own index where it is the first.

    hashes : uint64 (n, 2). A hash without any bit says nothing, and is shared by none.
    """
    order = np.lexsort((hashes[:, 1], hashes[:, 0]))  # stable: within a bucket the first image stays first
    ordered = hashes[order]
    begins = np.ones(len(order), bool)
    begins[1:] = (ordered[1:] != ordered[:-1]).any(1) | ~ordered[1:].any(1)
    places = np.flatnonzero(begins)[np.cumsum(begins) - 1]
    first = np.empty(len(order), np.int64)
    first[order] = order[places]
    return first


def _train(images: NDArray[np.uint8], settings: HashSettings, device: torch.device) -> Autoencoder:
    chosen = torch.randperm(len(images), generator=stream(settings.seed, _CHOICE))[:_TRAINED_ON].sort().values.numpy()
    small = np.concatenate([resize(images[part], SIDE) for part in np.array_split(chosen, -(-len(chosen) // _BLOCK))])
    blocks = [small[start : start + _BLOCK] for start in range(0, len(small), _BLOCK)]
    mean = torch.stack([_inputs(block).sum(0) for block in blocks]).sum(0) / len(small)
    network = Autoencoder(mean, stream(settings.seed, _WEIGHTS)).to(device)
    optimiser = torch.optim.Adam(network.parameters(), _LEARNING_RATE)
    size = min(_BATCH, len(small))
    steps, an_epoch = -(-settings.images // size), len(small) // size
    order = torch.empty(0, dtype=torch.int64)
    with progress(steps * size, "learning what near-duplicates share") as advance:
        for step in range(steps):
            epoch, place = divmod(step, an_epoch)
            if place == 0:
                order = torch.randperm(len(small), generator=stream(settings.seed, _ORDER, epoch))
            clean = _inputs(small[order[place * size : (place + 1) * size].numpy()]).to(device) - network.mean
            noise = torch.randn(clean.shape, generator=stream(settings.seed, _NOISE, step)).to(device)
            kept = torch.rand((size, BITS), generator=stream(settings.seed, _DROPOUT, step)) >= settings.dropout
            restored = network(clean + settings.noise * noise, kept.to(device) / (1 - settings.dropout))
            loss = functional.mse_loss(restored, clean)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            advance(size)
    with torch.no_grad():
        squares = [network.code(_inputs(block).to(device) - network.mean).square().sum(0) for block in blocks]
        network.scale.copy_((torch.stack(squares).sum(0) / len(small)).sqrt())
    return network


def _inputs(images: NDArray[np.uint8]) -> Tensor:
    """uint8 (n, height, width, 3 or 1) to float32 (n, 3072), each of mean 0 and standard deviation 1."""
    small = resize(images, SIDE)
    pixels = torch.from_numpy(np.array(np.broadcast_to(small, (*small.shape[:3], 3)))).flatten(1).float() / 255
    pixels -= pixels.mean(1, keepdim=True)
    deviation: Tensor = pixels.std(1, correction=0, keepdim=True)
    return pixels / deviation.clamp_min(_LEAST_DEVIATION)
