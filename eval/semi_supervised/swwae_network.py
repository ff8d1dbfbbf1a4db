"""The network of the stacked what-where autoencoder (Zhao, Mathieu, Goroshin and LeCun, arXiv 1506.02351).

Max-pooling tells the next layer what it found, and the decoder where: unpooling puts each of the decoder's values
where the encoder had the window's largest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from dcgan_features.data.utils.identity import known_as
from dcgan_features.eval.neural.image_rows import Shape, initialise

_LAYER = re.compile(r"\(([1-9]\d*)\)([1-9]\d*)c|([1-9]\d*)p")


@dataclass(frozen=True)
class Stage:
    """Convolutions, each (maps, kernel), and the max-pooling that follows them, with windows of pooling x pooling."""

    convolutions: tuple[tuple[int, int], ...]
    pooling: int


def parse(layers: str) -> list[Stage]:
    """The stages of the paper's notation: `(32)5c-2p` is 32 maps of 5 x 5 kernels, then 2 x 2 max-pooling.

    Raises ValueError for anything else, for kernels of an even size and where the last layer is not a pooling.
    """
    stages: list[Stage] = []
    convolutions: list[tuple[int, int]] = []
    for layer in layers.split("-"):
        match = _LAYER.fullmatch(layer)
        if match is None or (match[2] and int(match[2]) % 2 == 0):
            raise ValueError(f"the layer {layer!r} of layers={layers!r} is not written like (32)5c, of odd size, or 2p")
        if match[3]:
            stages.append(Stage(tuple(convolutions), int(match[3])))
            convolutions = []
        else:
            convolutions.append((int(match[1]), int(match[2])))
    if convolutions:
        raise ValueError(f"layers={layers!r} must end in a pooling, like 2p")
    return stages


def pool(images: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The largest value of each window of size x size, and where in its map it was, int64, of (n, maps, h, w).

    Windows that the border cuts off count; the result is (n, maps, ceil(h / size), ceil(w / size)).
    """
    values, switches = functional.max_pool2d(images, size, ceil_mode=True, return_indices=True)
    return values, switches


def unpool(values: Tensor, switches: Tensor, size: int, shape: tuple[int, int]) -> Tensor:
    """Each value where the switch says, and 0 elsewhere, in maps of the shape (h, w): the transpose of `pool`."""
    return functional.max_unpool2d(values, switches, (size, size), output_size=shape)


@known_as("eval.what_where.WhatWhereNetwork")
class WhatWhereNetwork(nn.Module):
    """Encoder of convolutions and max-pooling, mirrored decoder, and a softmax's logits on the encoder's top.

    stages : see `parse`. shape : (height, width, channels) of the images. classes : of the softmax.
    dropout : probability that one of the encoder's topmost values is set to 0 on the way to the logits, in training.
    stage_dropout : probability that a value of a pooled stage is set to 0 on its way on, in training: to the next
        stage, and from the topmost one to the decoder and to the logits' own dropout.
    batch_norm : whether there is batch normalisation after every convolution but the decoder's last.
    decoder : whether there is a decoder.
    """

    def __init__(
        self,
        stages: list[Stage],
        shape: Shape,
        classes: int,
        *,
        dropout: float,
        stage_dropout: float = 0.0,
        batch_norm: bool,
        decoder: bool,
    ) -> None:
        super().__init__()
        height, width, channels = shape
        self.stages = stages
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        for stage in stages:
            up: list[nn.Module] = []
            down: list[nn.Module] = []
            for maps, kernel in stage.convolutions:
                outermost = not self.encoder and not up
                bias = not batch_norm
                # Rectified after pooling, which is the same as before it, and a quarter of the work.
                up += [nn.ReLU()] * bool(up)
                up += [nn.Conv2d(channels, maps, kernel, padding=kernel // 2, bias=bias)]
                up += [nn.BatchNorm2d(maps)] * batch_norm
                back: list[nn.Module] = [
                    nn.ConvTranspose2d(maps, channels, kernel, padding=kernel // 2, bias=bias or outermost)
                ]
                if not outermost:
                    back += [nn.BatchNorm2d(channels)] * batch_norm + [nn.ReLU()]
                down = back + down
                channels = maps
            self.encoder.append(nn.Sequential(*up))
            self.decoder.append(nn.Sequential(*down))
            height, width = -(-height // stage.pooling), -(-width // stage.pooling)
        self.dropout, self.stage_dropout = nn.Dropout(dropout), nn.Dropout(stage_dropout)
        self.logits = nn.Linear(channels * height * width, classes)
        initialise(self, "he")
        if not decoder:
            self.decoder = nn.ModuleList()
        self.to(memory_format=torch.channels_last)

    def encode(self, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """What each stage found, rectified, and where, of images (n, channels, height, width); lowest stage first.

        Stage dropout has been at the topmost one; of the others, which the decoder is to find, it spares what is
        returned.
        """
        what: list[Tensor] = []
        where: list[Tensor] = []
        hidden = images
        for stage, layers in zip(self.stages, self.encoder, strict=True):
            hidden, switches = pool(layers(hidden), stage.pooling)
            hidden = functional.relu(hidden)
            what.append(hidden)
            where.append(switches)
            hidden = self.stage_dropout(hidden)
        return [*what[:-1], hidden], where

    def decode(self, images: Tensor, what: list[Tensor], where: list[Tensor]) -> list[Tensor]:
        """What the decoder makes of the topmost stage: the images, and what each stage but that one found."""
        inputs = [images, *what[:-1]]
        made: list[Tensor] = []
        hidden = what[-1]
        for index in reversed(range(len(self.stages))):
            shape = (inputs[index].shape[2], inputs[index].shape[3])
            hidden = self.decoder[index](unpool(hidden, where[index], self.stages[index].pooling, shape))
            made.insert(0, hidden)
        return made

    def classify(self, top: Tensor) -> Tensor:
        """Logits (n, classes) of what the topmost stage found."""
        logits: Tensor = self.logits(self.dropout(top.flatten(1)))
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, channels, height, width)."""
        return self.classify(self.encode(images)[0][-1])
