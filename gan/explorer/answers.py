"""What the networks answer to the page's questions: functions from a sampler and named samples to images.

The mathematics is that of `gan.latent`: `paths`, `directions`, `ablation` and `guided_backprop`.
"""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.explorer.state import SLOTS, Edges, Name
from dcgan_features.gan.figures.filters import as_picture
from dcgan_features.gan.latent.ablation import ForgottenObject, fit_object, images_without
from dcgan_features.gan.latent.directions import Directions, find_directions
from dcgan_features.gan.latent.guided_backprop import gradients, receptive_field, strongest
from dcgan_features.gan.latent.paths import along, around, combine, combine_pixels, evenly, interpolate
from dcgan_features.gan.latent.sampler import Images, LatentSampler

DIRECTIONS = 6
_MOST_KEPT = 2000  # images of named samples


def png(image: Images) -> bytes:
    """An image, uint8 (height, width, 3 or 1), as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image).save(file, format="PNG")
    return file.getvalue()


def address(image: Images) -> str:
    """An image as the address of an `<img>`, the image itself within."""
    return f"data:image/png;base64,{base64.b64encode(png(image)).decode()}"


@dataclass(frozen=True)
class Result:
    """Y = A - B + C.

    means : the image of each slot's mean z, uint8 (3, height, width, channels). around : Y in the middle of its 8
    neighbours, (9, ...). control : the same arithmetic on the exemplars' pixels, (height, width, channels).
    """

    means: Images
    around: Images
    control: Images


@dataclass(frozen=True)
class Forgotten:
    """Images (n, height, width, channels) before and after `dropped` maps of those found are dropped."""

    before: Images
    after: Images
    found: ForgottenObject
    dropped: int


@dataclass(frozen=True)
class Looked:
    """A sample as one map of the discriminator sees it.

    response : the strongest on the map. frame : the pixels that it depends on. gradient : guided, as a picture.
    """

    name: Name
    image: Images
    response: float
    frame: Edges
    gradient: Images


class Answers:
    """One sampler's answers. Images of named samples and directions are kept once they are made; safe in threads."""

    def __init__(self, sampler: LatentSampler) -> None:
        self.sampler = sampler
        self._images: dict[Name, Images] = {}
        self._directions: dict[int, Directions] = {}
        self._lock = threading.Lock()

    def points(self, names: Sequence[Name]) -> Tensor:
        """The z of samples, (n, latent_size)."""
        return torch.cat([self.sampler.latent(name.seed, [name.index]) for name in names])

    def images(self, names: Sequence[Name]) -> Images:
        """Samples, uint8 (n, height, width, channels)."""
        kept = dict(self._images)
        missing = [name for name in dict.fromkeys(names) if name not in kept]
        if missing:
            kept |= zip(missing, self.sampler.images(self.points(missing)), strict=True)
            self._images = kept if len(kept) <= _MOST_KEPT else {}
        return np.stack([kept[name] for name in names])

    def arithmetic(self, slots: Mapping[str, Sequence[Name]]) -> Result:
        """A - B + C of the slots' means; the neighbours' noise is that of the first exemplar's seed."""
        latents = [self.points(slots[slot]) for slot in SLOTS]
        centre = combine(*latents)
        means = torch.stack([latent.mean(0) for latent in latents])
        images = self.sampler.images(torch.cat([means, around(centre, slots[SLOTS[0]][0].seed)]))
        control = combine_pixels(*(self.images(slots[slot]) for slot in SLOTS))
        return Result(images[: len(SLOTS)], images[len(SLOTS) :], control)

    def walk(self, names: Sequence[Name], steps: int) -> Images:
        """From each sample to the next: (n - 1, steps + 1, height, width, channels), both ends included."""
        points, parts = self.points(names), evenly(0.0, 1.0, steps + 1)
        ways = [self._between(points[stage], points[stage + 1], parts) for stage in range(len(names) - 1)]
        images = self.sampler.images(torch.cat(ways))
        return images.reshape(len(ways), steps + 1, *images.shape[1:])

    def walk_at(self, names: Sequence[Name], place: float) -> Images:
        """The image (height, width, channels) at a place of the walk: 0 the first sample, 1 the second, and so on."""
        stage = min(int(place), len(names) - 2)
        start, end = self.points(names[stage : stage + 2])
        image: Images = self.sampler.images(self._between(start, end, [place - stage]))[0]
        return image

    def _between(self, start: Tensor, end: Tensor, parts: Sequence[float]) -> Tensor:
        return interpolate(start, end, parts, self.sampler.spec.latent)

    def directions(self, layer: int) -> Directions:
        """The first directions of a hidden layer of the generator, found once."""
        with self._lock:
            if layer not in self._directions:
                count = min(DIRECTIONS, self.sampler.spec.latent_size)
                self._directions[layer] = find_directions(self.sampler, count, layer)
            return self._directions[layer]

    def moved(self, name: Name, layer: int, amounts: Sequence[float]) -> Images:
        """A sample moved by so many standard deviations of each direction, (height, width, channels)."""
        point = self.points([name])
        for step, amount in zip(self.directions(layer).steps, amounts, strict=False):
            point = along(point, step, [amount])[:, 0]
        image: Images = self.sampler.images(point)[0]
        return image

    def forget(self, boxes: Sequence[tuple[Name, Edges]], shown: Sequence[Name], maps: int | None = None) -> Forgotten:
        """The shown samples before and after the `maps` maps that speak loudest for what is in the boxes are dropped.

        Raises `InputError` where no map does, and as `gan.latent.ablation.fit_object`.
        """
        boxed = sorted({name for name, _ in boxes})
        numbered = [(boxed.index(name), *edges) for name, edges in boxes]
        found = fit_object(self.sampler, self.points(boxed) if boxed else self.points(shown), numbered)
        dropped = found.maps(maps)
        if not dropped:
            raise InputError("no map speaks for what is in the boxes; draw more of them, or closer ones")
        after = images_without(self.sampler, self.points(shown), dropped, found.layer)
        return Forgotten(self.images(shown), after, found, len(dropped))

    def looked(self, names: Sequence[Name], layer: int, number: int) -> list[Looked]:
        """Samples as map `number` of a discriminator's layer sees them, that of the strongest response first.

        Raises `InputError` for a layer or a map that is not there.
        """
        discriminator, spec = self.sampler.discriminator, self.sampler.spec
        if layer not in range(len(spec.discriminator)):
            raise InputError(f"there is no layer {layer}; the layers are 0 to {len(spec.discriminator) - 1}")
        if number not in range(spec.discriminator[layer].maps):
            raise InputError(f"layer {layer} has the maps 0 to {spec.discriminator[layer].maps - 1}, not {number}")
        images = self.images(names)
        found = strongest(discriminator, images, layer, len(images), [number])
        order, rows, columns = found.images[0], found.rows[0], found.columns[0]
        guided = gradients(discriminator, images[order], layer, [number] * len(order), rows, columns)
        field, looked = receptive_field(spec, layer), []
        for place, index in enumerate(order):
            top, bottom = field.span(int(rows[place]), spec.image_size)
            left, right = field.span(int(columns[place]), spec.image_size)
            looked.append(
                Looked(
                    names[index],
                    images[index],
                    float(found.values[0, place]),
                    (left, top, right, bottom),
                    as_picture(guided[place]),
                )
            )
        return looked
