"""The outlines of the stand-in's ten classes, as functions of the distance to their edge.

Each function takes coordinates u, v in the shape's own frame, where the unit circle bounds the shape, and gives the
distance to the edge in the same unit, below 0 inside. Away from the edge the values need only have the right sign
and size. Only + - * / and square roots are used, which every machine rounds alike.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[Any]  # float32
Outline = Callable[[Field, Field], Field]

_THIRDS = ((0.0, 1.0), (-0.8660254, -0.5), (0.8660254, -0.5))  # unit vectors 120 degrees apart
_FIFTHS = ((0.0, 1.0), (0.95105652, 0.30901699), (-0.95105652, 0.30901699), (0.58778525, -0.80901699),
           (-0.58778525, -0.80901699))  # fmt: skip


def _radius(u: Field, v: Field) -> Field:
    radius: Field = np.sqrt(u * u + v * v)
    return radius


def _box(u: Field, v: Field, half_width: float, half_height: float) -> Field:
    return np.maximum(np.abs(u) - half_width, np.abs(v) - half_height)


def disc(u: Field, v: Field) -> Field:
    """A filled circle."""
    return _radius(u, v) - 0.85


def ring(u: Field, v: Field) -> Field:
    """A circle's outline, a third of its radius thick."""
    return np.abs(_radius(u, v) - 0.78) - 0.18


def square(u: Field, v: Field) -> Field:
    """A filled square."""
    return _box(u, v, 0.7, 0.7)


def triangle(u: Field, v: Field) -> Field:
    """A filled equilateral triangle."""
    return reduce(np.maximum, (u * x + v * y for x, y in _THIRDS)) - 0.5


def star(u: Field, v: Field) -> Field:
    """A five-pointed star: the points inside at least four of the five edges of a pentagram."""
    largest = second = np.full_like(u, -2.0)
    for x, y in _FIFTHS:
        side = u * x + v * y
        second = np.maximum(second, np.minimum(largest, side))
        largest = np.maximum(largest, side)
    return second - 0.30901699


def cross(u: Field, v: Field) -> Field:
    """Two bars of equal length crossing at right angles."""
    return np.minimum(_box(u, v, 0.95, 0.26), _box(u, v, 0.26, 0.95))


def crescent(u: Field, v: Field) -> Field:
    """A circle out of which another one, shifted, is bitten."""
    return np.maximum(_radius(u, v) - 0.95, 0.78 - _radius(u - 0.45, v))


def bars(u: Field, v: Field) -> Field:
    """Three parallel bars."""
    offset = np.abs(v)
    return np.maximum(np.abs(u) - 0.68, np.minimum(offset, np.abs(offset - 0.56)) - 0.16)


def hourglass(u: Field, v: Field) -> Field:
    """Two triangles that touch at their tips."""
    height = np.abs(v)
    return np.maximum(height - 0.74, (np.abs(u) - 0.85 * height) * 0.76 - 0.03)


def arrow(u: Field, v: Field) -> Field:
    """A shaft and a triangular head, pointing along u."""
    shaft = _box(u + 0.39, v, 0.58, 0.2)
    head = np.maximum(0.05 - u, (np.abs(v) * 0.93 + (u - 0.98) * 0.68) * 0.87)
    return np.minimum(shaft, head)


OUTLINES: dict[str, Outline] = {
    outline.__name__: outline
    for outline in (disc, ring, square, triangle, star, cross, crescent, bars, hourglass, arrow)
}
