"""Trained Exemplar-CNNs on disk: the layers that make features, without the softmax."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from dcgan_features.data.utils.errors import InputError
from dcgan_features.features.exemplar.networks import ExemplarNetwork, parse
from dcgan_features.gan.description import Description
from dcgan_features.gan.weights_file import fill, read_tensors, write_tensors

KIND = "exemplar-cnn"
SHIPPED = Path(__file__).parents[1] / "weights"


def save_exemplar_weights(
    path_stem: Path | str, network: ExemplarNetwork, metadata: dict[str, Any], dtype: torch.dtype = torch.float32
) -> Path:
    """Write `<stem>.safetensors` and `<stem>.json`, each atomically; return the former's path.

    metadata : JSON-ready; the architecture, versions and the weights' SHA-256 are added to it.
    dtype : in which kernels are stored; all else stays float32.
    """
    kept = ("layers.", "mean", "scale")
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items() if name.startswith(kept)}
    return write_tensors(path_stem, tensors, {"kind": KIND, "network": network.architecture, **metadata}, dtype)


def load_exemplar_weights(path: Path | str, expected: str | None = None) -> tuple[ExemplarNetwork, dict[str, Any]]:
    """The network, float32 on the CPU and without a softmax, and what the JSON says.

    path : the stem or either file, or the name of shipped weights. expected : refuse any other architecture.
    Raises `InputError` when a file is missing or damaged, or when the weights are of anything but an Exemplar-CNN.
    """
    path = Path(path)
    if len(path.parts) == 1 and not path.suffix and not path.with_suffix(".json").exists():
        path = SHIPPED / path

    def check(about: Description, size: int) -> None:
        if about.kind != KIND or about.network is None:
            raise ValueError(f"they are of the kind {about.kind!r}")
        found = parse(about.network)
        before, count = 3, 0
        for maps, kernel in found[0]:
            before, count = maps, count + before * maps * kernel**2
        if count > size:  # before any of it is given memory
            raise ValueError(f"its network '{about.network}' has more weights than the file has bytes")
        if expected is not None and found != parse(expected):
            raise InputError(
                f"{path} holds the network '{about.network}', but '{expected}' is needed; "
                "choose other weights or another network"
            )

    tensors, metadata, file = read_tensors(path, check)
    network = ExemplarNetwork(metadata["network"], classes=0)
    fill({"network": network}, tensors, file)
    return network.eval(), metadata
