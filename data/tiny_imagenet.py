"""Tiny ImageNet's 100,000 training images at 32 x 32 pixels, in one file of numpy's."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dcgan_features.data.dataset import Dataset
from dcgan_features.data.download import chosen_root, is_there
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import map_array

FILE = "tiny_imagenet_32.npy"
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
