"""SVHN, the Street View House Numbers (Netzer et al. 2011): the official cropped digits, or these cut again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.dataset import NO_LABEL, Dataset, Images, Labels
from dcgan_features.data.download import chosen_root, download_file, is_there, verify
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_archive
from dcgan_features.data.utils.raw import check_file

CLASSES = tuple("0123456789")

RECUT = "svhn_recut.npz"

# SHA-256 of the arrays of `svhn_recut.npz`: pixels as they are, labels and houses as little-endian int64.
_RECUT_SHA256 = {
    "train_images": "291a6729e937dcb30bb4b2c5cf578ef6999000dd3891ce6c845ed541ed649aa9",
    "train_labels": "d12587a1e0efc1b8ecc006ec91da5eb53f2230cedb3a0357ef50737f72285765",
    "train_house": "38c007318a7f5caba9ca47397a5454192fcbbc00f543aa4a14c6d6d8149d3a0e",
    "test_images": "1313b85ef7f0fbd7990e742c2e0f2e16e7eb8ad9af770facfecf7f0db93c4a52",
    "test_labels": "e48928b73c8aeda0597997f294279171368a478e28633e2c312a6dd9601d4048",
    "test_house": "401c66c3f75a5b1d9d9b8918d8b46c314bdb776ff4bef284dc0161ae7ba587e5",
}
_SIZES = {"train": "182 MB", "test": "64 MB", "extra": "1.3 GB"}
_BLOCK = 4096  # images put in order at a time


def svhn(root: Path | str | None = None, download: bool = True) -> Dataset:
    """The 73,257 training and 26,032 test images, uint8 (n, 32, 32, 3), with the digit in the middle as the label.

    root : folder that holds `train_32x32.mat` and `test_32x32.mat`, the official files. Where one of them is absent,
        `svhn_recut.npz` in the same folder is taken, see `read_recut`; the data set's name and note then say so, and
        its `train_groups` are the houses. None: the environment variable DATA_ROOT, or ~/.cache/dcgan-features.
    download : whether to download the official files (182 and 64 MB) into `root` when neither is there.

    The official files' names and digests are those that torchvision has; the digit 0, whose label in the files is 10,
    gets 0. Raises `InputError` when there is neither and none is to be had, or when a file is not the one on record.
    """
    folder = chosen_root(root)
    recut = folder / RECUT
    if not _all_there(folder, "train", "test") and is_there(recut, _elsewhere("train", "test")):
        return read_recut(recut)
    train, test = _official(root, download, "train", "test")
    images, labels = read(train)
    train_images = np.empty(images.shape, np.uint8)
    _put(images, train_images)
    note = "SVHN, official cropped digits, the training and the test set without the extra one"
    return _dataset("svhn", train_images, labels, test, note)


def read_recut(file: Path) -> Dataset:
    """SVHN's digits cut again from the full pictures by the published boxes, from an `.npz` file; see `svhn`.

    Split, order and labels are the official ones. Each box is squared to its longer side, clipped at the picture's
    border, and scaled to 32 x 32 pixels (bicubic, antialiased); a handful of values may differ from the official ones
    by a grey level. Arrays: train_images and test_images, uint8 (n, 32, 32, 3); train_labels and test_labels, the
    digits 0..9; train_house and test_house, the number of the picture, integers (n,). Digits of one picture overlap,
    so that a hold-out takes whole pictures: `train_groups`.
    Raises `InputError` where the file is damaged, lacks an array, or where an array's SHA-256 is not the one on record.
    """
    remedy = "write it out again, or put the official train_32x32.mat and test_32x32.mat beside it"
    arrays = read_archive(file, _RECUT_SHA256, remedy=remedy)
    for key, expected in _RECUT_SHA256.items():
        if _digest(arrays[key]) != expected:
            raise InputError(f"{file} holds other {key} than those that were cut and recorded: {remedy}")
    note = (
        "SVHN's digits cut again from the full pictures by the published boxes, official split, order and labels; a "
        "handful of values may differ from the official crops by one grey level"
    )
    train_images, train_labels, house, test_images, test_labels, _ = arrays.values()
    return Dataset(
        "SVHN, cut again",
        train_images,
        train_labels.astype(np.int64),
        test_images,
        test_labels.astype(np.int64),
        CLASSES,
        note=note,
        train_groups=house.astype(np.int64),
    )


def _digest(array: NDArray[np.generic]) -> str:
    """Hexadecimal SHA-256 of an array's bytes: of pixels as they are, of other integers as little-endian int64."""
    if array.dtype != np.uint8 or array.ndim == 1:
        array = array.astype("<i8")
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def svhn_extra(root: Path | str | None = None, download: bool = True) -> Dataset:
    """`svhn` with the 531,131 extra images after the training images, for learning without labels.

    The first 73,257 training images have their labels, the extra ones have `NO_LABEL` (-1). Takes 3.7 GB of memory
    while loading and 1.9 GB afterwards. The file `extra_32x32.mat` (1.3 GB) is found, checked and downloaded as `svhn`
    does the others.
    """
    train, extra, test = _official(root, download, "train", "extra", "test")
    (images, labels), (extra_images, _) = read(train), read(extra)
    count = len(images) + len(extra_images)
    train_images = np.empty((count, *images.shape[1:]), np.uint8)
    _put(images, train_images[: len(images)])
    _put(extra_images, train_images[len(images) :])
    no_labels = np.full(len(extra_images), NO_LABEL, np.int64)
    note = (
        f"SVHN, official cropped digits, the training set, then {len(extra_images):,} images of the extra set without "
        "their labels, and the test set"
    )
    del images, extra_images  # before the test set is read
    return _dataset("svhn-extra", train_images, np.concatenate([labels, no_labels]), test, note)


def read(file: Path) -> tuple[Images, Labels]:
    """Images and labels of one `.mat` file of SVHN's format, whatever its digest.

    Returns uint8 (n, 32, 32, 3), a view that is not C-contiguous, for the file holds the pixels column by column; and
    int64 (n,), 0..9. Raises `InputError`, naming the file, where it is damaged, or where X or y is missing, of another
    type or shape, or y is not of 1..10.
    """
    from scipy.io import loadmat

    check_file(file)
    try:
        content = loadmat(file, variable_names=["X", "y"])
    except MemoryError:
        raise
    except Exception as error:  # scipy's reader raises nearly every kind of exception over a damaged file
        reason = " ".join(str(error).split())
        raise InputError(f"{file} cannot be read as a MATLAB file ({reason}): put the official one there") from error
    for key in ("X", "y"):
        if key not in content:
            raise InputError(f"{file} holds no {key}: put SVHN's official file with X and y there")
    X, y = content["X"], content["y"]
    if X.dtype != np.uint8 or X.ndim != 4 or X.shape[:3] != (32, 32, 3) or X.size == 0:
        raise InputError(
            f"{file} holds an X of {X.dtype} and shape {X.shape} instead of uint8 and (32, 32, 3, n): "
            "put SVHN's official file of cropped digits there"
        )
    if y.dtype.kind not in "uif" or y.size != X.shape[3] or y.size != max(y.shape):
        raise InputError(
            f"{file} holds {X.shape[3]} images but a y of {y.dtype} and shape {y.shape}: put SVHN's official file there"
        )
    labels = y.ravel().astype(np.int64)
    if not np.array_equal(labels, y.ravel()) or labels.min() < 1 or labels.max() > 10:
        raise InputError(
            f"{file} holds labels from {y.min()} to {y.max()} instead of whole numbers from 1 to 10: "
            "put SVHN's official file there"
        )
    return X.transpose(3, 0, 1, 2), labels % 10


def _official(root: Path | str | None, download: bool, *parts: str) -> list[Path]:
    """The official files of these parts, downloaded if need be, all of them verified."""
    from torchvision.datasets import SVHN  # takes seconds to import, so only when needed

    folder, elsewhere = chosen_root(root), _elsewhere(*parts)
    absent = [part for part in parts if not is_there(folder / _file_name(part), elsewhere)]
    if absent and not download:
        lacking = ", ".join(map(_file_name, absent))
        raise InputError(f"SVHN is not in {folder}, which lacks {lacking}: {elsewhere}")
    for part in parts:
        url, name, md5 = SVHN.split_list[part]
        if part in absent:
            download_file(f"SVHN ({name}, {_SIZES[part]})", [url], md5, folder / name, elsewhere)
        else:
            verify(folder / name, md5, f"remove it and run again to download it, or put the official {name} there")
    return [folder / _file_name(part) for part in parts]


def _all_there(folder: Path, *parts: str) -> bool:
    return all(is_there(folder / _file_name(part), _elsewhere(*parts)) for part in parts)


def _file_name(part: str) -> str:
    return f"{part}_32x32.mat"


def _elsewhere(*parts: str) -> str:
    """What to do where the files of these parts are not to be had."""
    names = [_file_name(part) for part in parts]
    together = " and ".join(names) if len(names) == 2 else ", ".join(names)
    recut = f" (or {RECUT})" if parts == ("train", "test") else ""
    return f"pass --data-root with the folder that holds {together}{recut}, or use --preset demo, which needs no data"


def _put(images: Images, target: Images) -> None:
    """Copy images into a C-contiguous array block by block, which keeps both within reach of the cache."""
    for start in range(0, len(images), _BLOCK):
        target[start : start + _BLOCK] = images[start : start + _BLOCK]


def _dataset(name: str, train_images: Images, train_labels: Labels, test: Path, note: str) -> Dataset:
    images, test_labels = read(test)
    test_images = np.ascontiguousarray(images)
    return Dataset(name, train_images, train_labels, test_images, test_labels, CLASSES, note=note)
