"""MNIST, in the official files (LeCun et al. 1998), or a part of it in one file of numpy's."""

from __future__ import annotations

import gzip
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.dataset import Dataset, Images, Labels
from dcgan_features.data.download import chosen_root, download_file, is_there, verify
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_archive, read_bytes

CLASSES = tuple("0123456789")
FOLDER = "MNIST/raw"
PART = "mnist_part.npz"
SIZE = 28  # pixels along a side

_WHOLE = {"train": 60_000, "test": 10_000}
_KEYS = ("train_x", "train_y", "test_x", "test_y")
# The four files unpacked. torchvision has the digests of the packed ones alone.
_UNPACKED_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
_ELSEWHERE = (
    f"pass --data-root with the folder that holds {FOLDER} or {PART}, or use --preset demo, which needs no data"
)


def mnist(root: Path | str | None = None, download: bool = True) -> Dataset:
    """Training and test images, uint8 (n, 28, 28, 1), with the digit as the label.

    root : folder that holds `MNIST/raw` with the four official files, or they themselves, packed (.gz) or unpacked:
        60,000 training and 10,000 test images. Where one of them is absent, `mnist_part.npz` in the same folder is
        taken, with arrays train_x, train_y, test_x, test_y: the first training images and the test set; the data set's
        name and note then say so. None: the environment variable DATA_ROOT, or ~/.cache/dcgan-features.
    download : whether to download the official files (12 MB) when neither is there.

    Raises `InputError` when there is neither and none is to be had, when an official file has another digest than
    the official one, or when the part is damaged or of other arrays.
    """
    folder = chosen_root(root) / FOLDER
    part = folder.parents[1] / PART
    if all(_present(folder, name) for name in _UNPACKED_MD5):
        return _official(folder)
    if is_there(part, _ELSEWHERE):
        return read_part(part)
    if not download:
        raise InputError(f"MNIST is not in {folder.parents[1]}: {_ELSEWHERE}")
    _download(folder)
    return _official(folder)


def read_idx(file: Path) -> NDArray[np.uint8]:
    """The array in one file of MNIST's format, packed where its name ends in .gz, whatever its digest.

    Returns uint8 of the shape that the file's head gives. Raises `InputError`, naming the file, where it is damaged.
    """
    remedy = "remove it and run again to download it, or put the official one there"
    try:
        content = read_bytes(file)
        content = gzip.decompress(content) if file.suffix == ".gz" else content
    except (OSError, EOFError, ValueError, MemoryError, zlib.error) as error:
        raise InputError(f"{file} cannot be read ({error}): {remedy}") from error
    dimensions = content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    shape = tuple(np.frombuffer(content, ">u4", dimensions, 4).tolist()) if len(content) >= 4 + 4 * dimensions else ()
    values = np.frombuffer(content, np.uint8)[4 + 4 * dimensions :]
    if not shape or len(values) != prod(shape):
        raise InputError(f"{file} is no whole idx file of bytes: {remedy}")
    return values.reshape(shape)


def read_part(file: Path) -> Dataset:
    """The first training images of MNIST and its test images, from an `.npz` file; see `mnist`.

    Arrays: train_x and test_x, uint8 (n, 28, 28); train_y and test_y, integers (n,), 0..9.
    """
    remedy = f"save {', '.join(_KEYS)} again with numpy.savez, or put the official files into {FOLDER}"
    arrays = read_archive(file, _KEYS, remedy=remedy)
    for part, whole in _WHOLE.items():
        x, y = arrays[f"{part}_x"], arrays[f"{part}_y"]
        if x.dtype != np.uint8 or x.shape[1:] != (SIZE, SIZE) or not 0 < len(x) <= whole:
            raise InputError(
                f"{file} holds a {part}_x of {x.dtype} and shape {x.shape} instead of uint8 and (n, {SIZE}, {SIZE}) "
                f"with at most {whole:,} images: {remedy}"
            )
        if y.dtype.kind not in "ui" or y.shape != x.shape[:1] or y.min() < 0 or y.max() > 9:
            raise InputError(
                f"{file} holds a {part}_y of {y.dtype} and shape {y.shape} instead of a whole number from 0 to 9 for "
                f"each of {len(x):,} images: {remedy}"
            )
    n_train, n_test = len(arrays["train_x"]), len(arrays["test_x"])
    name, test = f"mnist (first {n_train:,} training images)", "the whole test set"
    if n_test < _WHOLE["test"]:
        name = f"mnist (first {n_train:,} training images, {n_test:,} test images)"
        test = f"{n_test:,} of its {_WHOLE['test']:,} test images"
    note = f"the first {n_train:,} of MNIST's {_WHOLE['train']:,} training images, {test}"
    return _dataset(name, note, *(arrays[key] for key in _KEYS))


def _dataset(
    name: str, note: str, train_x: Images, train_y: NDArray[np.integer], test_x: Images, test_y: NDArray[np.integer]
) -> Dataset:
    labels: list[Labels] = [y.astype(np.int64) for y in (train_y, test_y)]
    return Dataset(name, train_x[..., None], labels[0], test_x[..., None], labels[1], CLASSES, note=note)


def _official(folder: Path) -> Dataset:
    from torchvision.datasets import MNIST  # takes seconds to import, so only when needed

    packed = dict(MNIST.resources)
    arrays = []
    for name, md5 in _UNPACKED_MD5.items():
        file = _file(folder, name) or folder / name
        md5 = packed[f"{name}.gz"] if file.suffix == ".gz" else md5
        verify(file, md5, f"remove it and run again to download it, or put the official {file.name} there")
        arrays.append(read_idx(file))
    return _dataset("mnist", "MNIST, official files, the whole training and test set", *arrays)


def _present(folder: Path, name: str) -> bool:
    return _file(folder, name) is not None


def _file(folder: Path, name: str) -> Path | None:
    """An official file, unpacked or else packed: as torchvision lays it down, or in the folders above `folder`, or with
    the dot in its name that unpacking programs give it ("train-images.idx3-ubyte").
    """
    for ending in ("", ".gz"):
        for place in (folder, folder.parent, folder.parents[1]):
            for spelt in (name, name.replace("-idx", ".idx")):
                file = place / f"{spelt}{ending}"
                if is_there(file, _ELSEWHERE) and not file.is_dir():
                    return file
    return None


def _download(folder: Path) -> None:
    from torchvision.datasets import MNIST

    for name, md5 in MNIST.resources:
        if not _present(folder, name.removesuffix(".gz")):
            urls = [f"{mirror}{name}" for mirror in MNIST.mirrors]
            download_file(f"MNIST ({name})", urls, md5, folder / name, _ELSEWHERE)
