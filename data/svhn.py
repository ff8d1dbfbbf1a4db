"""SVHN, the Street View House Numbers, in the official cropped-digit files (Netzer et al. 2011)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dcgan_features.data.dataset import NO_LABEL, Dataset, Images, Labels
from dcgan_features.data.download import chosen_root, download_file, is_there, verify
from dcgan_features.data.utils.errors import InputError

CLASSES = tuple("0123456789")

_SIZES = {"train": "182 MB", "test": "64 MB", "extra": "1.3 GB"}
_BLOCK = 4096  # images put in order at a time


def svhn(root: Path | str | None = None, download: bool = True) -> Dataset:
    """The 73,257 training and 26,032 test images, uint8 (n, 32, 32, 3), with the digit in the middle as the label.

    root : folder that holds `train_32x32.mat` and `test_32x32.mat`. None: the environment variable DATA_ROOT, or
        ~/.cache/dcgan-features.
    download : whether to download the files that are absent (182 and 64 MB) into `root`.

    The files' names and digests are those that torchvision has; the digit 0, whose label in the files is 10, gets 0.
    Raises `InputError` when a file is absent and not to be had, or is not the official one.
    """
    train, test = _official(root, download, "train", "test")
    images, labels = read(train)
    train_images = np.empty(images.shape, np.uint8)
    _put(images, train_images)
    note = "SVHN, official cropped digits, the training and the test set without the extra one"
    return _dataset("svhn", train_images, labels, test, note)


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

    folder = chosen_root(root)
    names = {part: SVHN.split_list[part][1] for part in parts}
    together = " and ".join(names.values()) if len(names) == 2 else ", ".join(names.values())
    elsewhere = f"pass --data-root with the folder that holds {together}, or use --preset demo, which needs no data"
    absent = [part for part in parts if not is_there(folder / names[part], elsewhere)]
    if absent and not download:
        raise InputError(f"SVHN is not in {folder}, which lacks {', '.join(names[p] for p in absent)}: {elsewhere}")
    for part in parts:
        url, name, md5 = SVHN.split_list[part]
        if part in absent:
            download_file(f"SVHN ({name}, {_SIZES[part]})", [url], md5, folder / name, elsewhere)
        else:
            verify(folder / name, md5, f"remove it and run again to download it, or put the official {name} there")
    return [folder / name for name in names.values()]


def _put(images: Images, target: Images) -> None:
    """Copy images into a C-contiguous array block by block, which keeps both within reach of the cache."""
    for start in range(0, len(images), _BLOCK):
        target[start : start + _BLOCK] = images[start : start + _BLOCK]


def _dataset(name: str, train_images: Images, train_labels: Labels, test: Path, note: str) -> Dataset:
    images, test_labels = read(test)
    test_images = np.ascontiguousarray(images)
    return Dataset(name, train_images, train_labels, test_images, test_labels, CLASSES, note=note)
