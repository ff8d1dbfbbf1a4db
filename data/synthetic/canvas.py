"""What the stand-ins are drawn with: blocks of images, coordinates, covers, colours and noise.

A block of 250 images is fixed by its key (seed, part, block), so an image depends neither on how many are asked for
nor on the others. Arithmetic that machines round differently (sines, cosines) is kept to the angles, in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.synthetic.shapes import Field
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.random_streams import raw_words

BLOCK = 250
PARTS = {"train": 0, "test": 1}

Key = tuple[int, int, int]  # seed, part, block


def block_count(n: int, seed: int, part: str) -> int:
    """Blocks that hold `n` images. Raises `InputError` for no images or a negative seed, ValueError for the part."""
    if part not in PARTS:
        raise ValueError(f"part must be one of {sorted(PARTS)}, not {part!r}")
    if n < 1 or seed < 0:
        raise InputError(f"the stand-in cannot be made with {n} images and seed {seed}; give at least 1 and 0")
    return -(-n // BLOCK)


def in_blocks(
    n: int, seed: int, part: str, make: Callable[[Key], tuple[NDArray[Any], NDArray[Any]]]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The first `n` rows of what `make` gives for one block after another: images and what they show, (250, ...) each.

    part : "train" or "test". Raises as `block_count` does.
    """
    results: tuple[NDArray[Any], ...] = ()
    for block in range(block_count(n, seed, part)):
        made = make((seed, PARTS[part], block))
        results = results or tuple(np.empty((n, *array.shape[1:]), array.dtype) for array in made)
        for result, array in zip(results, made, strict=True):
            rows = result[block * BLOCK : (block + 1) * BLOCK]
            rows[:] = array[: len(rows)]
    images, shown = results
    return images, shown


def balanced_labels(draws: NDArray[np.float64], classes: int) -> NDArray[np.int64]:
    """Equally many labels of each class in the order of `draws` (n,), n a multiple of `classes`; int64 (n,)."""
    labels: NDArray[np.int64] = np.argsort(draws, kind="stable").argsort(kind="stable") % classes
    return labels


def pixel_centres(pixels: int) -> tuple[Field, Field]:
    """Centres of the pixels of square images, from the left and from the top edge: (1, 1, pixels), (1, pixels, 1)."""
    centres = (np.arange(pixels, dtype=np.float32) + np.float32(0.5))[None]
    return centres[:, None, :], centres[:, :, None]


def own_frame(x: Any, y: Any, angle: Any, pixels: int) -> tuple[Field, Field]:
    """Pixel centres in the frame of something at (x, y) turned by `angle`; in pixels, two of (n, pixels, pixels)."""
    cosine, sine = (per_image(f(angle)) for f in (np.cos, np.sin))
    columns, rows = pixel_centres(pixels)
    across, down = columns - per_image(x), rows - per_image(y)
    return cosine * across + sine * down, cosine * down - sine * across


def per_image(values: Any) -> Field:
    """One value an image, (n,), in the shape in which it acts on (n, height, width): float32 (n, 1, 1)."""
    result: Field = values.astype(np.float32)[:, None, None]
    return result


def interpolate(lattice: Field, pixels: int) -> Field:
    """Lattice values (n, k, k) of 0..1 to -0.5..0.5 over the image, (n, pixels, pixels), linear between the points."""
    steps = lattice.shape[1] - 1
    place = pixel_centres(pixels)[0].ravel() * np.float32(steps / pixels)
    left = np.minimum(place.astype(np.int64), steps - 1)
    weight = place - left.astype(np.float32)
    columns = lattice[:, :, left] * (1 - weight) + lattice[:, :, left + 1] * weight
    rows = columns[:, left] * (1 - weight)[:, None] + columns[:, left + 1] * weight[:, None]
    result: Field = rows - np.float32(0.5)
    return result


def coverage(distance: Field) -> Field:
    """Part of a pixel inside an edge that is `distance` pixels away, below 0 inside."""
    part: Field = np.clip(np.float32(0.5) - distance, 0, 1)
    return part


def paint(canvas: Field, covered: Field, colour: Field, shading: Any = 1) -> None:
    """Lay a colour (n, channels), times a shading (n, height, width) or 1, over the canvas where it is covered."""
    shaded = np.broadcast_to(np.float32(1) * shading, covered.shape)
    for channel in range(canvas.shape[3]):
        canvas[..., channel] += covered * (colour[:, channel, None, None] * shaded - canvas[..., channel])


def rgb(hue: Any, saturation: Any, value: Any) -> Field:
    """Hue, saturation and value, 0..1, each (n,), to red, green and blue, float32 (n, 3)."""
    position = (np.array([5.0, 3.0, 1.0]) + 6 * np.asarray(hue)[:, None]) % 6
    ramp = np.clip(np.minimum(position, 4 - position), 0, 1)
    colour: Field = (value[:, None] * (1 - saturation[:, None] * ramp)).astype(np.float32)
    return colour


def normal(shape: tuple[int, ...], *entropy: int) -> Field:
    """Nearly normal noise of variance 1: the sum of the four 16-bit quarters of a random word, scaled."""
    words = raw_words(int(np.prod(shape)), *entropy)
    first, second, third, fourth = words.astype("<u8").view("<u2").reshape(-1, 4).T.astype(np.float32)
    total = first + second + third + fourth  # whole numbers below 2**24, so exact
    result: Field = ((total * np.float32(2.0**-16) - 2) * np.float32(1.7320508)).reshape(shape)
    return result


def to_uint8(canvas: Field) -> NDArray[np.uint8]:
    """Brightness 0..1, cut off beyond, to 0..255."""
    images: NDArray[np.uint8] = np.rint(np.clip(canvas, 0, 1) * np.float32(255)).astype(np.uint8)
    return images
