"""What every source of sound is turned into: files, labels, who speaks, and the folds that are published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.audio.placement import placed
from dcgan_features.data.dataset import Labels
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import sha256_file
from dcgan_features.data.utils.formats.sound import Sound, read_sound
from dcgan_features.data.utils.hashing import digest_of

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """A split of recordings: indices to train on, and those to test on, sorted. name : of what is tested on."""

    name: str
    train: Indices
    test: Indices


@dataclass(frozen=True, eq=False)
class Recordings:
    """Sound files with their labels. Files are read when their sounds are wanted.

    name : short name. files : one a recording. labels : int64 (n,), 0..len(classes)-1. classes : their names.
    rate : samples a second at which `sounds` gives them.
    groups : who speaks, or what else recordings have in common, one name a recording; empty where nothing is known.
    split : official number of each recording's part, int64 (n,): what it means is the loader's to say, `folds` are made
        of it; None where there is none.
    folds : official splits in order; empty where there are none.
    synthetic : whether the sounds are made by code; everything computed from them must say so.
    note : one line on where they come from.
    """

    name: str
    files: tuple[Path, ...]
    labels: Labels
    classes: tuple[str, ...]
    rate: int
    groups: tuple[str, ...] = ()
    folds: tuple[Fold, ...] = ()
    synthetic: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        count = len(self.files)
        if not count:
            raise InputError(f"{self.name} has no recordings; give at least one")
        if self.labels.dtype != np.int64 or self.labels.shape != (count,):
            raise InputError(f"{self.name}: {count} recordings but labels {self.labels.dtype} {self.labels.shape}")
        if self.labels.min() < 0 or self.labels.max() >= len(self.classes):
            raise InputError(f"{self.name}: labels must be 0 to {len(self.classes) - 1}, numbers of its classes")
        if self.groups and len(self.groups) != count:
            raise InputError(f"{self.name}: {count} recordings but {len(self.groups)} groups; give one to each")

    def __len__(self) -> int:
        return len(self.files)

    @property
    def title(self) -> str:
        """The name as it belongs in tables: synthetic sound says that it is such."""
        return f"{self.name} (synthetic)" if self.synthetic else self.name

    @cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 over names, contents and labels of all files."""
        content = [(file.name, sha256_file(file)) for file in self.files]
        return digest_of([content, self.labels.tolist(), list(self.classes), list(self.groups)])

    def sounds(self, indices: Sequence[int] | Indices | None = None) -> Iterator[Sound]:
        """The sounds of the recordings named, in order, each float32 (samples,) as long as it is; None: of all.

        Raises `InputError`, naming the file, for one that cannot be used.
        """
        for index in range(len(self)) if indices is None else indices:
            yield read_sound(self.files[int(index)], self.rate)[0]

    def windows(
        self,
        seconds: float,
        place: str = "energy",
        shift: float = 0.0,
        indices: Sequence[int] | Indices | None = None,
    ) -> Iterator[Sound]:
        """The same padded or cropped to so many seconds, see `placed`. shift : in seconds."""
        length, moved = round(seconds * self.rate), round(shift * self.rate)
        if length < 1:
            raise InputError(f"{seconds} seconds at {self.rate} samples a second are less than a sample; give more")
        for sound in self.sounds(indices):
            yield placed(sound, length, place, moved)

    def leave_one_group_out(self) -> tuple[Fold, ...]:
        """A fold for each group (speaker), in the order of their names: all others to train on, it to test on.

        Raises `InputError` where fewer than two groups are known.
        """
        names = sorted(set(self.groups))
        if len(names) < 2:
            raise InputError(f"{self.name} names {len(names)} groups; leaving one out needs two at least")
        groups = np.array(self.groups)
        return tuple(_fold(name, groups == name) for name in names)

    def fold(self, name: str) -> Fold:
        """The official split of that name. Raises `InputError` where there is none."""
        for fold in self.folds:
            if fold.name == name:
                return fold
        known = ", ".join(fold.name for fold in self.folds) or "none"
        raise InputError(f"{self.name} has no official split '{name}'; it has {known}")


def fold_of(name: str, is_test: NDArray[np.bool_], is_train: NDArray[np.bool_] | None = None) -> Fold:
    """A fold from masks (n,); without `is_train` all that is not tested on is trained on."""
    return _fold(name, is_test, is_train)


def _fold(name: str, is_test: NDArray[np.bool_], is_train: NDArray[np.bool_] | None = None) -> Fold:
    train = ~is_test if is_train is None else is_train
    return Fold(name, np.flatnonzero(train).astype(np.int64), np.flatnonzero(is_test).astype(np.int64))
