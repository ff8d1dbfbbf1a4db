"""Tiny ImageNet's 100,000 training images at 32 x 32 pixels, in a file of numpy's, and their labels in another."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dcgan_features.data.dataset import Dataset
from dcgan_features.data.download import chosen_root, is_there
from dcgan_features.data.labelled.splits import TEST_SHARE, stratified_split
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import map_array

FILE = "tiny_imagenet_32.npy"
LABELS_FILE = "tiny_imagenet_32_labels.npy"
CLASSES = 200
SHAPE = (100_000, 32, 32, 3)  # 500 images of each of 200 of ImageNet's classes


def tiny_imagenet_32(root: Path | str | None = None, download: bool = True) -> Dataset:
    """The training images without their labels, uint8 (100000, 32, 32, 3), memory-mapped.

    root : folder that holds `tiny_imagenet_32.npy`: the training images of Tiny ImageNet (Stanford's CS231N, of
        ImageNet's images at 64 x 64), each 2 x 2 pixels averaged. None: the environment variable DATA_ROOT, or
        ~/.cache/dcgan-features.
    download : makes no difference: there is no official file of this size.

    Raises `InputError` when the file is absent, or is no such array.
    """
    file = chosen_root(root) / FILE
    remedy = f"pass --data-root with the folder that holds {FILE}, uint8 of shape {SHAPE}"
    if not is_there(file, remedy):
        raise InputError(f"Tiny ImageNet at 32 x 32 is not in {file.parent}: {remedy}")
    images = map_array(file)
    if images.dtype != np.uint8 or images.shape != SHAPE:
        raise InputError(f"{file} holds {images.dtype} of shape {images.shape}: {remedy}")
    return Dataset("tiny-imagenet-32", images, note="Tiny ImageNet, training images at 32 x 32, without labels")


def tiny_imagenet_200(root: Path | str | None = None, download: bool = True) -> Dataset:
    """The same images with their labels, 0..199; 100 of each class's 500 are set aside for testing.

    Tiny ImageNet's own validation images are not among the files, so the parts are those of `stratified_split` with
    seed 0, and figures on them are not those of the official split.
    root : folder that also holds `tiny_imagenet_32_labels.npy`, integers of shape (100000,); else as for
        `tiny_imagenet_32`.

    Raises `InputError` when a file is absent, or is not what it should be.
    """
    images = tiny_imagenet_32(root, download).train_images
    file = chosen_root(root) / LABELS_FILE
    remedy = f"pass --data-root with the folder that holds {LABELS_FILE}, a number of 0..{CLASSES - 1} for each image"
    if not is_there(file, remedy):
        raise InputError(f"the labels of Tiny ImageNet are not in {file.parent}: {remedy}")
    given = map_array(file)
    if given.dtype.kind not in "iu" or given.shape != SHAPE[:1]:
        raise InputError(f"{file} holds {given.dtype} of shape {given.shape}: {remedy}")
    labels = np.asarray(given, np.int64)
    if set(np.unique(labels)) != set(range(CLASSES)):
        raise InputError(
            f"{file} holds labels from {labels.min()} to {labels.max()}, not each of 200 classes: {remedy}"
        )
    classes = tuple(f"class {number}" for number in range(CLASSES))
    train, test = stratified_split(labels, classes, what=str(file))
    note = f"Tiny ImageNet at 32 x 32, {TEST_SHARE:.0%} of each class's training images set aside for testing"
    return Dataset(
        "tiny-imagenet-200", images[train], labels[train], images[test], labels[test], classes=classes, note=note
    )
