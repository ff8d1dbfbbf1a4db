"""The outlines of the digits 0 to 9, as functions of the distance to their edge, like those of `data.synthetic.shapes`.

They are taken from Aileron Regular, the scalable font that Pillow carries: each digit is drawn once, large, and the
distance of every point of a lattice to its edge is tabulated.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt

from dcgan_features.data.synthetic.shapes import Field

_POINTS = 160  # of the lattice, along a side
_STEP = 1 / 48  # distance of neighbouring points, in half digit heights
_FINER = 2  # pixels of the large drawing to a step
_EM = 2 / 0.6925  # the font's size in half digit heights: flat digits such as 1 and 7 are 0.6925 of it high
_MIDDLE = (0.29, 0.624)  # of the digits, across and down, as parts of the font's size; all are equally wide


def digit_distance(labels: NDArray[np.int64], u: Field, v: Field) -> Field:
    """Distance to the edge of the digit `labels[i]` at the points u[i], v[i], below 0 inside.

    labels : 0..9, (n,). u, v : float32 (n, height, width), to the right and downwards from the digit's middle. All
    lengths are in half digit heights. Beyond 1.6 from the middle the distance is that of the nearest point within.
    """
    table = _distances().ravel()
    limit = np.float32(_POINTS - 1.001)
    column, row = (np.clip(w * np.float32(1 / _STEP) + np.float32((_POINTS - 1) / 2), 0, limit) for w in (u, v))
    left, top = column.astype(np.int32), row.astype(np.int32)
    column -= left
    row -= top
    corner = left + top * _POINTS + (labels * _POINTS**2).astype(np.int32)[:, None, None]
    upper = table[corner] * (1 - column) + table[corner + 1] * column
    lower = table[corner + _POINTS] * (1 - column) + table[corner + _POINTS + 1] * column
    distance: Field = upper + row * (lower - upper)
    return distance


@cache
def _distances() -> NDArray[Any]:
    """Distance of each lattice point to each digit's edge, in half digit heights: float32 (10, 160, 160)."""
    side, size = _POINTS * _FINER, _EM / _STEP * _FINER
    font = ImageFont.load_default(size=size)
    place = (side / 2 - _MIDDLE[0] * size, side / 2 - _MIDDLE[1] * size)
    result = np.empty((10, _POINTS, _POINTS), np.float32)
    for digit, distances in enumerate(result):
        drawing = Image.new("L", (side, side))
        ImageDraw.Draw(drawing).text(place, str(digit), fill=255, font=font)
        inside = np.asarray(drawing) > 127
        signed = distance_transform_edt(~inside) - distance_transform_edt(inside)
        pooled = signed.reshape(_POINTS, _FINER, _POINTS, _FINER).mean((1, 3))
        distances[:] = pooled * (_STEP / _FINER)
    return result
