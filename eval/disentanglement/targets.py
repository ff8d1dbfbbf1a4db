"""What the measures share: checks, and a factor as numbers that distances and squared errors make sense of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dcgan_features.data.utils.checks import check_choice

Codes = npt.NDArray[Any]  # (n, dimensions), of floats
Values = npt.NDArray[np.int64]  # (n, factors)
KINDS = ("categorical", "ordered", "cyclic")


def check_codes(codes: Codes, values: Values, kinds: Sequence[str] | None = None) -> None:
    """Raise ValueError unless codes and values are of the same images, finite, and each factor varies."""
    if codes.ndim != 2 or values.ndim != 2 or len(codes) != len(values) or len(codes) < 2:
        raise ValueError(f"codes {codes.shape} and values {values.shape} must be (n, dimensions) and (n, factors)")
    if not np.isfinite(codes).all():
        raise ValueError("codes must be finite")
    if kinds is not None:
        if len(kinds) != values.shape[1]:
            raise ValueError(f"{len(kinds)} kinds for {values.shape[1]} factors")
        for kind in kinds:
            check_choice("kind", kind, list(KINDS))
    for factor, column in enumerate(values.T):
        if (column == column[0]).all():
            raise ValueError(f"factor {factor} has the same value in all images")


def as_targets(column: npt.NDArray[np.int64], kind: str, count: int) -> npt.NDArray[np.float64]:
    """A factor as columns of numbers, float64 (n, 1 or 2): its value, or the point on the circle of a cyclic one.

    count : how many values a cyclic one has, all at equal angles.
    """
    if kind == "cyclic":
        angle = 2 * np.pi * column / count
        return np.stack([np.cos(angle), np.sin(angle)], 1)
    return column[:, None].astype(np.float64)


def r_squared(truth: npt.NDArray[np.float64], predicted: npt.NDArray[np.float64]) -> float:
    """1 - residual over total sum of squares, of all columns together; truth, predicted : (n, columns)."""
    return float(1 - ((truth - predicted) ** 2).sum() / ((truth - truth.mean(0)) ** 2).sum())
