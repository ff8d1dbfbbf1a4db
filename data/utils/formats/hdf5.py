"""Arrays in HDF5 files, for which h5py must be installed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.raw import check_file, printable, reason_of

_BLOCK = 4096  # rows that are read at once


class ArraysFile:
    """The arrays of an open file. Errors are those of h5py, which `read_hdf5` turns into an `InputError`."""

    def __init__(self, arrays: dict[str, Any]) -> None:
        self._arrays = arrays

    def shape(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and type of an array."""
        return tuple(map(int, self._arrays[name].shape)), np.dtype(self._arrays[name].dtype)

    def whole(self, name: str) -> NDArray[Any]:
        """An array, read whole."""
        array: NDArray[Any] = self._arrays[name][()]
        return array

    def rows(self, name: str, wanted: NDArray[np.int64]) -> NDArray[Any]:
        """Rows of an array, in the order wanted; the file is read once from the first to the last of them."""
        shape, dtype = self.shape(name)
        found = np.empty((len(wanted), *shape[1:]), dtype)
        order = np.argsort(wanted, kind="stable")
        ascending = wanted[order]
        for start in range(0, shape[0], _BLOCK):
            first, last = np.searchsorted(ascending, [start, start + _BLOCK])
            if first < last:
                block = self._arrays[name][start : start + _BLOCK]
                found[order[first:last]] = block[ascending[first:last] - start]
        return found


@contextlib.contextmanager
def read_hdf5(path: Path | str, names: Iterable[str], remedy: str = "write it again with h5py") -> Iterator[ArraysFile]:
    """Open an HDF5 file for its arrays of these names, which lie at its top.

    remedy : ends messages. Raises `InputError`, naming the file, where h5py is not installed, the file is absent, lacks
    an array, or is damaged, also within the block.
    """
    try:
        import h5py
    except ImportError:
        raise InputError(f"{printable(path)} needs h5py; install the extra 'hdf5' of this project") from None
    check_file(path)
    try:
        with h5py.File(path, "r") as file:
            arrays = {}
            for name in names:
                if not isinstance(file.get(name), h5py.Dataset):
                    raise InputError(f"{printable(path)} holds no array {name}; {remedy}")
                arrays[name] = file[name]
            yield ArraysFile(arrays)
    except (OSError, RuntimeError, KeyError, ValueError) as error:  # what h5py raises over damaged bytes
        raise InputError(f"{printable(path)} is not a whole HDF5 file ({reason_of(error)}); {remedy}") from None
