"""What every source of video is turned into: clips of equal length, which are made or read when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.hashing import array_digest

Frames = NDArray[np.uint8]  # (n, frames, height, width, channels), 0..255
Indices = NDArray[np.int64]


class Clips(Protocol):
    """Clips of equal length and size.

    shape : (frames, height, width, channels) of each. description : a line on where they come from. stand_in : whether
    they are synthetic, which everything computed from them must say. digest : SHA-256 of all that decides them.
    """

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """As said above."""

    @property
    def description(self) -> str:
        """As said above."""

    @property
    def stand_in(self) -> bool:
        """As said above."""

    @property
    def digest(self) -> str:
        """As said above."""

    def __len__(self) -> int: ...

    def take(self, indices: Indices) -> Frames:
        """The clips of these numbers: uint8 (len(indices), frames, height, width, channels)."""


@dataclass(frozen=True, eq=False)
class ArrayClips:
    """Clips in one array, uint8 (n, frames, height, width, 1 or 3), which may be memory-mapped.

    Raises `InputError` for another array.
    """

    frames: Frames
    description: str
    stand_in: bool = False

    def __post_init__(self) -> None:
        array = self.frames
        if array.dtype != np.uint8 or array.ndim != 5 or array.shape[4] not in (1, 3) or not array.size:
            raise InputError(
                f"the clips are {array.dtype} of shape {array.shape}; give uint8 (n, frames, height, width, 1 or 3)"
            )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(frames, height, width, channels) of each clip."""
        frames, height, width, channels = self.frames.shape[1:]
        return frames, height, width, channels

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all pixels; computed once."""
        return array_digest(self.frames)

    def __len__(self) -> int:
        return len(self.frames)

    def take(self, indices: Indices) -> Frames:
        """The clips of these numbers, copied."""
        return np.ascontiguousarray(self.frames[np.asarray(indices)])
