"""Near-duplicates as the paper finds them: the code of an autoencoder, cut to bits, is a hash that they share.

Source: Radford, Metz & Chintala (2016), section 4.1.1: a 3072-128-3072 denoising, dropout-regularised autoencoder with
rectified linear units, on 32x32 centre crops; the code is thresholded, and of images with equal codes one is kept.
Noise, dropout, threshold, optimiser and length of training are not stated there: those here are a reconstruction.
Beyond the paper, an image is also compared under shifts: hardly any shifted copy keeps all bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor, nn
from torch.nn import functional

from dcgan_features.data.folder import resize
from dcgan_features.data.utils.cli import progress
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.identity import known_as
from dcgan_features.data.utils.random_streams import stream

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
        the paper; above about 1.5 few bits are left, and images that differ begin to share them.
    images : that the autoencoder sees in training, all passes together.
    shift : an image's hash is that of the window that lacks so many pixels at each edge; it is a near-duplicate of
        another where that window looks like one of the other's, moved by up to as many pixels. 0 is the paper.
    seed : decides initial weights, order, noise and dropout.
    """

    noise: float
    dropout: float
    threshold: float
    images: int
    shift: int = 0
    seed: int = 0


@known_as("gan.hashing.Autoencoder")
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
    """Train the autoencoder on `images` without labels and return the hashes of their windows, uint64 (n, w, 2).

    images : uint8 (n, height, width, 3 or 1), memory-mapped if they are many; read in blocks.
    w is (2 shift + 1)^2, and the first window is the one in the middle: the image's own hash. A hash takes 16 bytes.
    Raises `InputError` for images that are too small for the shift.
    """
    if min(images.shape[1:3]) <= 2 * settings.shift:
        raise InputError(
            f"images of {images.shape[2]}x{images.shape[1]} pixels cannot be compared under shifts of "
            f"{settings.shift}; lower 'hash_shift'"
        )
    network = _train(images, settings, torch.device(device))
    moves = _moves(settings.shift)
    hashes = np.empty((len(images), len(moves), BITS // 64), np.uint64)
    with torch.no_grad(), progress(len(images), "hashing images") as advance:
        for start in range(0, len(images), _BLOCK):
            block = images[start : start + _BLOCK]
            for place, move in enumerate(moves):
                inputs = _inputs(_window(block, settings.shift, *move)).to(device) - network.mean
                bits = (network.code(inputs) > settings.threshold * network.scale).cpu().numpy()
                hashes[start : start + len(bits), place] = np.packbits(bits, axis=1).view(np.uint64)
            advance(len(block))
    return hashes


def _moves(shift: int) -> list[tuple[int, int]]:
    """(down, right) of each window, the one in the middle first."""
    steps = range(-shift, shift + 1)
    return sorted(((down, right) for down in steps for right in steps), key=lambda move: move != (0, 0))


def _window(images: NDArray[np.uint8], shift: int, down: int = 0, right: int = 0) -> NDArray[np.uint8]:
    """The images less `shift` pixels at each edge, seen `down` and `right` of the middle."""
    height, width = images.shape[1:3]
    return images[:, shift + down : height - shift + down, shift + right : width - shift + right]


def first_of_each(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each image the index of the first one that it is a near-duplicate of, int64 (n,); else its own.

    hashes : uint64 (n, w, 2), as `hash_images` makes them: two images are near-duplicates where the own hash of one is
    among those of the other, and so are two of which each is one of a third. A hash without any bit says nothing.
    """
    count, windows = hashes.shape[:2]
    keys = hashes.reshape(-1, hashes.shape[2])
    order = np.lexsort(keys.T)
    ordered = keys[order]
    begins = np.ones(len(order), bool)
    begins[1:] = (ordered[1:] != ordered[:-1]).any(1)
    bucket = np.cumsum(begins) - 1
    says = ordered.any(1)
    is_own = np.zeros(len(order), bool)  # by bucket: whether it is some image's own hash
    is_own[bucket[says & (order % windows == 0)]] = True
    joined = is_own[bucket]
    images, buckets = order[joined] // windows, bucket[joined] + count
    size = count + int(bucket[-1]) + 1
    graph = coo_array((np.ones(len(images), bool), (images, buckets)), shape=(size, size))
    group = connected_components(graph, directed=False)[1][:count]
    first = np.full(group.max() + 1, count, np.int64)
    np.minimum.at(first, group, np.arange(count))
    found: NDArray[np.int64] = first[group]
    return found


def _train(images: NDArray[np.uint8], settings: HashSettings, device: torch.device) -> Autoencoder:
    chosen = torch.randperm(len(images), generator=stream(settings.seed, _CHOICE))[:_TRAINED_ON].sort().values.numpy()
    parts = np.array_split(chosen, -(-len(chosen) // _BLOCK))
    small = np.concatenate([resize(_window(images[part], settings.shift), SIDE) for part in parts])
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
