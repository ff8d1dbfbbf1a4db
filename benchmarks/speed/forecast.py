"""The cost of many images on many GPUs, on paper.

Operations, parameters and what is exchanged are counted from the network's specification and from how this project
shares the work; what a GPU does in a second is partly measured, on one H200, and partly assumed (`Assumed`): the times
are forecasts and no measurements.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.benchmarks.speed.extract import convolution_flop
from dcgan_features.benchmarks.speed.train import training_flop
from dcgan_features.data.utils.cli import duration
from dcgan_features.data.utils.errors import unknown_name
from dcgan_features.gan.networks import Discriminator, Generator
from dcgan_features.gan.spec import SPECS, NetworkSpec

IMAGES, GPUS = (10**6, 10**7, 10**8), (1, 8, 64)
_NUMBER = 4  # bytes of a float32


def _assume(value: float, words: str) -> Any:
    return field(default=value, metadata={"words": words})


@dataclass(frozen=True)
class Assumed:
    """What the times rest on; what is not said to be measured is assumed. Rates are those of a second and a GPU."""

    product: float = _assume(750e12, "bf16 matrix product, FLOP (740 to 764 measured)")
    training_share: float = _assume(0.31, "of which a training step reaches (measured on one GPU)")
    extraction_share: float = _assume(0.42, "of which extraction reaches (measured)")
    device_bytes: float = _assume(141e9, "memory of a GPU, bytes")
    device_rate: float = _assume(4.8e12, "its bandwidth, of which a pass over features gets 0.6, bytes")
    host_rate: float = _assume(50e9, "from the machine's memory to the GPU, bytes")
    wire_inside: float = _assume(300e9, "to other GPUs of the machine, bytes")
    wire_between: float = _assume(50e9, "to other machines, bytes")
    latency: float = _assume(20e-6, "an exchange, whatever its size, seconds")
    machine_gpus: int = _assume(8, "GPUs a machine")
    host_bytes: float = _assume(2e12, "memory of a machine, bytes")
    disk_rate: float = _assume(10e9, "a machine's disks, bytes")
    times_seen: int = _assume(30, "times that each image is seen in training, as the paper's 1.28 million")
    batch: int = _assume(128, "images of a minibatch a GPU")
    classes: int = _assume(10, "classes")
    passes: int = _assume(100, "passes over the features a fit (40 to 75 measured on a GPU for up to 50,000 rows)")


@dataclass(frozen=True)
class Exchange:
    """What the processes exchange for one minibatch: bytes of each process, and how often.

    gathered : every process gets every other's. reduced : summed over the processes.
    """

    gathered: int
    reduced: int
    count: int


@dataclass(frozen=True)
class Counts:
    """What a network's specification says. Operations are an image's, a multiply-add counts as two.

    forward : of the discriminator's convolutions. generator_step, discriminator_step : of a minibatch
    that updates either.
    """

    forward: int
    generator_step: int
    discriminator_step: int
    generator_parameters: int
    discriminator_parameters: int
    features: int
    image_bytes: int
    generator_exchange: Exchange
    discriminator_exchange: Exchange

    @property
    def step(self) -> float:
        """Operations for each image of a minibatch, on average over both kinds."""
        return (self.generator_step + self.discriminator_step) / 2

    @property
    def feature_bytes(self) -> int:
        """Of an image's features in bfloat16."""
        return 2 * self.features

    @property
    def checkpoint_bytes(self) -> int:
        """Of parameters and Adam's two averages."""
        return 3 * _NUMBER * (self.generator_parameters + self.discriminator_parameters)


def count(spec: NetworkSpec) -> Counts:
    """Count what one image and one minibatch take; see `gan.training.data_parallel` for what is exchanged."""
    generator = sum(parameter.numel() for parameter in Generator(spec).parameters())
    discriminator = sum(parameter.numel() for parameter in Discriminator(spec).parameters())
    maps, height, width = spec.generator_start
    of_generator = [maps * height * width, *(layer.maps for layer in spec.generator[:-1])]
    of_discriminator = [layer.maps for layer in spec.discriminator[1:]]

    def exchange(forwards: list[int], backwards: list[int], parameters: int, losses: int) -> Exchange:
        return Exchange(
            gathered=sum(8 * (2 * normalised + 1) for normalised in forwards),  # means, variances and a count, float64
            reduced=sum(2 * _NUMBER * normalised for normalised in backwards) + _NUMBER * (parameters + losses),
            count=len(forwards) + len(backwards) + 1,
        )

    both = of_generator + of_discriminator
    generator_step, discriminator_step = training_flop(spec)
    return Counts(
        forward=convolution_flop(spec),
        generator_step=generator_step,
        discriminator_step=discriminator_step,
        generator_parameters=generator,
        discriminator_parameters=discriminator,
        features=spec.feature_count(),
        image_bytes=spec.image_size**2 * spec.channels,
        generator_exchange=exchange(both, both, generator, 1),
        discriminator_exchange=exchange(both + of_discriminator, 2 * of_discriminator, discriminator, 2),
    )


def exchange_seconds(counts: Counts, gpus: int, assumed: Assumed) -> float:
    """What a minibatch waits for others, on average over both kinds; rings, nothing hidden behind the computation."""
    if gpus == 1:
        return 0.0
    wire = assumed.wire_inside if gpus <= assumed.machine_gpus else assumed.wire_between
    seconds = 0.0
    for each in (counts.generator_exchange, counts.discriminator_exchange):
        sent = each.gathered * (gpus - 1) + 2 * each.reduced * (gpus - 1) / gpus
        seconds += (sent / wire + each.count * assumed.latency) / 2
    return seconds


def training_seconds(counts: Counts, images: int, gpus: int, assumed: Assumed, whole: bool = False) -> float:
    """Training on `images`, each seen `times_seen` times. whole : `batch` is that of all GPUs together, not of each."""
    own = assumed.batch / gpus if whole else assumed.batch
    compute = own * counts.step / (assumed.product * assumed.training_share)
    steps = images * assumed.times_seen / (own * gpus)
    return steps * (compute + exchange_seconds(counts, gpus, assumed))


def extraction_seconds(counts: Counts, images: int, gpus: int, assumed: Assumed) -> float:
    """Features of `images`, computed once."""
    return images * counts.forward / (gpus * assumed.product * assumed.extraction_share)


def place(counts: Counts, images: int, gpus: int, assumed: Assumed) -> str:
    """Where the features of the L2-SVM lie: on the GPU (in half of its memory), in the machine's memory or on disk."""
    size = images * counts.feature_bytes
    if size / gpus < assumed.device_bytes / 2:
        return "GPU"
    machines = -(-gpus // assumed.machine_gpus)
    return "memory" if size / machines < 0.8 * assumed.host_bytes else "disk"


def pass_seconds(counts: Counts, images: int, gpus: int, assumed: Assumed) -> dict[str, float]:
    """One pass of the L2-SVM over all features, from each place, or made anew in every pass from the images."""
    size, machines = images * counts.feature_bytes, -(-gpus // assumed.machine_gpus)
    # Blocks are read in bfloat16, written in float32 and read twice: 14 bytes for 2.
    device = 7 * size / (gpus * 0.6 * assumed.device_rate)
    return {
        "GPU": device,
        "memory": max(device, size / (gpus * assumed.host_rate)),
        "disk": max(device, size / (machines * assumed.disk_rate)),
        "anew": device + extraction_seconds(counts, images, gpus, assumed),
    }


def fit_seconds(counts: Counts, images: int, gpus: int, assumed: Assumed) -> float:
    """One fit of the L2-SVM from where its features lie, the all-reduce of each pass included."""
    reduced = _NUMBER * (counts.features + 1) * assumed.classes
    wire = assumed.wire_inside if gpus <= assumed.machine_gpus else assumed.wire_between
    exchange = 0.0 if gpus == 1 else 2 * reduced * (gpus - 1) / gpus / wire + assumed.latency
    each = pass_seconds(counts, images, gpus, assumed)[place(counts, images, gpus, assumed)]
    return assumed.passes * (each + exchange)


def counted_lines(counts: Counts, assumed: Assumed) -> list[str]:
    """The table of what is counted, in Markdown."""
    generator, discriminator = counts.generator_exchange, counts.discriminator_exchange
    rank = 512  # directions of the preconditioner, in `eval.l2svm.primal`
    rows = [
        ("operations of extraction: the discriminator's convolutions", _gflop(counts.forward)),
        ("operations of a minibatch that updates the generator", _gflop(counts.generator_step)),
        ("operations of a minibatch that updates the discriminator", _gflop(counts.discriminator_step)),
        ("parameters of the generator", f"{counts.generator_parameters:,}"),
        ("parameters of the discriminator", f"{counts.discriminator_parameters:,}"),
        ("exchanged for a minibatch that updates the generator", _exchange(generator)),
        ("exchanged for a minibatch that updates the discriminator", _exchange(discriminator)),
        ("exchanged for a pass of the L2-SVM", f"{_size(_NUMBER * (counts.features + 1) * assumed.classes)} summed"),
        ("exchanged once a fit, for its preconditioner", f"{_size(_NUMBER * (counts.features + 1) * 3 * rank)} summed"),
        ("stored: an image", f"{counts.image_bytes:,} bytes"),
        ("stored: features in bfloat16", f"{counts.feature_bytes:,} bytes an image"),
        ("held in a fit beside the features, for the preconditioner", f"{_NUMBER * rank:,} bytes an image"),
        ("stored: a checkpoint", _size(counts.checkpoint_bytes)),
    ]
    return markdown_table(["what", "figure"], rows)


def assumed_lines(assumed: Assumed) -> list[str]:
    """The table of what the times rest on, in Markdown."""
    rows = []
    for item in fields(assumed):
        value = getattr(assumed, item.name)
        rows.append((item.metadata["words"], f"{value:g}" if value < 1e6 else f"{value / 1e9:,g} · 10⁹"))
    return markdown_table(["assumed, unless measured", "figure"], rows)


def forecast_lines(counts: Counts, assumed: Assumed) -> list[str]:
    """The table of forecasts, in Markdown."""
    heads = ["images", "GPUs", "training", "with minibatches of 128 in all", "features", "stored", "features lie in"]
    heads += ["one L2-SVM fit", "features made anew in each pass"]
    rows = []
    for images in IMAGES:
        for gpus in GPUS:
            cells = [
                f"{images:,}",
                f"{gpus}",
                _time(training_seconds(counts, images, gpus, assumed)),
                _time(training_seconds(counts, images, gpus, assumed, whole=True)),
                _time(extraction_seconds(counts, images, gpus, assumed)),
                _size(images * counts.feature_bytes),
                place(counts, images, gpus, assumed),
                _time(fit_seconds(counts, images, gpus, assumed)),
                _time(assumed.passes * pass_seconds(counts, images, gpus, assumed)["anew"]),
            ]
            rows.append(cells)
    return markdown_table(heads, rows, text_columns=0)


def _time(seconds: float) -> str:
    return duration(seconds) if seconds >= 1 else "under 1 s"


def _gflop(operations: int) -> str:
    return f"{operations / 1e9:.3f} GFLOP an image"


def _exchange(each: Exchange) -> str:
    return f"{_size(each.reduced)} summed, {_size(each.gathered)} gathered, in {each.count} exchanges"


def _size(size: float) -> str:
    for unit, bytes_each in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= bytes_each:
            return f"{size / bytes_each:.3g} {unit}"
    return f"{size:.0f} bytes"


def print_forecast(network: str) -> None:
    """Print all of it for the network of that name. Raises `InputError` for an unknown one."""
    if network not in SPECS:
        raise unknown_name("network", network, SPECS, "--network")
    counts, assumed = count(SPECS[network]), Assumed()
    for lines in (counted_lines(counts, assumed), assumed_lines(assumed), forecast_lines(counts, assumed)):
        print("\n".join(lines), end="\n\n")
