"""How fast features are extracted, over how fast this machine multiplies matrices and a plain loop, in one run.

`measure_extract` interleaves extraction with square matrix products and with plain PyTorch's extraction, so that
whatever else the machine does meets all alike, and takes the median of each.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from dcgan_features.benchmarks.speed.plain_loop import PlainExtraction
from dcgan_features.benchmarks.speed.product_rate import ProductRate, seconds
from dcgan_features.data.utils.devices import choose_device
from dcgan_features.features import DiscriminatorFeatures
from dcgan_features.gan.batch_norm import reestimate_batch_statistics
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.spec import PAPER_32, NetworkSpec

TARGETS = {"the CPU": 0.75, "a GPU": 0.35}  # of the machine's bf16 matrix product
_STATISTICS = 128  # images on which batch statistics are estimated


@dataclass(frozen=True)
class ExtractSpeed:
    """One precision: medians, with extraction timed from uint8 images in memory to features on the device.

    images_per_second : images extracted in a second. to_memory_images_per_second : the same with features that end in
    the machine's memory; on the CPU there is no difference. gflops : of their convolutions, in GFLOP/s.
    product_gflops : the machine's fastest square matrix product of that precision, in GFLOP/s.
    ratio : gflops / product_gflops. threads : of the CPU, in use. batch_images : images timed at once.
    plain_images_per_second : of plain PyTorch, see `PlainExtraction`. times_faster : ours over that.
    """

    network: str
    dtype: str
    device: str
    threads: int
    batch_images: int
    repeats: int
    images_per_second: float
    to_memory_images_per_second: float
    gflops: float
    product_gflops: float
    ratio: float
    plain_images_per_second: float
    times_faster: float


def convolution_flop(spec: NetworkSpec) -> int:
    """Floating-point operations of the discriminator's convolutions for one image; a multiply-add counts as two."""
    channels, total = spec.channels, 0
    for layer, size in zip(spec.discriminator, spec.map_sizes(), strict=True):
        total += 2 * layer.maps * size**2 * channels * layer.kernel**2
        channels = layer.maps
    return total


def measure_extract(
    spec: NetworkSpec = PAPER_32,
    dtypes: tuple[str, ...] = ("bfloat16", "float32"),
    repeats: int = 9,
    n_images: int | None = None,
    device: str | None = None,
) -> list[dict[str, Any]]:
    """Extraction by an untrained network of `spec`, in each of `dtypes`, as rows of `ExtractSpeed`.

    repeats : how often extraction and products are timed, in turn; the first, untimed, round warms up.
    n_images : images a timing; None is 128 on the CPU and 16,384 on a GPU.
    device : None is the GPU where there is one, else the CPU.
    """
    return [asdict(_measure(spec, dtype, repeats, n_images, choose_device(device))) for dtype in dtypes]


def _measure(spec: NetworkSpec, dtype: str, repeats: int, n_images: int | None, device: torch.device) -> ExtractSpeed:
    count = n_images or (16_384 if device.type == "cuda" else 128)
    shape = (count, spec.image_size, spec.image_size, spec.channels)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    network = Discriminator(spec, torch.Generator().manual_seed(0))
    extractor = DiscriminatorFeatures(network, dtype=dtype, n_statistics=_STATISTICS, device=device).fit(images)
    reestimate_batch_statistics(network, images[:_STATISTICS], device=device)
    plain = PlainExtraction(network, images, 128)
    ways: dict[str, Callable[[], Any]] = {
        "extraction": partial(extractor.transform_tensor, images, on_device=True),
        "plain": plain,
    }
    if device.type == "cuda":
        ways["to memory"] = partial(extractor.transform_tensor, images)
    products = ProductRate(dtype, device)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats + 1):
        products.time()
        for name, way in ways.items():
            times[name].append(seconds(way, device))
    speeds = {name: count / statistics.median(spent[1:]) for name, spent in times.items()}
    speed, plain_speed = speeds["extraction"], speeds["plain"]
    gflops = speed * convolution_flop(spec) / 1e9
    product = products.gflops
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    threads = torch.get_num_threads()
    return ExtractSpeed(
        network=spec.name,
        dtype=dtype,
        device=name,
        threads=threads,
        batch_images=count,
        repeats=repeats,
        images_per_second=speed,
        to_memory_images_per_second=speeds.get("to memory", speed),
        gflops=gflops,
        product_gflops=product,
        ratio=gflops / product,
        plain_images_per_second=plain_speed,
        times_faster=speed / plain_speed,
    )


def print_extract(rows: list[dict[str, Any]], console: Console | None = None) -> None:
    """Print what `measure_extract` returned as a table, with the verdict on the bf16 target."""
    console = console or Console()
    place = f"{rows[0]['device']}, {rows[0]['threads']} threads"
    table = Table(title=f"Extraction against this machine's matrix product ({place}; medians)")
    figures = ("images/s", "to memory", "GFLOP/s", "product", "ratio", "plain images/s", "faster")
    for heading in ("network", "precision", *figures):
        table.add_column(heading, justify="right" if heading in figures else "left")
    for row in rows:
        table.add_row(
            row["network"],
            row["dtype"],
            f"{row['images_per_second']:,.0f}",
            f"{row['to_memory_images_per_second']:,.0f}",
            f"{row['gflops']:,.0f}",
            f"{row['product_gflops']:,.0f}",
            f"{row['ratio']:.2f}",
            f"{row['plain_images_per_second']:,.0f}",
            f"{row['times_faster']:.1f}",
        )
    console.print(table)
    for row in rows:
        if row["dtype"] == "bfloat16":
            place = "the CPU" if row["device"] == "cpu" else "a GPU"
            met = "met" if row["ratio"] >= TARGETS[place] else "missed"
            console.print(f"Target for bfloat16 on {place}: at least {TARGETS[place]} of the matrix product; {met}.")
