"""From what a user types to images: "cifar10", "svhn", "stand-in" and so on, a folder of pictures or a `.npy` file."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from dcgan_features.data.cifar10 import cifar10
from dcgan_features.data.dataset import Dataset, Images
from dcgan_features.data.folder import folder, npy, resize
from dcgan_features.data.mnist import mnist
from dcgan_features.data.near_test_images import without_near_test_images
from dcgan_features.data.stl10 import stl10_unlabelled
from dcgan_features.data.svhn import svhn, svhn_extra
from dcgan_features.data.synthetic.digits import stand_in_digits, stand_in_house_numbers
from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.data.tiny_imagenet import tiny_imagenet_32, tiny_imagenet_200
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.files import home_path
from dcgan_features.data.utils.hashing import array_digest

# Every data set with a name: (root, download) to Dataset. A new one is one file and one line here.
LOADERS: dict[str, Callable[[Path | str | None, bool], Dataset]] = {
    "cifar10": cifar10,
    "mnist": mnist,
    "stand-in": lambda root, download: stand_in(),
    "stand-in-plain": lambda root, download: stand_in(n_train=50_000, clutter=False),
    "stand-in-digits": lambda root, download: stand_in_digits(),
    "stand-in-house-numbers": lambda root, download: stand_in_house_numbers(),
    "stl10-unlabelled": stl10_unlabelled,
    "svhn": svhn,
    "svhn-extra": svhn_extra,
    "tiny-imagenet-32": tiny_imagenet_32,
    "tiny-imagenet-200": tiny_imagenet_200,
}

# The made-up ones among them, which can be had of any size: (n_train=..., n_test=..., seed=...) to Dataset.
STAND_INS: dict[str, Callable[..., Dataset]] = {
    "stand-in": stand_in,
    "stand-in-plain": partial(stand_in, clutter=False),
    "stand-in-digits": stand_in_digits,
    "stand-in-house-numbers": stand_in_house_numbers,
}

log = logging.getLogger(__name__)

_DOWNLOADS = ContextVar("downloads", default=True)


@contextlib.contextmanager
def without_downloads() -> Iterator[None]:
    """Within, a data set that is absent is an `InputError` and nothing is downloaded, whatever is asked for."""
    before = _DOWNLOADS.set(False)
    try:
        yield
    finally:
        _DOWNLOADS.reset(before)


def downloads_allowed() -> bool:
    """Whether this is outside `without_downloads`."""
    return _DOWNLOADS.get()


def load(source: str, root: Path | str | None = None, size: int | None = None, download: bool = True) -> Dataset:
    """The data set that `source` names.

    source : a name in `LOADERS`, else the path of a folder of pictures or of a `.npy` file.
    root : where named data sets lie or are downloaded to, see `data.download.chosen_root`.
    size : centre-crop and resize all images to size x size pixels; None leaves them as they are.

    Raises `InputError` for an unknown name, and for whatever the loader of the source refuses.
    """
    if size is not None and size < 1:
        raise InputError(f"images cannot be resized to {size} pixels; give a size of at least 1")
    if source in LOADERS:
        if Path(source).is_dir():
            log.warning("'%s' is taken as the data set of that name; for the folder here write ./%s", source, source)
        return _resized(LOADERS[source](root, download and _DOWNLOADS.get()), size)
    path = home_path(source, "give the path in full")
    if path.is_dir():
        return folder(path, size)
    if path.suffix == ".npy":
        return _resized(npy(path), size)
    if path.exists():
        raise InputError(f"{source} is neither a folder of pictures nor a .npy file; give one of these")
    if len(path.parts) > 1:
        raise InputError(f"{source} does not exist; check the path")
    raise unknown_name("data set", source, [*LOADERS, "a folder", "a .npy file"])


def training_images(
    sources: Sequence[str], root: Path | str | None = None, size: int | None = None, download: bool = True
) -> tuple[Images, str, str]:
    """The training images of several sources, one after another, for training without labels.

    Returns (images, description, digest): uint8 (n, height, width, channels), a line that names the sources and
    their numbers of images (and says "stand-in" where one is), and the SHA-256 of the images as `array_digest` gives
    it. One source alone is not copied and stays memory-mapped where it is. Test images are never among them, nor images
    that `data.near_test_images` lists as nearly the same as one; the description counts those that are left out.
    Raises `InputError` when there is no source, or when sources differ in the size of their images.
    """
    if not sources:
        raise InputError("no images to train on were named; give at least one data set, folder or .npy file")
    parts = [load(source, root, size, download) for source in sources]
    first = parts[0].train_images.shape[1:]
    for source, part in zip(sources, parts, strict=True):
        if part.train_images.shape[1:] != first:
            raise InputError(
                f"the images of {source} are {_size(part.train_images.shape[1:])} but those of {sources[0]} "
                f"{_size(first)}; give a size to which all are resized"
            )
    kept = [without_near_test_images(part.name, part.train_images) for part in parts]
    images = kept[0][0] if len(kept) == 1 else np.concatenate([own for own, _ in kept])
    described = [
        f"{part.title} ({len(own):,} images{f', without {near:,} near test images' if near else ''})"
        for part, (own, near) in zip(parts, kept, strict=True)
    ]
    return images, " + ".join(described), array_digest(images)


def _resized(dataset: Dataset, size: int | None) -> Dataset:
    shape = dataset.train_images.shape[1:]
    if size is None or shape[:2] == (size, size):
        return dataset
    test = None if dataset.test_images is None else resize(dataset.test_images, size)
    note = f"{dataset.note}; resized from {_size(shape)} to {size}x{size}"
    return replace(dataset, train_images=resize(dataset.train_images, size), test_images=test, note=note)


def _size(shape: tuple[int, ...]) -> str:
    height, width, channels = shape
    return f"{width}x{height}" + (" grey" if channels == 1 else "")
