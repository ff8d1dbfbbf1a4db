"""A generator that is given frames and makes those that follow, and the discriminator of short clips.

Both see time as channels: frames are stacked. The generator makes all frames that follow at once, not one after
another.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dcgan_features.data.utils.identity import known_as
from dcgan_features.gan.networks import LEAK, Discriminator
from dcgan_features.gan.spec import Convolution, NetworkSpec


@dataclass(frozen=True)
class VideoSpec:
    """The networks of frame prediction.

    size, channels : of a frame, in pixels and colours.
    given, predicted : frames that the generator is given, and that it makes of them.
    window : frames, one after another, that the discriminator judges together; 1 is a judge of single frames.
    widths : maps of the generator's encoder, which halves the size with each, and in reverse of its decoder.
    blocks : residual blocks of two 3x3 convolutions between the two.
    discriminator : its convolutions.
    """

    name: str
    size: int
    channels: int
    given: int
    predicted: int
    window: int
    widths: tuple[int, ...]
    blocks: int
    discriminator: tuple[Convolution, ...]

    @property
    def length(self) -> int:
        """Frames of a clip."""
        return self.given + self.predicted

    @property
    def judge(self) -> NetworkSpec:
        """The discriminator, as a network of images that have a channel for each frame and colour."""
        channels = self.window * self.channels
        start = (channels, self.size, self.size)
        return NetworkSpec(f"{self.name}-judge", self.size, channels, 1, "uniform", self.discriminator, start, ())

    def to_dict(self) -> dict[str, Any]:
        """The specification as JSON-ready data."""
        return asdict(self)


def _halving(*maps: int) -> tuple[Convolution, ...]:
    return tuple(Convolution(count, 4, 2) for count in maps)


# Kernels of 4 at a stride of 2 everywhere, which leave no checkerboard.
MOVING_64 = VideoSpec("moving-64", 64, 1, 10, 10, 5, (16, 32, 64), 2, _halving(16, 32, 64, 128))
VIDEO_SPECS: dict[str, VideoSpec] = {
    spec.name: spec
    for spec in (
        MOVING_64,
        replace(MOVING_64, name="moving-64-frames", window=1),
        replace(MOVING_64, name="clips-64", channels=3, given=4, predicted=4),
        VideoSpec("moving-32", 32, 1, 5, 5, 5, (16, 32, 64), 1, _halving(16, 32, 64)),
        VideoSpec("moving-32-frames", 32, 1, 5, 5, 1, (16, 32, 64), 1, _halving(16, 32, 64)),
    )
}


def _initialise(module: nn.Module, generator: torch.Generator | None) -> None:
    """Weights N(0, 0.02), gains 1, shifts 0, as a DCGAN's."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class _Residual(nn.Module):
    """The maps, and what two convolutions add to them."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(maps, maps, 3, 1, 1, bias=False) for _ in range(2))
        self.normalisations = nn.ModuleList(nn.BatchNorm2d(maps) for _ in range(2))

    def forward(self, maps: Tensor) -> Tensor:
        hidden = functional.relu(self.normalisations[0](self.convolutions[0](maps)))
        return functional.relu(maps + self.normalisations[1](self.convolutions[1](hidden)))


@known_as("gan.video.ClipGenerator")
class ClipGenerator(nn.Module):
    """Strided convolutions, residual blocks, transposed convolutions that also see the encoder's maps.

    The last layer is linear, not a tanh as in a DCGAN: where nearly all pixels are black a tanh saturates at black, and
    learns no more. Batch normalisation everywhere but on the first and the last layer; leaky rectifiers before the
    blocks, rectifiers after them, as in a DCGAN. Maps of the encoder beside those of the decoder: Ronneberger, Fischer
    & Brox, U-Net (MICCAI 2015).

    spec : the network's shape. generator : source of the initial weights; None draws from torch's global one.
    """

    def __init__(self, spec: VideoSpec, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.spec = spec
        channels = (spec.given * spec.channels, *spec.widths)
        self.encoder = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1, bias=False) for a, b in itertools.pairwise(channels))
        self.encoder_normalisations = nn.ModuleList(nn.BatchNorm2d(maps) for maps in spec.widths[1:])
        self.blocks = nn.ModuleList(_Residual(spec.widths[-1]) for _ in range(spec.blocks))
        inwards = list(reversed(spec.widths))
        self.decoder = nn.ModuleList(
            nn.ConvTranspose2d(a if index == 0 else 2 * a, b, 4, 2, 1, bias=False)
            for index, (a, b) in enumerate(itertools.pairwise(inwards))
        )
        self.decoder_normalisations = nn.ModuleList(nn.BatchNorm2d(maps) for maps in inwards[1:])
        last = inwards[-1] * (2 if len(inwards) > 1 else 1)
        self.last = nn.ConvTranspose2d(last, spec.predicted * spec.channels, 4, 2, 1)
        _initialise(self, generator)

    def forward(self, frames: Tensor) -> Tensor:
        """The frames that follow, about -1..1, (n, predicted x channels, size, size).

        frames : -1..1, (n, given x channels, size, size), the frames stacked, the first one's colours first.
        """
        encoded = [functional.leaky_relu(self.encoder[0](frames), LEAK)]  # (n, widths[0], size / 2, size / 2)
        for convolution, normalisation in zip(list(self.encoder)[1:], self.encoder_normalisations, strict=True):
            encoded.append(functional.leaky_relu(normalisation(convolution(encoded[-1])), LEAK))
        hidden = encoded.pop()
        for block in self.blocks:
            hidden = block(hidden)
        for convolution, normalisation in zip(self.decoder, self.decoder_normalisations, strict=True):
            hidden = functional.relu(normalisation(convolution(hidden)))
            hidden = torch.cat([hidden, encoded.pop()], 1)
        made: Tensor = self.last(hidden)
        return made


def clip_discriminator(spec: VideoSpec, generator: torch.Generator | None = None) -> Discriminator:
    """A DCGAN's discriminator whose channels are `window` frames; one logit a clip."""
    return Discriminator(spec.judge, generator)


def stack_frames(clips: Tensor) -> Tensor:
    """Pixels uint8 (n, frames, height, width, channels) to float32 -1..1, (n, frames x channels, height, width)."""
    count, frames, height, width, channels = clips.shape
    scaled = clips.permute(0, 1, 4, 2, 3).float().div_(127.5).sub_(1.0)
    return scaled.reshape(count, frames * channels, height, width).contiguous(memory_format=torch.channels_last)


def unstack_frames(stacked: Tensor, channels: int) -> Tensor:
    """The reverse of `stack_frames`, rounded and clamped: uint8 (n, frames, height, width, channels)."""
    count, stack, height, width = stacked.shape
    frames = stacked.float().reshape(count, stack // channels, channels, height, width)
    pixels = frames.add(1.0).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return pixels.permute(0, 1, 3, 4, 2).contiguous()


def stacked_pixels(clips: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Clips uint8 (n, frames, height, width, channels) as images (n, height, width, frames x channels)."""
    count, frames, height, width, channels = clips.shape
    return np.ascontiguousarray(clips.transpose(0, 2, 3, 1, 4)).reshape(count, height, width, frames * channels)
