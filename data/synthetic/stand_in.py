"""The built-in stand-in: made-up 32x32 pictures of ten shapes, for machines without CIFAR-10.

A shape of varied place, size, angle and colour lies on a shaded, textured ground amid fragments that belong to no
class, under pixel noise. It is a reconstruction of nothing: results on it say that the code works, not how well the
method does on photographs, and everything computed from it says "stand-in".

Images come in blocks of 250 with 25 of each class. A block is fixed by (seed, part, block), so an image depends
neither on how many are asked for nor on the others. Arithmetic that machines round differently (sines, cosines) is
kept to the angles, in float64. Without clutter the same shapes lie alone on grounds of one colour, under
noise.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.dataset import Dataset, Images
from dcgan_features.data.synthetic.canvas import (
    BLOCK,
    PARTS,
    Key,
    balanced_labels,
    block_count,
    coverage,
    in_blocks,
    interpolate,
    normal,
    own_frame,
    paint,
    pixel_centres,
    rgb,
    to_uint8,
)
from dcgan_features.data.synthetic.shapes import OUTLINES, Field
from dcgan_features.data.utils.random_streams import uniform

CLASSES = tuple(OUTLINES)
FACTORS = np.dtype(
    [("shape", "i8"), ("hue", "f8"), ("x", "f8"), ("y", "f8"), ("size", "f8"), ("angle", "f8")]
)  # one record an image, see `stand_in_factors`

_PIXELS = 32
_FRAGMENTS = 6
# Names of the streams of random numbers within a block.
_POSE, _COLOUR, _GROUND, _FRAGMENT, _NOISE = range(5)


def stand_in(n_train: int = 10_000, n_test: int = 2_000, seed: int = 0, clutter: bool = True) -> Dataset:
    """Make `n_train` training and `n_test` test images, uint8 (n, 32, 32, 3), with labels of ten classes.

    The same seed gives the same bytes. Multiples of 250 images hold equally many of each class. clutter : False leaves
    out the ground's texture and the fragments; shapes, colours and noise stay. Raises `InputError` for a number of
    images below 1 or a seed below 0.
    """
    make = partial(_made, clutter=clutter)
    train, test = (in_blocks(n, seed, part, make) for n, part in ((n_train, "train"), (n_test, "test")))
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
    blocks = range(block_count(n, seed, part))
    return np.concatenate([_factors((seed, PARTS[part], block)) for block in blocks])[:n]


def _made(key: Key, clutter: bool) -> tuple[Images, NDArray[Any]]:
    factors = _factors(key)
    return _render(factors, key, clutter), factors


def _factors(key: Key) -> NDArray[Any]:
    """Class and pose of the images of one block, (250,)."""
    draws = uniform((BLOCK, 6), *key, _POSE)
    factors = np.empty(BLOCK, FACTORS)
    factors["shape"] = balanced_labels(draws[:, 0], len(CLASSES))
    factors["hue"] = draws[:, 1]
    factors["size"] = 8.5 + 4.5 * draws[:, 2]
    room = 0.6 * (_PIXELS / 2 - 0.8 * factors["size"])[:, None]  # so that every shape stays whole
    factors["x"], factors["y"] = (_PIXELS / 2 + room * (2 * draws[:, 3:5] - 1)).T
    factors["angle"] = 0.75 * (2 * draws[:, 5] - 1)
    return factors


def _render(factors: NDArray[Any], key: Key, clutter: bool) -> Images:
    colours = uniform((BLOCK, 16), *key, _COLOUR)
    light = colours[:, 0] < 0.85  # a light shape on a dark ground, or the reverse
    shape_value = np.where(light, 0.72 + 0.28 * colours[:, 1], 0.05 + 0.25 * colours[:, 1])
    ground_value = np.where(light, 0.08 + 0.37 * colours[:, 2], 0.55 + 0.4 * colours[:, 2])
    shape_colour = rgb(factors["hue"], 0.25 + 0.6 * colours[:, 3], shape_value)
    ground_colour = rgb(colours[:, 4], 0.6 * colours[:, 5], ground_value)

    canvas = _ground(ground_colour, key, clutter)
    draws = uniform((BLOCK, _FRAGMENTS if clutter else 0, 9), *key, _FRAGMENT)
    for index in range(len(draws[0]) - 1):
        paint(canvas, *_fragment(draws[:, index], shape_value, ground_value))

    slopes = (colours[:, 6:8] - 0.5).astype(np.float32).T[:, :, None, None]  # of the shading across the shape
    columns, rows = pixel_centres(_PIXELS)
    shading = 1 + (slopes[0] * (columns - 16) + slopes[1] * (rows - 16)) / 32
    paint(canvas, _shape_cover(factors), shape_colour, shading)
    if clutter:
        paint(canvas, *_fragment(draws[:, -1], shape_value, ground_value))  # one fragment lies on top
    strength = (0.01 + 0.05 * colours[:, 8]).astype(np.float32)[:, None, None, None]
    canvas += strength * normal(canvas.shape, *key, _NOISE)
    return to_uint8(canvas)


def _ground(colour: Field, key: Key, clutter: bool) -> Field:
    """Ground of a colour, (250, 32, 32, 3), textured by a coarse and a fine lattice of random values, interpolated."""
    canvas = np.broadcast_to(colour[:, None, None, :], (BLOCK, _PIXELS, _PIXELS, 3)).copy()
    if not clutter:
        return canvas
    draws = uniform((BLOCK, 2 + 9 + 81 + 3), *key, _GROUND).astype(np.float32)
    coarse = interpolate(draws[:, 2:11].reshape(-1, 3, 3), _PIXELS) * (0.5 * draws[:, 0])[:, None, None]
    fine = interpolate(draws[:, 11:92].reshape(-1, 9, 9), _PIXELS) * (0.5 * draws[:, 1])[:, None, None]
    tint = 0.5 + draws[:, 92:95]
    canvas += (coarse + fine)[..., None] * tint[:, None, None, :]
    return canvas


def _shape_cover(factors: NDArray[Any]) -> Field:
    """How much of each pixel the shape covers, 0..1, (250, 32, 32)."""
    cover = np.empty((len(factors), _PIXELS, _PIXELS), np.float32)
    for label, outline in enumerate(OUTLINES.values()):
        members = np.flatnonzero(factors["shape"] == label)
        chosen = factors[members]
        u, v = own_frame(chosen["x"], chosen["y"], chosen["angle"], _PIXELS)
        size = chosen["size"].astype(np.float32)[:, None, None]
        cover[members] = coverage(outline(u / size, v / size) * size)
    return cover


def _fragment(draws: NDArray[np.float64], shape_value: Any, ground_value: Any) -> tuple[Field, Field, float]:
    """Cover, colour and shading of a short bar or an arc, one an image. draws : (250, 9), 0..1."""
    x, y = _PIXELS * draws[:, 0], _PIXELS * draws[:, 1]
    u, v = own_frame(x, y, 2 * np.pi * draws[:, 2], _PIXELS)
    length = (2 + 4 * draws[:, 3]).astype(np.float32)[:, None, None]
    width = (0.6 + 0.9 * draws[:, 4]).astype(np.float32)[:, None, None]
    bar = np.maximum(np.abs(u) - length, np.abs(v) - width)
    arc = np.maximum(np.abs(np.sqrt(u * u + v * v) - length) - width, np.abs(v) - u)
    distance = np.where((draws[:, 5] < 0.5)[:, None, None], bar, arc)
    mixture = 0.2 + 0.8 * draws[:, 6]
    value = mixture * shape_value + (1 - mixture) * ground_value
    return coverage(distance), rgb(draws[:, 7], 0.8 * draws[:, 8], value), 1.0
