"""How fast a DCGAN trains, over this machine's bf16 matrix product and against a plain PyTorch loop, in one run.

The plain loop is written as PyTorch's own DCGAN example is: float32, eager, a DataLoader that transforms an image at a
time, and losses read back at each step; its networks are ours.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.data import DataLoader

from dcgan_features.benchmarks.speed.account import convolution_rates, print_account, step_parts
from dcgan_features.benchmarks.speed.plain_loop import picture_loader
from dcgan_features.benchmarks.speed.product_rate import ProductRate, seconds_in_turn
from dcgan_features.features.base import Images
from dcgan_features.gan.networks import Discriminator, Generator, draw_latent
from dcgan_features.gan.spec import SPECS, NetworkSpec
from dcgan_features.gan.training.adversarial import AdversarialTraining
from dcgan_features.gan.training.recipe import make_recipe

TARGET = 0.5  # of the machine's bf16 matrix product, on the CPU,
TIMES_FASTER = 4.0  # and over the plain loop on a GPU
NETWORKS = ("paper-32", "svhn-32")
_CUDA_PAIRS = 10  # minibatches of either kind that follow each other on a GPU without a wait for it
_IMAGES = 2048  # of noise: what is on them does not change how long a step takes

Say = Callable[[str], None]


@dataclass(frozen=True)
class TrainSpeed:
    """Medians for one network.

    generator_seconds, discriminator_seconds : of a minibatch that updates the one or the other, images and all.
    images_per_second : real images in the minibatches. gflop : operations of one minibatch of either kind together.
    gflops : these over their time. ratio : gflops / product_gflops, of the machine's fastest bf16 product.
    plain_seconds : of the plain loop's iteration, which updates both networks once. times_faster : plain_seconds
    over the two minibatches together.
    """

    network: str
    device: str
    threads: int
    batch_size: int
    repeats: int
    generator_seconds: float
    discriminator_seconds: float
    images_per_second: float
    gflop: float
    gflops: float
    product_gflops: float
    ratio: float
    plain_seconds: float
    times_faster: float


def training_flop(spec: NetworkSpec) -> tuple[int, int]:
    """Operations for one image of a minibatch that updates the generator, and of one that updates the discriminator.

    A multiply-add counts as two; only convolutions and the two linear layers count. Backwards, a layer costs once for
    its input's gradient and once for its weights'; images and z need none, and a network that is not updated only its
    input's.
    """
    convolutions, channels = [], spec.channels
    for layer, size in zip(spec.discriminator, spec.map_sizes(), strict=True):
        convolutions.append(2 * layer.maps * size**2 * channels * layer.kernel**2)
        channels = layer.maps
    logit = 2 * channels * spec.map_sizes()[-1] ** 2
    channels, size, _ = spec.generator_start
    projection, generator = 2 * spec.latent_size * channels * size**2, 0
    for layer in spec.generator:
        generator += 2 * channels * layer.maps * layer.kernel**2 * size**2
        channels, size = layer.maps, size * layer.stride
    discriminator = sum(convolutions) + logit
    return (
        3 * generator + 2 * projection + 2 * discriminator,
        generator + projection + 2 * (3 * discriminator - convolutions[0]),
    )


class PlainLoop:
    """The plain training loop; `step` updates the discriminator, then the generator, on one minibatch.

    images, workers : as for `picture_loader`.
    """

    def __init__(
        self, spec: NetworkSpec, images: Images, batch_size: int, device: torch.device, workers: int | None = None
    ) -> None:
        self.spec, self.device = spec, device
        self.generator = Generator(spec).to(device)
        self.discriminator = Discriminator(spec).to(device)
        self.criterion = nn.BCELoss()
        self.optimisers = {
            network: torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))
            for network in (self.discriminator, self.generator)
        }
        self._batches = self._endless(picture_loader(images, batch_size, workers, training=True))

    @staticmethod
    def _endless(loader: DataLoader[Tensor]) -> Iterator[Tensor]:
        while True:
            yield from loader

    def _score(self, images: Tensor, label: float) -> tuple[Tensor, float]:
        output = torch.sigmoid(self.discriminator(images))
        return self.criterion(output, torch.full_like(output, label)), output.mean().item()

    def step(self) -> tuple[float, float]:
        """One iteration; the losses of discriminator and generator."""
        self.discriminator.zero_grad()
        real = next(self._batches).to(self.device)
        real_loss, _ = self._score(real, 1.0)
        real_loss.backward()  # type: ignore[no-untyped-call]
        fake = self.generator(draw_latent(self.spec, len(real)).to(self.device))
        fake_loss, _ = self._score(fake.detach(), 0.0)
        fake_loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[self.discriminator].step()
        self.generator.zero_grad()
        loss, _ = self._score(fake, 1.0)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[self.generator].step()
        return (real_loss + fake_loss).item(), loss.item()


def measure_step(spec: NetworkSpec, device: torch.device, repeats: int, batch_size: int = 128) -> TrainSpeed:
    """Time minibatches, the plain loop and the product in turn; the first, untimed, round warms up."""
    pairs = _CUDA_PAIRS if device.type == "cuda" else 1
    shape = (max(_IMAGES, batch_size), spec.image_size, spec.image_size, spec.channels)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    training = AdversarialTraining(make_recipe({"network": spec.name, "batch_size": batch_size}), images, device)
    plain = PlainLoop(spec, images, batch_size, device)
    product = ProductRate("bfloat16", device)
    times: dict[str, list[float]] = {"generator": [], "discriminator": [], "plain": []}
    for _ in range(repeats + 1):
        product.time()
        both = seconds_in_turn([training.step] * (2 * pairs), device)
        times["generator"].append(statistics.mean(both[::2]))  # the first minibatch updates the generator
        times["discriminator"].append(statistics.mean(both[1::2]))
        times["plain"].append(statistics.mean(seconds_in_turn([plain.step] * pairs, device)))
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}
    step = medians["generator"] + medians["discriminator"]
    gflop = batch_size * sum(training_flop(spec)) / 1e9
    return TrainSpeed(
        network=spec.name,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        threads=torch.get_num_threads(),
        batch_size=batch_size,
        repeats=repeats,
        generator_seconds=medians["generator"],
        discriminator_seconds=medians["discriminator"],
        images_per_second=2 * batch_size / step,
        gflop=gflop,
        gflops=gflop / step,
        product_gflops=product.gflops,
        ratio=gflop / step / product.gflops,
        plain_seconds=medians["plain"],
        times_faster=medians["plain"] / step,
    )


def measure_train(
    device: torch.device, say: Say, networks: tuple[str, ...] = NETWORKS, repeats: int = 5, batch_size: int = 128
) -> list[dict[str, Any]]:
    """For each network a `TrainSpeed`, and beside it what a step's time goes to and how fast its convolutions are."""
    measured = []
    for name in networks:
        say(f"{name}: minibatches of {batch_size}, in turn with the plain loop")
        spec = SPECS[name]
        row = asdict(measure_step(spec, device, repeats, batch_size))
        say(f"{name}: parts of a step, and convolutions one by one")
        row["parts"] = step_parts(spec, device, batch_size)
        row["convolutions"] = convolution_rates(spec, device, batch_size)
        measured.append(row)
    return measured


def print_train(rows: list[dict[str, Any]], console: Console | None = None) -> None:
    """Print what `measure_train` returned, with the verdict on the target."""
    console = console or Console()
    place = f"{rows[0]['device']}, {rows[0]['threads']} threads"
    table = Table(title=f"A training step against this machine's bf16 product and the plain loop ({place}; medians)")
    table.add_column("network")
    for heading in ("images/s", "GFLOP/s", "product", "ratio", "plain s", "ours s", "faster"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            row["network"],
            f"{row['images_per_second']:,.0f}",
            f"{row['gflops']:,.0f}",
            f"{row['product_gflops']:,.0f}",
            f"{row['ratio']:.2f}",
            f"{row['plain_seconds']:.2f}",
            f"{row['generator_seconds'] + row['discriminator_seconds']:.2f}",
            f"{row['times_faster']:.1f}",
        )
    console.print(table)
    for row in rows:
        print_account(row, console)
    for row in rows:
        on_cpu = row["device"] == "cpu"
        met = "met" if (row["ratio"] >= TARGET if on_cpu else row["times_faster"] >= TIMES_FASTER) else "missed"
        what = f"the CPU: at least {TARGET} of the matrix product" if on_cpu else "a GPU: 4 times the plain loop"
        console.print(f"Target for {row['network']} on {what}; {met}.")
