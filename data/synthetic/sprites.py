"""Synthetic sprites: one coloured shape on grey, with six factors on a grid, so that every combination can be drawn.

After dSprites (Matthey, Higgins, Hassabis & Lerchner 2017), in 32 x 32 pixels and colour; the shapes, the grid and the
drawing are ours. At no two angles of the grid does a shape look alike, so that every factor can be read off an image.
Arithmetic that machines round differently (sines, cosines) is kept to the angles, in float64.
"""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.dataset import Images
from dcgan_features.data.factors.known import Factor, KnownFactors, chosen_rows
from dcgan_features.data.synthetic.canvas import coverage, own_frame, paint, rgb, to_uint8
from dcgan_features.data.synthetic.shapes import OUTLINES
from dcgan_features.data.utils.errors import InputError

SHAPES = ("square", "triangle", "crescent", "hourglass")
SIZES = (6.0, 8.0, 10.0, 12.0)  # radius of the circle around a shape, pixels
PLACES = (12.0, 14.0, 16.0, 18.0, 20.0)  # of its centre, pixels from the left or top edge
ANGLES = (-0.45, -0.15, 0.15, 0.45)  # radians, clockwise on screen
HUES = 6
FACTORS = (
    Factor("shape", len(SHAPES), "categorical"),
    Factor("hue", HUES, "cyclic"),
    Factor("size", len(SIZES), "ordered"),
    Factor("angle", len(ANGLES), "ordered"),
    Factor("x", len(PLACES), "ordered"),
    Factor("y", len(PLACES), "ordered"),
)
COMBINATIONS = prod(factor.values for factor in FACTORS)  # 9,600
_PIXELS, _BLOCK, _GROUND = 32, 500, 0.4


def sprites(count: int = COMBINATIONS, seed: int = 0) -> KnownFactors:
    """`count` different combinations of the factors, drawn at random: uint8 (count, 32, 32, 3) and their values.

    The same seed gives the same bytes, and a larger count begins with the smaller one's images. Raises `InputError`
    for a count that is not from 1 to 9,600, or a negative seed.
    """
    rows = chosen_rows(COMBINATIONS, count, seed, "the set of sprites")
    values = np.stack(np.unravel_index(rows, [factor.values for factor in FACTORS]), 1).astype(np.int64)
    return KnownFactors(
        name="sprites",
        factors=FACTORS,
        images=draw_sprites(values),
        values=values,
        stand_in=True,
        note=f"synthetic sprites, {count:,} of {COMBINATIONS:,} combinations of six factors, of seed {seed}",
    )


def draw_sprites(values: NDArray[np.int64]) -> Images:
    """Draw the sprites of these values, int64 (n, 6) in the order of `FACTORS`: uint8 (n, 32, 32, 3).

    Raises `InputError` for values of another shape or out of range.
    """
    if values.ndim != 2 or values.shape[1] != len(FACTORS):
        raise InputError(f"values of shape {values.shape} are no sprites; give (n, {len(FACTORS)})")
    if (values < 0).any() or (values >= [factor.values for factor in FACTORS]).any():
        raise InputError("a value is out of range; number each factor's values from 0")
    images = np.empty((len(values), _PIXELS, _PIXELS, 3), np.uint8)
    for start in range(0, len(values), _BLOCK):
        images[start : start + _BLOCK] = _drawn(values[start : start + _BLOCK])
    return images


def _drawn(values: NDArray[np.int64]) -> Images:
    shape, hue, size, angle, x, y = values.T
    radius = np.array(SIZES)[size].astype(np.float32)[:, None, None]
    u, v = own_frame(np.array(PLACES)[x], np.array(PLACES)[y], np.array(ANGLES)[angle], _PIXELS)
    covered = np.empty(u.shape, np.float32)
    for number, name in enumerate(SHAPES):
        members = np.flatnonzero(shape == number)
        scale = radius[members]
        covered[members] = coverage(OUTLINES[name](u[members] / scale, v[members] / scale) * scale)
    canvas = np.full((len(values), _PIXELS, _PIXELS, 3), _GROUND, np.float32)
    full = np.ones(len(values))
    paint(canvas, covered, rgb(hue / HUES, 0.75 * full, 0.95 * full))
    return to_uint8(canvas)
