"""The built-in stand-in: made-up 32x32 pictures of ten shapes, for machines without CIFAR-10.

A shape of varied place, size, angle and colour lies on a shaded, textured ground amid fragments that belong to no
class, under pixel noise. It is a reconstruction of nothing: results on it say that the code works, not how well the
method does on photographs, and everything computed from it says "stand-in".

Images come in blocks of 250 with 25 of each class. A block is fixed by (seed, part, block), so an image depends
neither on how many are asked for nor on the others. Arithmetic that machines round differently (sines, cosines) is
kept to the angles, in float64. Without clutter the same shapes lie alone on grounds of one colour.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.dataset import Dataset, Images
from data.errors import InputError
from data.randomness import raw_words, uniform
from data.shapes import OUTLINES, Field

CLASSES = tuple(OUTLINES)
FACTORS = np.dtype(
    [("shape", "i8"), ("hue", "f8"), ("x", "f8"), ("y", "f8"), ("size", "f8"), ("angle", "f8")]
)  # one record an image, see `stand_in_factors`

_PIXELS = 32
_BLOCK = 250
_FRAGMENTS = 6
_PARTS = {"train": 0, "test": 1}
# Names of the streams of random numbers within a block.
_POSE, _COLOUR, _GROUND, _FRAGMENT, _NOISE = range(5)

_CENTRES = (np.arange(_PIXELS, dtype=np.float32) + np.float32(0.5))[None]
_X, _Y = _CENTRES[:, None, :], _CENTRES[:, :, None]  # (1, 1, 32) and (1, 32, 1): pixel centres


def stand_in(n_train: int = 10_000, n_test: int = 2_000, seed: int = 0, clutter: bool = True) -> Dataset:
    """Make `n_train` training and `n_test` test images, uint8 (n, 32, 32, 3), with labels of ten classes.

    The same seed gives the same bytes. Multiples of 250 images hold equally many of each class. clutter : False leaves
    out the ground's texture, the fragments and the noise; shapes and colours stay. Raises `InputError` for a number of
    images below 1 or a seed below 0.
    """
    train, test = (_make(count, seed, part, clutter) for count, part in ((n_train, "train"), (n_test, "test")))
    return Dataset(
        name="shapes" if clutter else "plain shapes",
        train_images=train[0],
        train_labels=train[1]["shape"].copy(),
        test_images=test[0],
        test_labels=test[1]["shape"].copy(),
        classes=CLASSES,
        stand_in=True,
        note=f"made-up shapes, not photographs: {n_train} training and {n_test} test images of seed {seed}",
    )


def stand_in_factors(n: int, seed: int = 0, part: str = "train") -> NDArray[Any]:
    """What the first `n` images of `stand_in` show: a structured array (n,) of dtype `FACTORS`.

    shape : class, 0..9. hue : of the shape's colour, 0..1. x, y : its centre in pixels from the left and top edge.
    size : radius in pixels of the circle that bounds it, 8.5..13. angle : radians from upright, -0.75..0.75, from
    the x axis towards the y axis (downwards, so clockwise on screen); the disc and the ring look alike at all angles.
    part : "train" or "test". Raises `InputError` for numbers out of range.
    """
    blocks = range(_block_count(n, seed, part))
    return np.concatenate([_factors((seed, _PARTS[part], block)) for block in blocks])[:n]


def _make(n: int, seed: int, part: str, clutter: bool) -> tuple[Images, NDArray[Any]]:
    factors = np.empty(n if n > 0 else 0, FACTORS)
    images = np.empty((len(factors), _PIXELS, _PIXELS, 3), np.uint8)
    for block in range(_block_count(n, seed, part)):
        rows = slice(block * _BLOCK, (block + 1) * _BLOCK)
        key = (seed, _PARTS[part], block)
        made = _factors(key)
        factors[rows] = made[: len(factors[rows])]
        images[rows] = _render(made, key, clutter)[: len(images[rows])]
    return images, factors


def _block_count(n: int, seed: int, part: str) -> int:
    if part not in _PARTS:
        raise ValueError(f"part must be one of {sorted(_PARTS)}, not {part!r}")
    if n < 1 or seed < 0:
        raise InputError(f"the stand-in cannot be made with {n} images and seed {seed}; give at least 1 and 0")
    return -(-n // _BLOCK)


def _factors(key: tuple[int, int, int]) -> NDArray[Any]:
    """Class and pose of the images of one block, (250,)."""
    draws = uniform((_BLOCK, 6), *key, _POSE)
    factors = np.empty(_BLOCK, FACTORS)
    factors["shape"] = np.argsort(draws[:, 0], kind="stable").argsort(kind="stable") % len(CLASSES)
    factors["hue"] = draws[:, 1]
    factors["size"] = 8.5 + 4.5 * draws[:, 2]
    room = 0.6 * (_PIXELS / 2 - 0.8 * factors["size"])[:, None]  # so that every shape stays whole
    factors["x"], factors["y"] = (_PIXELS / 2 + room * (2 * draws[:, 3:5] - 1)).T
    factors["angle"] = 0.75 * (2 * draws[:, 5] - 1)
    return factors


def _render(factors: NDArray[Any], key: tuple[int, int, int], clutter: bool) -> Images:
    colours = uniform((_BLOCK, 16), *key, _COLOUR)
    light = colours[:, 0] < 0.85  # a light shape on a dark ground, or the reverse
    shape_value = np.where(light, 0.72 + 0.28 * colours[:, 1], 0.05 + 0.25 * colours[:, 1])
    ground_value = np.where(light, 0.08 + 0.37 * colours[:, 2], 0.55 + 0.4 * colours[:, 2])
    shape_colour = _rgb(factors["hue"], 0.25 + 0.6 * colours[:, 3], shape_value)
    ground_colour = _rgb(colours[:, 4], 0.6 * colours[:, 5], ground_value)

    canvas = _ground(ground_colour, key, clutter)
    draws = uniform((_BLOCK, _FRAGMENTS if clutter else 0, 9), *key, _FRAGMENT)
    for index in range(len(draws[0]) - 1):
        _paint(canvas, *_fragment(draws[:, index], shape_value, ground_value))

    slopes = (colours[:, 6:8] - 0.5).astype(np.float32).T[:, :, None, None]  # of the shading across the shape
    shading = 1 + (slopes[0] * (_X - 16) + slopes[1] * (_Y - 16)) / 32
    _paint(canvas, _shape_cover(factors), shape_colour, shading)
    if clutter:
        _paint(canvas, *_fragment(draws[:, -1], shape_value, ground_value))  # one fragment lies on top
        strength = (0.01 + 0.05 * colours[:, 8]).astype(np.float32)[:, None, None, None]
        canvas += strength * _normal(canvas.shape, key)
    images: Images = np.rint(np.clip(canvas, 0, 1) * np.float32(255)).astype(np.uint8)
    return images


def _ground(colour: Field, key: tuple[int, int, int], clutter: bool) -> Field:
    """Ground of a colour, (250, 32, 32, 3), textured by a coarse and a fine lattice of random values, interpolated."""
    canvas = np.broadcast_to(colour[:, None, None, :], (_BLOCK, _PIXELS, _PIXELS, 3)).copy()
    if not clutter:
        return canvas
    draws = uniform((_BLOCK, 2 + 9 + 81 + 3), *key, _GROUND).astype(np.float32)
    coarse = _interpolate(draws[:, 2:11].reshape(-1, 3, 3)) * (0.5 * draws[:, 0])[:, None, None]
    fine = _interpolate(draws[:, 11:92].reshape(-1, 9, 9)) * (0.5 * draws[:, 1])[:, None, None]
    tint = 0.5 + draws[:, 92:95]
    canvas += (coarse + fine)[..., None] * tint[:, None, None, :]
    return canvas


def _interpolate(lattice: Field) -> Field:
    """Lattice values (n, k, k) of 0..1 to -0.5..0.5 over the image, (n, 32, 32), linear between lattice points."""
    steps = lattice.shape[1] - 1
    place = _CENTRES[0] * np.float32(steps / _PIXELS)
    left = np.minimum(place.astype(np.int64), steps - 1)
    weight = place - left.astype(np.float32)
    columns = lattice[:, :, left] * (1 - weight) + lattice[:, :, left + 1] * weight
    rows = columns[:, left] * (1 - weight)[:, None] + columns[:, left + 1] * weight[:, None]
    result: Field = rows - np.float32(0.5)
    return result


def _shape_cover(factors: NDArray[Any]) -> Field:
    """How much of each pixel the shape covers, 0..1, (250, 32, 32)."""
    cover = np.empty((len(factors), _PIXELS, _PIXELS), np.float32)
    for label, outline in enumerate(OUTLINES.values()):
        members = np.flatnonzero(factors["shape"] == label)
        chosen = factors[members]
        u, v = _own_frame(chosen["x"], chosen["y"], chosen["angle"])
        size = chosen["size"].astype(np.float32)[:, None, None]
        cover[members] = _cover(outline(u / size, v / size) * size)
    return cover


def _fragment(draws: NDArray[np.float64], shape_value: Any, ground_value: Any) -> tuple[Field, Field, float]:
    """Cover, colour and shading of a short bar or an arc, one an image. draws : (250, 9), 0..1."""
    x, y = _PIXELS * draws[:, 0], _PIXELS * draws[:, 1]
    u, v = _own_frame(x, y, 2 * np.pi * draws[:, 2])
    length = (2 + 4 * draws[:, 3]).astype(np.float32)[:, None, None]
    width = (0.6 + 0.9 * draws[:, 4]).astype(np.float32)[:, None, None]
    bar = np.maximum(np.abs(u) - length, np.abs(v) - width)
    arc = np.maximum(np.abs(np.sqrt(u * u + v * v) - length) - width, np.abs(v) - u)
    distance = np.where((draws[:, 5] < 0.5)[:, None, None], bar, arc)
    mixture = 0.2 + 0.8 * draws[:, 6]
    value = mixture * shape_value + (1 - mixture) * ground_value
    return _cover(distance), _rgb(draws[:, 7], 0.8 * draws[:, 8], value), 1.0


def _own_frame(x: Any, y: Any, angle: Any) -> tuple[Field, Field]:
    """Pixel centres in the frame of something at (x, y) turned by `angle`; in pixels, two of (n, 32, 32)."""
    cosine, sine = (f(angle).astype(np.float32)[:, None, None] for f in (np.cos, np.sin))
    across, down = (_X - x.astype(np.float32)[:, None, None]), (_Y - y.astype(np.float32)[:, None, None])
    return cosine * across + sine * down, cosine * down - sine * across


def _cover(distance: Field) -> Field:
    """Part of a pixel inside an edge that is `distance` pixels away, below 0 inside."""
    cover: Field = np.clip(np.float32(0.5) - distance, 0, 1)
    return cover


def _paint(canvas: Field, cover: Field, colour: Field, shading: Any) -> None:
    """Lay a colour (n, 3), times a shading (n, 32, 32) or 1, over the canvas where it is covered."""
    shaded = np.broadcast_to(np.float32(1) * shading, cover.shape)
    for channel in range(3):
        canvas[..., channel] += cover * (colour[:, channel, None, None] * shaded - canvas[..., channel])


def _rgb(hue: Any, saturation: Any, value: Any) -> Field:
    """Hue, saturation and value, 0..1, each (n,), to red, green and blue, float32 (n, 3)."""
    position = (np.array([5.0, 3.0, 1.0]) + 6 * np.asarray(hue)[:, None]) % 6
    ramp = np.clip(np.minimum(position, 4 - position), 0, 1)
    colour: Field = (value[:, None] * (1 - saturation[:, None] * ramp)).astype(np.float32)
    return colour


def _normal(shape: tuple[int, ...], key: tuple[int, int, int]) -> Field:
    """Nearly normal noise of variance 1: the sum of the four 16-bit quarters of a random word, scaled."""
    words = raw_words(int(np.prod(shape)), *key, _NOISE)
    quarters = words.astype("<u8").view("<u2").reshape(-1, 4)
    total = quarters.sum(1, dtype=np.int64).astype(np.float32)
    result: Field = ((total * np.float32(2.0**-16) - 2) * np.float32(1.7320508)).reshape(shape)
    return result
