"""Features computed elsewhere, read from an .npz file instead of being made of the images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import sha256_file
from dcgan_features.data.utils.formats import read_archive
from dcgan_features.data.utils.hashing import digest_array
from dcgan_features.data.utils.identity import known_as
from dcgan_features.features.base import Extractor, Images, check_images

TRAIN, TEST = "train", "test"
_ROWS = 4096


@known_as("features.stored.StoredFeatures")
class StoredFeatures(Extractor):
    """The rows of a file's arrays `train` and `test`, (n, d) each, in the order of the images: float32.

    path : the .npz file. sha256 : its SHA-256; another file of that name is refused. None takes any.

    `transform` gives the rows of `train` for the images fitted on, and those of `test` for any others.
    """

    def __init__(self, path: str | Path, sha256: str | None = None) -> None:
        self.path = path
        self.sha256 = sha256

    def fit(self, images: Images, y: object = None) -> Self:
        """Read and check the file; `images` are those that `train` was made of. Raises InputError for a wrong file."""
        images = check_images(images)
        if self.sha256 is not None and sha256_file(self.path) != self.sha256:
            raise InputError(f"{self.path} was changed meanwhile; run the command again")
        self.rows_ = read_features(self.path)
        if len(images) != len(self.rows_[TRAIN]):
            raise InputError(_count(self.path, TRAIN, len(self.rows_[TRAIN]), len(images)))
        self.fitted_on_ = digest_array(images)
        return self._fitted(images, self.rows_[TRAIN].shape[1], "float32")

    def fingerprint(self) -> dict[str, Any]:
        """What decides the features, for the feature store: the file's content."""
        return {"sha256": self.sha256 or sha256_file(self.path)}

    def transform_blocks(
        self, images: Images, starts: range | None = None, on_device: bool = False
    ) -> Iterator[Tensor]:
        """The stored rows, some at a time, in order: tensors (rows, n_features_out_), on the CPU in any case."""
        check_is_fitted(self, "n_features_out_")
        images = check_images(images)
        part = TRAIN if digest_array(images) == self.fitted_on_ else TEST
        rows = self.rows_[part]
        if len(images) != len(rows):
            raise InputError(_count(self.path, part, len(rows), len(images)))
        for start in self.block_starts(images) if starts is None else starts:
            yield torch.from_numpy(rows[start : start + self._block_size()])

    def _block_size(self) -> int:
        return _ROWS


def _count(path: str | Path, part: str, rows: int, images: int) -> str:
    return f"{path}: {part} has {rows:,} rows for {images:,} images; give one row an image, in the images' order"


def read_features(path: str | Path) -> dict[str, NDArray[np.float32]]:
    """The arrays `train` and `test` of a file, float32 (n, d) each.

    Raises InputError unless both are there, (n, d) with the same d, of numbers, and finite.
    """
    found = {}
    for part in (TRAIN, TEST):
        array = read_array(path, part)
        assert array is not None
        if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "fiub":
            raise InputError(f"{path}: {part} is {array.dtype} of shape {array.shape}; give numbers (n, features)")
        with np.errstate(over="ignore"):
            rows = np.ascontiguousarray(array, dtype=np.float32)
        bad = ~np.isfinite(rows).all(axis=1)
        if bad.any():
            raise InputError(
                f"{path}: {part} has values that are not finite in float32 (NaN or infinite), first in row "
                f"{int(bad.argmax())}, in {int(bad.sum()):,} rows in all; mend them"
            )
        found[part] = rows
    train, test = found[TRAIN], found[TEST]
    if train.shape[1] != test.shape[1]:
        raise InputError(f"{path}: train has {train.shape[1]} features, test {test.shape[1]}; give both the same")
    return found


def read_array(path: str | Path, name: str, optional: bool = False) -> NDArray[Any] | None:
    """One array of an .npz file; None for one that is not there and `optional`. Raises InputError for a wrong file."""
    remedy = "save it with numpy.savez(path, train=..., test=...)"
    return read_archive(path, [] if optional else [name], [name], remedy).get(name)
