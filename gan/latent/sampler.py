"""A trained generator on the bench: every sample has a name, and looks the same whatever it is shown with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.random_streams import uniform
from dcgan_features.gan.batch_norm import reestimate_batch_statistics, reestimate_generator_statistics
from dcgan_features.gan.networks import Discriminator, Generator, unscale_images
from dcgan_features.gan.spec import NetworkSpec
from dcgan_features.gan.training.checkpoint import read_state
from dcgan_features.gan.training.recipe import make_recipe
from dcgan_features.gan.training.spectral_norm import normalise_weights, plain_copy
from dcgan_features.gan.weights_file import fill, find_weights, load_weights

BLOCK = 64  # z that go through the generator at once
STATISTICS_SEED, STATISTICS_COUNT = 0, 2048
# What a named stream of random numbers is for; part of its seed.
SAMPLES, STATISTICS, AROUND, NEGATIVES, CONTROL = range(5)
Images = NDArray[np.uint8]


def draw_named(spec: NetworkSpec, count: int, *name: int) -> Tensor:
    """`count` points of latent space that depend on nothing but the numbers they are named by.

    Returns float32 (count, latent_size) on the CPU, U(-1, 1) or N(0, 1) as the network says; the same on every machine
    and with every version of the libraries. Raises `InputError` for a negative number in the name.
    """
    numbers = uniform((count, spec.latent_size), *name)
    points = ndtri(numbers + 2.0**-54) if spec.latent == "normal" else 2.0 * numbers - 1.0
    return torch.from_numpy(points.astype(np.float32))


class LatentSampler:
    """Generator and discriminator in evaluation mode, and the points of latent space by name.

    In training the generator normalises each minibatch by the minibatch's own statistics, so that an image depends on
    its neighbours. Here its statistics are estimated once, on 2,048 z that are always the same, and then kept. Images
    are made in blocks of one size, so that a sample is the same to the bit in whatever company, on one machine.

    generator : changed in place: its statistics are re-estimated. discriminator : as it is.
    metadata : what is known of the weights. device : where both are moved; None is a GPU if there is one.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        metadata: dict[str, Any] | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.spec: NetworkSpec = generator.spec
        self.metadata = metadata or {}
        self.generator = generator.to(self.device).eval().requires_grad_(False)
        self.discriminator = discriminator.to(self.device).eval().requires_grad_(False)
        points = torch.cat(
            [
                draw_named(self.spec, BLOCK, STATISTICS_SEED, STATISTICS, block)
                for block in range(STATISTICS_COUNT // BLOCK)
            ]
        )
        reestimate_generator_statistics(self.generator, points)

    @classmethod
    def load(cls, checkpoint: Path | str, device: torch.device | str | None = None) -> Self:
        """A sampler of what is on disk.

        checkpoint : weights (their stem or either file), a training run's folder (its weights, or while it has none
            its checkpoint) or its checkpoint.safetensors, or the name of weights that are shipped in gan/weights. The
            discriminator of a checkpoint has no statistics of its own: they are estimated on generated images.
        Raises `InputError` when there is no such thing, it is damaged, or it has no generator.
        """
        path = find_networks(checkpoint)
        if path.name != "checkpoint.safetensors":
            networks = load_weights(path)
            if networks.generator is None:
                raise InputError(f"{path} holds no generator, only a discriminator; give weights that hold both")
            return cls(networks.generator, networks.discriminator, networks.metadata, device)
        generator, discriminator, metadata = _read_checkpoint(path)
        sampler = cls(generator, discriminator, metadata, device)
        pictures = sampler.images(sampler.latent(STATISTICS_SEED, range(STATISTICS_COUNT)))
        reestimate_batch_statistics(sampler.discriminator, pictures)
        return sampler

    @property
    def images_seen(self) -> int | None:
        """Real images seen in training, those of a training that it began with included; None where it is not known."""
        start = (self.metadata.get("data") or {}).get("start") or {}
        seen = [self.metadata.get("images_seen"), start.get("images_seen", 0)]
        return sum(seen) if all(isinstance(count, int) for count in seen) else None

    def latent(self, seed: int, indices: Sequence[int] | range) -> Tensor:
        """The z of samples number `indices` of a seed, float32 (n, latent_size) on the CPU.

        Each depends on the seed and its own number alone. Raises `InputError` for an empty list or a negative number.
        """
        if len(indices) == 0:
            raise InputError("no sample is chosen; name at least one by its number, such as 0")
        if min(indices) < 0:
            raise InputError(f"there is no sample {min(indices)}; samples are numbered from 0")
        return torch.cat([draw_named(self.spec, 1, seed, SAMPLES, int(index)) for index in indices])

    def images(self, latent: Tensor) -> Images:
        """The images of z (n, latent_size): uint8 (n, height, width, channels), 0..255."""
        return self.in_blocks(latent, lambda block: unscale_images(self.generator(block))).numpy()

    def hidden(self, latent: Tensor, layer: int) -> Tensor:
        """The rectified maps of a hidden layer, float32 (n, maps, height, width) on the CPU; see `Generator.hidden`."""
        self.check_layer(layer)
        return self.in_blocks(latent, lambda block: self.generator.hidden(block, layer))

    @torch.no_grad()
    def in_blocks(self, latent: Tensor, work: Callable[[Tensor], Tensor]) -> Tensor:
        """What `work` makes of z, `BLOCK` at a time on the device, put together on the CPU.

        The last block is filled up, for products of another size may differ in their last bits.
        Raises ValueError when z has another shape than (n, latent_size), n >= 1.
        """
        if latent.ndim != 2 or len(latent) == 0 or latent.shape[1] != self.spec.latent_size:
            raise ValueError(f"z must have the shape (n, {self.spec.latent_size}), not {tuple(latent.shape)}")
        results = []
        for block in torch.split(latent.float(), BLOCK):
            full = torch.cat([block, block.new_zeros(BLOCK - len(block), block.shape[1])])
            results.append(work(full.to(self.device))[: len(block)].cpu())
        return torch.cat(results)

    @property
    def layers(self) -> int:
        """Hidden layers of the generator: the projection and all transposed convolutions but the last."""
        return len(self.spec.generator)

    def check_layer(self, layer: int) -> None:
        """Raise `InputError` unless the generator has a hidden layer of this number."""
        if not 0 <= layer < self.layers:
            raise InputError(f"there is no layer {layer}; the hidden layers are 0 (projection) to {self.layers - 1}")


def find_networks(checkpoint: Path | str) -> Path:
    """The file or stem that `LatentSampler.load` reads. Raises `InputError` when there is nothing of that name."""
    path = Path(checkpoint)
    if path.is_dir():
        for name in ("weights.json", "checkpoint.safetensors"):
            if (path / name).is_file():
                return path / name
        raise InputError(f"{path} holds neither weights nor a checkpoint; give the folder of a training run")
    return find_weights(path)


def _read_checkpoint(path: Path) -> tuple[Generator, Discriminator, dict[str, Any]]:
    try:
        about, tensors = read_state(path)
        spec = make_recipe(about["recipe"], str(path)).spec
    except (InputError, KeyError) as error:
        raise InputError(f"{path} is damaged, or the checkpoint of something else: {error}") from error
    generator, discriminator = Generator(spec), Discriminator(spec)
    prefix = "averaged_" if about["recipe"].get("averaging") else ""
    if not prefix:
        normalise_weights(discriminator)
    kept = {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith((f"{prefix}generator.", f"{prefix}discriminator."))
        and not name.endswith("num_batches_tracked")
    }
    fill({"generator": generator, "discriminator": discriminator}, kept, path)
    discriminator = plain_copy(discriminator)
    seen = about["steps_done"] * about["recipe"]["batch_size"]
    statistics = f"of {STATISTICS_COUNT:,} generated images"
    metadata = {"recipe": about["recipe"], "data": about["data"], "images_seen": seen, "batch_statistics": statistics}
    return generator, discriminator, metadata
