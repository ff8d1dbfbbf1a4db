"""The built-in stand-ins of SVHN and MNIST: made-up digits, for machines without the data.

`stand_in_house_numbers` draws printed digits in colour, part of a longer number, under uneven light, blur and noise;
`stand_in_digits` draws white digits on black, bent and slanted as if written by hand. Both are reconstructions of
nothing: results on them say that the code works, not how well a method does on photographs or on handwriting, and
everything computed from them says "stand-in". They come in blocks like those of `data.synthetic.stand_in`; the same
seed gives the same bytes wherever Pillow draws its font alike, as it does within a version.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.dataset import Dataset, Images, Labels
from dcgan_features.data.synthetic import canvas
from dcgan_features.data.synthetic.canvas import BLOCK, Key, per_image
from dcgan_features.data.synthetic.glyphs import digit_distance
from dcgan_features.data.synthetic.shapes import Field
from dcgan_features.data.utils.random_streams import uniform

CLASSES = tuple("0123456789")

_HOUSE, _GREY = 32, 28  # pixels along a side
# Names of the streams of random numbers within a block; `data.synthetic.stand_in` has the first five.
_POSE, _COLOUR, _LIGHT, _NOISE, _HAND, _BEND = range(5, 11)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def stand_in_house_numbers(n_train: int = 10_000, n_test: int = 2_000, seed: int = 0) -> Dataset:
    """Make `n_train` training and `n_test` test images of house numbers, uint8 (n, 32, 32, 3), with their labels.

    The label, 0..9, is the digit in the middle; beside it there may be others, cut off by the edge. Multiples of 250
    images hold equally many of each class. Raises `InputError` for a number of images below 1 or a seed below 0.
    """
    return _dataset("house-numbers", "house numbers, not photographs", _house_numbers, n_train, n_test, seed)


def stand_in_digits(n_train: int = 10_000, n_test: int = 2_000, seed: int = 0) -> Dataset:
    """Make `n_train` training and `n_test` test images of white digits on black, uint8 (n, 28, 28, 1), with labels.

    Multiples of 250 images hold equally many of each class, 0..9. Raises `InputError` for a number of images below 1
    or a seed below 0.
    """
    return _dataset("digits", "digits, not handwriting", _digits, n_train, n_test, seed)


def _dataset(
    name: str, what: str, make: Callable[[Key], tuple[Images, Labels]], n_train: int, n_test: int, seed: int
) -> Dataset:
    train, test = (canvas.in_blocks(n, seed, part, make) for n, part in ((n_train, "train"), (n_test, "test")))
    note = f"made-up {what}: {n_train} training and {n_test} test images of seed {seed}"
    return Dataset(name, *train, *test, classes=CLASSES, stand_in=True, note=note)


def _house_numbers(key: Key) -> tuple[Images, Labels]:
    pose = uniform((BLOCK, 16), *key, _POSE)
    colours = uniform((BLOCK, 16), *key, _COLOUR)
    labels = canvas.balanced_labels(pose[:, 0], len(CLASSES))
    half = 8.0 + 5.5 * pose[:, 1]  # pixels of half a digit's height
    x, y = (_HOUSE / 2 + 5 * (pose[:, 2:4] - 0.5)).T
    across, down = canvas.own_frame(x, y, 0.5 * (pose[:, 4] - 0.5), _HOUSE)
    slant, narrow = per_image(0.5 * (pose[:, 5] - 0.5)), per_image(1 / (half * (0.8 + 0.3 * pose[:, 6])))
    weight = -0.03 + 0.12 * pose[:, 7]
    spacing = 1.55 + 0.4 * pose[:, 8]
    numbers = ((labels, 0 * spacing), (_others(pose[:, 9]), -spacing), (_others(pose[:, 10]), spacing))
    shown = (None, pose[:, 11] < 0.6, pose[:, 12] < 0.6)

    def covered(right: Any, below: Any) -> Field:
        """How much of each pixel the whole number covers when it is moved by so many pixels."""
        v = (down - per_image(below)) * per_image(1 / half)
        u = (across - per_image(right)) * narrow + slant * v
        cover = np.zeros_like(down)
        for (digits, place), rows in zip(numbers, shown, strict=True):
            chosen = slice(None) if rows is None else np.flatnonzero(rows)
            distance = digit_distance(digits[chosen], u[chosen] - per_image(place[chosen]), v[chosen])
            here = canvas.coverage((distance - per_image(weight[chosen])) * per_image(half[chosen]))
            cover[chosen] = np.maximum(cover[chosen], here)
        return cover

    ground, contrast = 0.08 + 0.84 * colours[:, 0], 0.18 + 0.42 * colours[:, 1]
    lighter = colours[:, 2] < 1 - ground  # the darker the ground, the likelier are light digits
    digit = np.clip(ground + np.where(lighter, contrast, -contrast), 0.0, 1.0)
    picture = np.empty((BLOCK, _HOUSE, _HOUSE, 3), np.float32)
    picture[:] = _tinted(ground, colours[:, 3], 0.35 * colours[:, 4] ** 2)[:, None, None]
    shadow = covered(*(3 * (colours[:, 5:7] - 0.5)).T) * per_image(0.7 * (colours[:, 7] < 0.3))
    canvas.paint(picture, shadow, _tinted(0.5 * ground, colours[:, 3], 0 * ground))
    canvas.paint(picture, covered(0 * half, 0 * half), _tinted(digit, colours[:, 8], 0.35 * colours[:, 9] ** 2))
    return canvas.to_uint8(_photographed(picture, key)), labels


def _others(draws: NDArray[np.float64]) -> Labels:
    """Any digit, for numbers of U[0, 1)."""
    return (draws * len(CLASSES)).astype(np.int64)


def _tinted(luminance: Any, hue: Any, strength: Any) -> Field:
    """Colours of a luminance, 0..1, with a tint that leaves it as it is, float32 (n, 3)."""
    pure = canvas.rgb(hue, np.ones_like(hue), np.ones_like(hue))
    tint = pure - (pure * _LUMA).sum(1, keepdims=True)
    colour: Field = (luminance[:, None] + strength[:, None] * tint).astype(np.float32)
    return colour


def _photographed(picture: Field, key: Key) -> Field:
    """The picture under uneven light, out of focus and with noise."""
    draws = uniform((BLOCK, 3 + 9 + 81), *key, _LIGHT).astype(np.float32)
    shade = canvas.interpolate(draws[:, 3:12].reshape(-1, 3, 3), _HOUSE) * per_image(0.8 * draws[:, 0])
    texture = canvas.interpolate(draws[:, 12:].reshape(-1, 9, 9), _HOUSE) * per_image(0.15 * draws[:, 1])
    picture = picture * (1 + shade[..., None]) + texture[..., None]
    blur = (0.25 * draws[:, 2])[:, None, None, None]
    for _ in range(3):
        picture = _smoothed(_smoothed(picture, blur, 1), blur, 2)
    strength = 0.005 + 0.04 * uniform((BLOCK,), *key, _LIGHT, 1).astype(np.float32)
    result: Field = picture + strength[:, None, None, None] * canvas.normal(picture.shape, *key, _NOISE)
    return result


def _smoothed(picture: Field, weight: Field, axis: int) -> Field:
    """The two neighbours along an axis mixed in, each with this weight; at the edge the pixel is its own neighbour."""
    along = np.moveaxis(picture, axis, 0)
    neighbours = np.empty_like(picture)
    both = np.moveaxis(neighbours, axis, 0)
    np.add(along[:-2], along[2:], out=both[1:-1])
    np.add(along[0], along[1], out=both[0])
    np.add(along[-2], along[-1], out=both[-1])
    neighbours *= weight
    neighbours += picture * (1 - 2 * weight)
    return neighbours


def _digits(key: Key) -> tuple[Images, Labels]:
    draws = uniform((BLOCK, 12), *key, _HAND)
    labels = canvas.balanced_labels(draws[:, 0], len(CLASSES))
    half = 7.5 + 2.7 * draws[:, 1]
    x, y = (_GREY / 2 + 3 * (draws[:, 2:4] - 0.5)).T
    across, down = canvas.own_frame(x, y, 0.4 * (draws[:, 4] - 0.5), _GREY)
    lattices = uniform((2, BLOCK, 4, 4), *key, _BEND).astype(np.float32)
    bend = per_image(3 + 5 * draws[:, 5])  # pixels, from one side to the other
    across, down = (
        w + bend * canvas.interpolate(lattice, _GREY) for w, lattice in zip((across, down), lattices, strict=True)
    )
    v = down * per_image(1 / half)
    u = across * per_image(1 / (half * (0.7 + 0.4 * draws[:, 6]))) + per_image(-0.2 + 0.8 * draws[:, 7]) * v
    distance = (digit_distance(labels, u, v) - per_image(-0.03 + 0.13 * draws[:, 8])) * per_image(half)
    soft = per_image(1 / (1 + 0.7 * draws[:, 9]))  # pixels over which an edge fades
    ink = canvas.coverage(distance * soft) * per_image(0.8 + 0.2 * draws[:, 10])
    return canvas.to_uint8(ink[..., None]), labels
