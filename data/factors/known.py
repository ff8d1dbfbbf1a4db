"""What every set of images with known factors is turned into."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.dataset import Images, Labels
from dcgan_features.data.folder import resize
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.random_streams import raw_words

Kind = Literal["categorical", "ordered", "cyclic"]
KINDS: tuple[Kind, ...] = ("categorical", "ordered", "cyclic")


@dataclass(frozen=True)
class Factor:
    """One thing that was varied.

    values : how many values it takes, numbered from 0. kind : "categorical" where they have no order (a shape),
    "ordered" where they stand on a line at even distances (a position), "cyclic" where they go once round a circle (a
    hue).
    """

    name: str
    values: int
    kind: Kind


@dataclass(frozen=True, eq=False)
class KnownFactors:
    """Images, and the value of every factor of each. The arrays are shared, not copied: do not write to them.

    images : uint8 (n, height, width, 1 or 3), 0..255. values : int64 (n, factors), each below its factor's number.
    stand_in : True for images that this project makes itself. note : one line on where they come from.
    Raises `InputError` when the arrays do not fit the factors or each other.
    """

    name: str
    factors: tuple[Factor, ...]
    images: Images
    values: Labels
    stand_in: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        images, values = self.images, self.values
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3) or not len(images):
            raise InputError(
                f"{self.name}: the images are {images.dtype} of shape {images.shape}; give uint8 (n, height, width, "
                "1 or 3), at least one"
            )
        if values.dtype != np.int64 or values.shape != (len(images), len(self.factors)):
            raise InputError(
                f"{self.name}: {len(images):,} images of {len(self.factors)} factors have values {values.dtype} of "
                f"shape {values.shape}; give one int64 number an image and factor"
            )
        for factor, column in zip(self.factors, values.T, strict=True):
            if column.min() < 0 or column.max() >= factor.values:
                raise InputError(
                    f"{self.name}: the factor '{factor.name}' has values from {column.min()} to {column.max()}, not "
                    f"from 0 to {factor.values - 1}; restore the file"
                )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def names(self) -> tuple[str, ...]:
        """The factors' names, in the order of the columns of `values`."""
        return tuple(factor.name for factor in self.factors)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The factors' kinds, in the same order."""
        return tuple(factor.kind for factor in self.factors)

    def rows(self, start: int, stop: int) -> KnownFactors:
        """Images `start` to `stop`, the last not included."""
        return replace(self, images=self.images[start:stop], values=self.values[start:stop])

    def as_colour(self, size: int) -> KnownFactors:
        """The same in three channels and size x size pixels, as the DCGANs take them."""
        images = self.images
        if images.shape[1:3] != (size, size):
            images = resize(images, size)
        return replace(self, images=np.ascontiguousarray(np.broadcast_to(images, (*images.shape[:3], 3))))


def chosen_rows(total: int, count: int, seed: int, name: str) -> NDArray[np.int64]:
    """`count` different numbers below `total`, in random order, int64; always the same for a seed.

    Raises `InputError` for a count that is not from 1 to `total`.
    """
    if not 1 <= count <= total:
        raise InputError(f"{name} holds {total:,} images, so that {count:,} cannot be drawn; ask for 1 to {total:,}")
    order: NDArray[np.int64] = np.argsort(raw_words(total, seed), kind="stable")[:count]
    return order
