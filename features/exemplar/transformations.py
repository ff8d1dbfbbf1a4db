"""The six transformations that turn one seed patch into the samples of a surrogate class.

Dosovitskiy et al. (arXiv 1406.6909v2), section 3.1, names translation, scaling, rotation and three changes of colour.
Ranges that we could not re-read there are from memory (`Ranges`). Ranges of factors and powers are drawn uniformly in
the logarithm, all others uniformly; the paper says neither.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

PATCH = 32  # pixels along the side of a patch
# Translation right and down, in patches; scale; rotation in radians; a factor for each principal component of colour;
# power, factor and addend of the saturation; the same of the value; addend of the hue.
PARAMETERS = 14


@dataclass(frozen=True)
class Ranges:
    """How far each transformation goes, at most.

    translation : as a fraction of the patch. scale : magnification, from 1/1.4 to 1.4. rotation : degrees.
    """

    translation: float = 0.2
    scale: tuple[float, float] = (0.7, 1.4)
    rotation: float = 20.0
    component: tuple[float, float] = (0.5, 2.0)
    power: tuple[float, float] = (0.25, 4.0)
    factor: tuple[float, float] = (0.7, 1.4)
    addend: float = 0.1
    hue: float = 0.1

    def bounds(self) -> Tensor:
        """(2, PARAMETERS): least and greatest, of logarithms where `_IS_LOGARITHM`."""

        def logarithms(low_high: tuple[float, float]) -> tuple[float, float]:
            return math.log(low_high[0]), math.log(low_high[1])

        def symmetric(most: float) -> tuple[float, float]:
            return -most, most

        tone = [logarithms(self.power), logarithms(self.factor), symmetric(self.addend)]
        rows = [
            *[symmetric(self.translation)] * 2,
            logarithms(self.scale),
            symmetric(math.radians(self.rotation)),
            *[logarithms(self.component)] * 3,
            *tone,
            *tone,
            symmetric(self.hue),
        ]
        return torch.tensor(rows).T


RANGES = Ranges()
_IS_LOGARITHM = torch.tensor([0, 0, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 0, 0], dtype=torch.bool)
# Half the side of what a transformed patch can show of the image: corners turned, shrunk and moved; an even number.
_REACH = PATCH / 2 * (math.cos(math.radians(20)) + math.sin(math.radians(20))) / RANGES.scale[0]
CONTEXT = 2 * math.ceil(_REACH + RANGES.translation * PATCH + 1)


def draw_parameters(count: int, generator: torch.Generator, ranges: Ranges = RANGES) -> Tensor:
    """`count` random transformations, float32 (count, PARAMETERS), on the CPU."""
    low, high = ranges.bounds()
    drawn = low + (high - low) * torch.rand(count, PARAMETERS, generator=generator)
    return torch.where(_IS_LOGARITHM, drawn.exp(), drawn)


def identity_parameters(count: int) -> Tensor:
    """`count` transformations that change nothing, float32 (count, PARAMETERS)."""
    return _IS_LOGARITHM.float().expand(count, PARAMETERS).clone()


@dataclass(frozen=True)
class Colours:
    """Mean and principal components of a corpus's pixels, scaled to 0..1.

    mean : (3,). components : (3, 3), one a column.
    """

    mean: Tensor
    components: Tensor

    @classmethod
    def of(cls, pixels: Tensor) -> Colours:
        """Estimate from pixels (n, 3), 0..1."""
        mean = pixels.double().mean(0)
        centred = pixels.double() - mean
        return cls(mean.float(), torch.linalg.eigh(centred.T @ centred)[1].float())


def transform(contexts: Tensor, parameters: Tensor, colours: Colours) -> Tensor:
    """Each context's central patch, transformed.

    contexts : uint8 (n, CONTEXT, CONTEXT, 3): a seed patch with the image around it.
    parameters : (n, PARAMETERS), on the same device.
    Returns float32 (n, 3, PATCH, PATCH), 0..1.
    """
    patches = _move(contexts.permute(0, 3, 1, 2).float().div_(255.0), parameters)
    return _change_colours(patches, parameters, colours)


def _move(contexts: Tensor, parameters: Tensor) -> Tensor:
    """Translation, scaling and rotation together, as one bilinear look-up in the context."""
    right, down, scale, angle = parameters[:, :4].unbind(1)
    cosine, sine = torch.cos(angle) / scale, torch.sin(angle) / scale
    inside = PATCH / contexts.shape[2]
    # The patch's content moves right: it is looked up further left.
    shift = 2 * inside
    theta = torch.stack(
        [
            torch.stack([inside * cosine, inside * sine, -shift * right], 1),
            torch.stack([-inside * sine, inside * cosine, -shift * down], 1),
        ],
        1,
    )
    grid = functional.affine_grid(theta, [len(contexts), 3, PATCH, PATCH], align_corners=False)
    return functional.grid_sample(contexts, grid, "bilinear", "reflection", align_corners=False)


def _change_colours(patches: Tensor, parameters: Tensor, colours: Colours) -> Tensor:
    """Contrast of the principal components; power, factor and addend of saturation and value; hue."""
    components, mean = colours.components, colours.mean
    matrix = torch.einsum("ij,nj,kj->nik", components, parameters[:, 4:7], components)
    offset = mean - (matrix @ mean)
    mixed = torch.baddbmm(offset[:, :, None], matrix, patches.flatten(2)).clamp_(0.0, 1.0)
    hue, saturation, value = to_hsv(mixed.view(-1, 3, PATCH, PATCH))
    power, factor, addend = parameters[:, 7:10, None, None].unbind(1)
    saturation = saturation.pow(power).mul_(factor).add_(addend).clamp_(0.0, 1.0)
    power, factor, addend = parameters[:, 10:13, None, None].unbind(1)
    value = value.pow(power).mul_(factor).add_(addend).clamp_(0.0, 1.0)
    return from_hsv(hue + parameters[:, 13, None, None], saturation, value)


def to_hsv(pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue (of one turn), saturation and value of pixels (n, 3, ...), 0..1: each (n, ...). Grey has hue 0."""
    red, green, blue = pixels.unbind(1)
    value, lowest = pixels.amax(1), pixels.amin(1)
    chroma = value - lowest
    safe = torch.where(chroma > 0, chroma, 1.0)
    sixth = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2.0 + (blue - red) / safe, 4.0 + (red - green) / safe),
    )
    hue = torch.where(chroma > 0, sixth / 6.0, 0.0)
    return hue - hue.floor(), chroma / torch.where(value > 0, value, 1.0), value


def from_hsv(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """The reverse of `to_hsv`; the hue may be any number of turns. (n, ...) each; returns (n, 3, ...)."""
    sixth, chroma = hue * 6.0, value * saturation
    channels = []
    for start in (5.0, 3.0, 1.0):
        position = (sixth + start).remainder(6.0)
        channels.append(value - chroma * torch.minimum(position, 4.0 - position).clamp_(0.0, 1.0))
    return torch.stack(channels, 1)
