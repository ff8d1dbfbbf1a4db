"""Checks of parameters, which name the parameter and raise ValueError, as scikit-learn's conventions ask."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np


def check_choice(name: str, value: object, valid: Collection[object]) -> None:
    """Raise ValueError unless the parameter `name` is one of `valid`."""
    if value not in valid:
        raise ValueError(f"{name}={value!r} is not one of {', '.join(map(repr, valid))}")


def check_counts(**values: object) -> None:
    """Raise ValueError unless every value is a whole number of at least 1."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name}={value!r} must be a whole number of at least 1")


def check_pixels(**values: object) -> None:
    """Raise ValueError unless every value, a distance in pixels, is an int of at least 0."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"{name}={value!r} must be a whole number of at least 0")


def check_positive(name: str, value: object) -> float:
    """Return the value as a float; raise ValueError, naming it, unless it is a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < np.inf:
        raise ValueError(f"{name} must be a finite number above 0, not {value!r}")
    return float(value)
