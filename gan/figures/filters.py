"""Figures of what a discriminator's maps respond to, on images of a source: the kinds `filters` and `activations`.

Source: Radford, Metz & Chintala (2016), section 5.1 and figure 5: guided gradients of the first six maps of the last
convolution at their maximal responses, beside those of an untrained network. Layout and everything about
`activations` are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dcgan_features import data
from dcgan_features.data.utils.cli import progress
from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.batch_norm import evenly_spaced, reestimate_batch_statistics
from dcgan_features.gan.figures.grid import Cell, Row, Sheet
from dcgan_features.gan.figures.options import numbers
from dcgan_features.gan.latent.guided_backprop import (
    Strongest,
    gradients,
    neighbour_correlation,
    receptive_field,
    strongest,
)
from dcgan_features.gan.latent.sampler import Images
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.spec import NetworkSpec

GREY = 128  # no gradient
PADDING = 255  # what a receptive field sees beyond the edge is drawn white


@dataclass(frozen=True)
class Looked:
    """A discriminator, and the images that excite the maps of a layer most.

    strongest : of all maps of the layer; see `gan.latent.guided_backprop.strongest`.
    """

    name: str
    discriminator: Discriminator
    strongest: Strongest

    def correlation(self, images: Images, layer: int) -> tuple[float, float]:
        """Of neighbouring pixels in the guided gradients of all maps' strongest responses: mean, half a 95% interval.

        Noise has none; the more a gradient draws edges and areas, the higher it is. Maps never above 0 do not count.
        """
        first = self.strongest
        maps = np.flatnonzero(first.values[:, 0] > 0)
        found = gradients(
            self.discriminator, images[first.images[maps, 0]], layer, maps, first.rows[maps, 0], first.columns[maps, 0]
        )
        values = neighbour_correlation(found)
        return float(values.mean()), 1.96 * float(values.std(ddof=1)) / len(values) ** 0.5


def look(name: str, discriminator: Discriminator, images: Images, layer: int, count: int) -> Looked:
    """Batch statistics estimated on the images, and then each map's `count` strongest ones."""
    reestimate_batch_statistics(discriminator, images)
    with progress(len(images), f"images through the {name} network") as advance:
        return Looked(name, discriminator, strongest(discriminator, images, layer, count, advance=advance))


def untrained(spec: NetworkSpec, device: torch.device, seed: int = 0) -> Discriminator:
    """The same network with weights N(0, 0.02), as before training."""
    return Discriminator(spec, torch.Generator().manual_seed(seed)).to(device)


def filters_sheet(networks: Sequence[Looked], images: Images, layer: int, maps: Sequence[int], source: str) -> Sheet:
    """A row for each map: for each network its strongest images, framed where the map looks, and guided gradients."""
    count = networks[0].strongest.images.shape[1]
    rows = []
    for number in maps:
        cells: list[Cell | None] = []
        for network in networks:
            found = network.strongest
            places = found.rows[number], found.columns[number]
            chosen = images[found.images[number]]
            guided = gradients(network.discriminator, chosen, layer, [number] * count, *places)
            for index, gradient in enumerate(guided):
                cells += [_framed(network, images, layer, number, index), Cell(as_picture(gradient))]
        rows.append(Row(cells, f"map {number}"))
    spec = networks[0].discriminator.spec
    total = spec.discriminator[layer].maps
    columns = [text for network in networks for text in (f"{network.name} network", *[""] * (2 * count - 1))]
    measured = [(network.name, *network.correlation(images, layer)) for network in networks]
    text = ", ".join(f"{name} {value:.3f} ± {half:.3f}" for name, value, half in measured)
    note = (
        f"{_about(images, source)} Under each the response; framed: the pixels that it depends on. Right of it the\n"
        "guided gradient by pixels, grey where 0, each stretched to its own largest value. Correlation of neighbouring "
        f"pixels in the gradients of all {total} maps,\nmean and 95% interval: {text}."
    )
    title = f"Guided back-propagation: layer {layer} of {spec.name}'s discriminator"
    return Sheet(title, rows, columns, note, range(2 * count, 2 * count * len(networks), 2 * count))


def activations_sheet(
    network: Looked, images: Images, layer: int, maps: Sequence[int], source: str, crop: bool = False
) -> Sheet:
    """A row for each map: the images that excite it most, the receptive field framed, or cut out."""
    count = network.strongest.images.shape[1]
    rows = []
    for number in maps:
        cells = [_framed(network, images, layer, number, index) for index in range(count)]
        rows.append(Row([_cropped(network, cell, layer) for cell in cells] if crop else cells, f"map {number}"))
    spec = network.discriminator.spec
    field = receptive_field(spec, layer)
    shown = "Shown is" if crop else "Framed is"
    note = (
        f"{_about(images, source)} Under each the response.\n{shown} what it depends on: "
        f"{field.size} x {field.size} pixels, {'white' if crop else 'cut'} beyond the image's edges."
    )
    return Sheet(f"What excites layer {layer} of {spec.name}'s discriminator most", rows, note=note)


def _about(images: Images, source: str) -> str:
    return f"Those of {len(images):,} images ({source}) that excite the map most, the strongest first."


def _framed(network: Looked, images: Images, layer: int, number: int, index: int) -> Cell:
    found, spec = network.strongest, network.discriminator.spec
    field = receptive_field(spec, layer)
    top, bottom = field.span(int(found.rows[number, index]), spec.image_size)
    left, right = field.span(int(found.columns[number, index]), spec.image_size)
    image = images[found.images[number, index]]
    return Cell(image, f"{found.values[number, index]:.2f}", [(left, top, right, bottom)])


def _cropped(network: Looked, cell: Cell, layer: int) -> Cell:
    """The framed part alone, on white where the receptive field is cut by the edge."""
    spec = network.discriminator.spec
    side = min(receptive_field(spec, layer).size, spec.image_size)
    left, top, right, bottom = cell.boxes[0]
    picture = np.full((side, side, cell.image.shape[2]), PADDING, np.uint8)
    above, before = (side - (bottom - top) if top == 0 else 0), (side - (right - left) if left == 0 else 0)
    picture[above : above + bottom - top, before : before + right - left] = cell.image[top:bottom, left:right]
    return Cell(picture, cell.caption)


def as_picture(gradient: NDArray[np.float32]) -> Images:
    """Gradients (height, width, channels) around grey; the largest becomes black or white."""
    largest = max(float(np.abs(gradient).max()), 1e-30)
    picture: Images = np.rint(GREY + (255 - GREY) * gradient / largest).clip(0, 255).astype(np.uint8)
    return picture


def source_images(source: str, root: Path | None, spec: NetworkSpec, count: int) -> tuple[Images, str]:
    """`count` images of the source, evenly spaced, in the network's size; and what to call them."""
    images, description, _ = data.training_images([source], root, spec.image_size)
    if images.shape[3] != spec.channels:
        raise InputError(f"the network {spec.name} takes {spec.channels} channels, {source} has {images.shape[3]}")
    return evenly_spaced(images, count), description


def chosen_maps(spec: NetworkSpec, layer: int | None, maps: str) -> tuple[int, list[int]]:
    """Return the layer, the last for None, and the numbers of maps in it that `maps` names, such as "0-5,12".

    Raises `InputError` for a layer or a map that the discriminator does not have.
    """
    last = len(spec.discriminator) - 1
    layer = last if layer is None else layer
    if layer > last:
        raise InputError(f"--layer {layer}: the discriminator of {spec.name} has the layers 0 to {last}")
    chosen, total = numbers(maps, "--maps"), spec.discriminator[layer].maps
    if max(chosen) >= total:
        raise InputError(f"--maps {max(chosen)}: layer {layer} of {spec.name} has the maps 0 to {total - 1}")
    return layer, chosen
