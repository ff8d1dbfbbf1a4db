"""The convolutional networks of Dosovitskiy et al. (arXiv 1406.6909v2), section 3: no batch normalisation.

`64c5-128f` is a layer of 64 maps of 5 x 5 kernels, then 128 fully connected units; a softmax over the surrogate classes
follows. Rectifiers after every layer, 2 x 2 max-pooling after the first two convolutions. What our notes of the paper
leave open is a reconstruction: convolutions are not padded.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn
from torch.nn import functional

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.identity import known_as
from dcgan_features.features.exemplar.transformations import PATCH

SIZES = {
    "small": "64c5-64c5-128f",
    "middle": "64c5-128c5-256c5-512f",
    "large": "92c5-256c5-512c5-1024f",
}
_POOLED = 2  # leading convolutions that a 2 x 2 max-pooling follows
_LAYER = re.compile(r"([1-9]\d*)c([1-9]\d*)")


def parse(architecture: str) -> tuple[list[tuple[int, int]], int]:
    """(maps, kernel) of each convolution and the number of fully connected units, of a name in `SIZES` or a notation.

    Raises `InputError` for anything else, and for kernels that a patch of 32 x 32 pixels is too small for.
    """
    *convolutions, last = SIZES.get(architecture, architecture).split("-")
    matches = [_LAYER.fullmatch(layer) for layer in convolutions]
    units = re.fullmatch(r"([1-9]\d*)f", last)
    if not matches or units is None or not all(matches):
        raise InputError(
            f"the network '{architecture}' is neither one of {', '.join(SIZES)} nor written like {SIZES['small']}"
        )
    layers = [(int(match[1]), int(match[2])) for match in matches if match]
    if final_size(layers, PATCH) < 1:
        raise InputError(f"the network '{architecture}' needs patches larger than {PATCH}x{PATCH}; use smaller kernels")
    return layers, int(units[1])


def final_size(layers: list[tuple[int, int]], size: int) -> int:
    """Side of what the convolutions leave of a square image, before the fully connected layer; below 1 if nothing."""
    for index, (_, kernel) in enumerate(layers):
        size = size - kernel + 1
        if index < _POOLED:
            size //= 2
    return size


@known_as("features.exemplar.networks.ExemplarNetwork")
class ExemplarNetwork(nn.Module):
    """Rectified convolutions and a fully connected layer, which is a convolution too, and the softmax's logits.

    architecture : name in `SIZES`, or the paper's notation.
    classes : surrogate classes; 0 for a network that only makes features.
    generator : source of the initial weights, of N(0, 2 / fan-in) with biases 0, in the logits' layer 100 times
        smaller; None draws from torch's global one.
    Its buffers `mean` and `scale` (3,) are of the training patches' pixels, 0..1, the latter one over their deviation;
    `class_of_seed` (classes,) says which class each seed belongs to, at first its own.
    """

    mean: Tensor
    scale: Tensor
    class_of_seed: Tensor

    def __init__(self, architecture: str, classes: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.architecture = architecture
        convolutions, units = parse(architecture)
        channels = 3
        self.layers = nn.ModuleList()
        for maps, kernel in (*convolutions, (units, final_size(convolutions, PATCH))):
            self.layers.append(nn.Conv2d(channels, maps, kernel))
            channels = maps
        self.logits = nn.Linear(units, classes) if classes else None
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("scale", torch.ones(3))
        if classes:
            self.register_buffer("class_of_seed", torch.arange(classes))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        if self.logits is not None:
            with torch.no_grad():
                self.logits.weight.mul_(0.01)

    def normalise(self, pixels: Tensor) -> Tensor:
        """Pixels (n, 3, height, width), 0..1, without the training patches' mean and over their deviation."""
        return (pixels - self.mean[:, None, None]) * self.scale[:, None, None]

    def maps(self, pixels: Tensor) -> list[Tensor]:
        """The rectified responses of every layer but the softmax, before any pooling.

        pixels : (n, 3, height, width), normalised; of 32 x 32 or more, of which every window of 32 x 32 is seen.
        Returns one tensor (n, maps, height, width) a layer, first layer first.
        """
        outputs = []
        hidden = pixels
        for index, layer in enumerate(self.layers):
            outputs.append(functional.relu(layer(hidden)))
            hidden = functional.max_pool2d(outputs[-1], 2) if index < _POOLED else outputs[-1]
        return outputs

    def forward(self, pixels: Tensor, dropout: float = 0.0, generator: torch.Generator | None = None) -> Tensor:
        """Logits (n, classes) of patches (n, 3, 32, 32), normalised.

        dropout : probability that a fully connected unit is set to 0, the others being scaled up.
        """
        hidden = pixels
        for index, layer in enumerate(self.layers):
            hidden = layer(hidden)
            if index < min(_POOLED, len(self.layers) - 1):  # pooled first: the same, and a quarter to rectify
                hidden = functional.max_pool2d(hidden, 2)
            hidden = functional.relu(hidden)
        hidden = hidden.flatten(1)
        if dropout:
            kept = torch.rand(hidden.shape, generator=generator).to(hidden.device) >= dropout
            hidden = hidden * kept / (1.0 - dropout)
        if self.logits is None:
            raise RuntimeError("this network has no softmax layer: it only makes features")
        logits: Tensor = self.logits(hidden)
        return logits
