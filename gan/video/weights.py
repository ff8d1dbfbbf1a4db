"""The networks of frame prediction on disk, as `gan.weights_file` has it for all kinds of weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dcgan_features.gan.description import Description
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.video.networks import VIDEO_SPECS, ClipGenerator, VideoSpec, clip_discriminator
from dcgan_features.gan.weights_file import fill, read_tensors, write_tensors

KIND = "frame prediction"


@dataclass(frozen=True)
class VideoNetworks:
    """Networks read from disk, on the CPU in float32 and evaluation mode; what the JSON says.

    discriminator : None where the generator was trained without one.
    """

    generator: ClipGenerator
    discriminator: Discriminator | None
    metadata: dict[str, Any]

    @property
    def spec(self) -> VideoSpec:
        """The networks' shape."""
        return self.generator.spec


def save_video_weights(stem: Path, spec: VideoSpec, parts: Mapping[str, nn.Module], about: dict[str, Any]) -> Path:
    """Write `<stem>.safetensors` and `<stem>.json`; return the former's path.

    parts : by name, "generator" and perhaps "discriminator". about : JSON-ready, is written beside what they are.
    """
    tensors = {
        f"{part}.{name}": tensor
        for part, network in parts.items()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    described = {"kind": KIND, "network": spec.name, **about}
    return write_tensors(stem, tensors, described, torch.float32)


def load_video_weights(path: Path | str) -> VideoNetworks:
    """What `save_video_weights` wrote; `path` is the stem, either file, or the folder of a finished run.

    Raises `InputError` when a file is missing or damaged, or holds something else.
    """
    stem = Path(path) / "weights" if Path(path).is_dir() else Path(path)

    def check(about: Description, size: int) -> None:
        if about.kind != KIND or about.network not in VIDEO_SPECS:
            raise ValueError(f"they are of the kind {about.kind!r} and the network {about.network!r}")

    tensors, about, weights_path = read_tensors(stem, check)
    spec = VIDEO_SPECS[about["network"]]
    generator = ClipGenerator(spec)
    modules: dict[str, nn.Module] = {"generator": generator}
    discriminator = None
    if any(name.startswith("discriminator.") for name in tensors):
        discriminator = clip_discriminator(spec)
        modules["discriminator"] = discriminator
    fill(modules, tensors, weights_path)
    return VideoNetworks(generator.eval(), discriminator.eval() if discriminator else None, about)
