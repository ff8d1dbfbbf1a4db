"""Where the time of a training step goes: its parts by kind of operation, and its convolutions one by one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

from dcgan_features.benchmarks.speed.product_rate import seconds_in_turn
from dcgan_features.gan.spec import NetworkSpec
from dcgan_features.gan.training.adversarial import AdversarialTraining
from dcgan_features.gan.training.recipe import make_recipe

# Names of operations, by what of them they contain; the first that fits counts.
_PARTS = {
    "convolutions, backwards": ("convolution_backward", "convolution_overrideable_backward"),
    "convolutions, forwards": ("convolution", "conv_", "conv2d"),
    "batch normalisation": ("batch_norm",),
    "rectifiers and tanh": ("leaky_relu", "threshold_backward", "clamp_min", "relu", "tanh"),
    "linear layers": ("aten::mm", "addmm", "linear"),
    "optimiser": ("adam", "Adam"),
    "copies and casts": ("copy_", "_to_copy", "aten::to", "contiguous", "clone"),
}
# The same of a GPU's kernels, of which one may do the work of several operations.
_KERNELS = {
    "convolutions": ("fprop", "dgrad", "wgrad", "ImplicitGemm", "cudnn", "nhwcAddPadding"),
    "batch normalisation, with rectifiers": ("batch_norm",),
    "rectifiers and tanh": ("relu", "tanh", "threshold"),
    "linear layers": ("nvjet", "gemm", "cublas"),
    "optimiser": ("FusedOptimizer", "adam"),
    "copies and casts": ("copy", "Memcpy", "emset"),
}
_REST = "everything else"
_UNTIL_RECORDED = 10  # minibatches after which they are replayed on a GPU, see `gan.training.cuda_graphs`


def step_parts(spec: NetworkSpec, device: torch.device, batch_size: int) -> dict[str, float]:
    """Share of the time of a generator's and a discriminator's minibatch together, by kind of operation; sums to 1."""
    shape = (batch_size, spec.image_size, spec.image_size, spec.channels)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    training = AdversarialTraining(make_recipe({"network": spec.name, "batch_size": batch_size}), images, device)
    cuda = device.type == "cuda"
    for _ in range(_UNTIL_RECORDED if cuda else 2):
        training.step()
    with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as profiled:
        for _ in range(2):
            training.step()
        if cuda:
            torch.cuda.synchronize(device)
    kinds = _KERNELS if cuda else _PARTS
    parts = dict.fromkeys([*kinds, _REST], 0.0)
    for event in profiled.key_averages():
        spent = event.self_device_time_total if cuda else event.self_cpu_time_total
        parts[kind_of(event.key, kinds)] += float(spent)
    total = sum(parts.values())
    return {kind: spent / total for kind, spent in parts.items()}


def kind_of(operation: str, kinds: Mapping[str, tuple[str, ...]] = _PARTS) -> str:
    """The kind that an operation of torch's, such as "aten::mm", or a kernel counts as."""
    for kind, names in kinds.items():
        if any(name in operation for name in names):
            return kind
    return _REST


def convolution_rates(
    spec: NetworkSpec, device: torch.device, batch_size: int, repeats: int = 3
) -> list[dict[str, Any]]:
    """Each convolution in bf16, channels last: shape, and GFLOP/s forwards, for its input's and its weights' gradient.

    Each time is the best of `repeats`, since what is asked is what the operation can do. On a GPU, where it is launched
    from Python, a small one's time is that of launching it.
    """
    layers = []
    channels, size = spec.channels, spec.image_size
    for layer in spec.discriminator:
        layers.append(("discriminator", channels, layer, size, -(-size // layer.stride)))
        channels, size = layer.maps, -(-size // layer.stride)
    channels, size, _ = spec.generator_start
    for layer in spec.generator:
        layers.append(("generator", channels, layer, size, size * layer.stride))
        channels, size = layer.maps, size * layer.stride
    rows = []
    for network, channels, layer, before, after in layers:
        transposed = network == "generator"

        def tensor(*shape: int) -> torch.Tensor:
            return torch.randn(shape, device=device, dtype=torch.bfloat16).to(memory_format=torch.channels_last)

        maps, kernel, stride = layer.maps, layer.kernel, layer.stride
        weights = (channels, maps, kernel, kernel) if transposed else (maps, channels, kernel, kernel)
        inputs, filters = tensor(batch_size, channels, before, before), tensor(*weights)
        gradient = tensor(batch_size, maps, after, after)
        padding, extra = [(kernel - 1) // 2] * 2, [stride - 1 if transposed else 0] * 2
        settings = ([stride] * 2, padding, [1, 1], transposed, extra, 1)
        backward = partial(torch.ops.aten.convolution_backward, gradient, inputs, filters, None, *settings)
        work = {
            "forward": partial(torch.ops.aten.convolution, inputs, filters, None, *settings),
            "input_gradient": partial(backward, [True, False, False]),
            "weight_gradient": partial(backward, [False, True, False]),
        }
        flop = 2 * batch_size * channels * maps * kernel**2 * min(before, after) ** 2
        best = {name: min(seconds_in_turn([job] * (repeats + 1), device)) for name, job in work.items()}
        shape = f"{kernel}x{kernel}, stride {stride}, {channels} to {maps} maps, {before} to {after} pixels"
        rates = {name: flop / spent / 1e9 for name, spent in best.items()}
        rows.append({"network": network, "convolution": shape, "gflop": flop / 1e9, **rates})
    return rows


def print_account(row: dict[str, Any], console: Console) -> None:
    """Print the parts of a step and the convolutions, from a row that has both beside "product_gflops"."""
    parts = Table(title=f"{row['network']}: what a step's time goes to")
    parts.add_column("part")
    parts.add_column("share", justify="right")
    for kind, share in row["parts"].items():
        parts.add_row(kind, f"{share:.1%}")
    console.print(parts)
    table = Table(title=f"{row['network']}: convolutions over the bf16 product of {row['product_gflops']:,.0f} GFLOP/s")
    for heading in ("network", "convolution", "forwards", "input's gradient", "weights' gradient"):
        table.add_column(heading, justify="left" if heading in ("network", "convolution") else "right")
    for one in row["convolutions"]:
        rates = [
            f"{one[name] / row['product_gflops']:.2f}" for name in ("forward", "input_gradient", "weight_gradient")
        ]
        table.add_row(one["network"], one["convolution"], *rates)
    console.print(table)
