"""What every source of images is turned into."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.hashing import array_digest

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]

NO_LABEL = -1  # as scikit-learn's semi-supervised classifiers have it


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images, and where there are any their labels. The arrays are shared, not copied: do not write to them.

    name : short name, used in descriptions.
    train_images : uint8 (n, height, width, channels), 0..255, 1 or 3 channels; may be memory-mapped, read-only.
    train_labels : int64 (n,), 0..len(classes)-1, or -1 for an image without a label; None where none has one.
    test_images, test_labels : the same for the test set, where every label is known, or None where there is none.
    classes : name of each class, in the order of the labels; empty where there are no labels.
    stand_in : True for made-up images; everything computed from them must say so.
    note : one line on where the images come from.
    train_groups : int64 (n,), the same number for training images that share pixels, as two digits of one house do; a
        hold-out takes whole groups (`data.group_holdout`). None where images have nothing to do with each other.

    Raises `InputError` when the arrays do not fit this description or each other.
    """

    name: str
    train_images: Images
    train_labels: Labels | None = None
    test_images: Images | None = None
    test_labels: Labels | None = None
    classes: tuple[str, ...] = ()
    stand_in: bool = False
    note: str = ""
    train_groups: Labels | None = None

    def __post_init__(self) -> None:
        self._check_images("training", self.train_images)
        self._check_labels("training", self.train_images, self.train_labels, least=NO_LABEL)
        groups = self.train_groups
        if groups is not None and (groups.dtype != np.int64 or groups.shape != (len(self.train_images),)):
            raise InputError(
                f"{self.name}: {len(self.train_images)} training images but groups {groups.dtype} of shape "
                f"{groups.shape}; give one int64 number an image"
            )
        if self.test_images is None:
            if self.test_labels is not None:
                raise InputError(f"{self.name}: there are test labels but no test images; give both or neither")
            return
        self._check_images("test", self.test_images)
        self._check_labels("test", self.test_images, self.test_labels, least=0)
        if self.test_images.shape[1:] != self.train_images.shape[1:]:
            raise InputError(
                f"{self.name}: test images of shape {self.test_images.shape[1:]} and training images of shape "
                f"{self.train_images.shape[1:]}; make them equal"
            )

    def _check_images(self, part: str, images: Images) -> None:
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
            raise InputError(
                f"{self.name}: the {part} images are {images.dtype} of shape {images.shape}; "
                "give uint8 of shape (n, height, width, 1 or 3)"
            )
        if images.size == 0:
            raise InputError(f"{self.name}: there are no {part} images; give at least one")

    def _check_labels(self, part: str, images: Images, labels: Labels | None, least: int) -> None:
        if labels is None:
            return
        if labels.dtype != np.int64 or labels.shape != (len(images),):
            raise InputError(
                f"{self.name}: {len(images)} {part} images but labels {labels.dtype} of shape {labels.shape}; "
                "give one int64 label an image"
            )
        missing = f"; an image without a label has {NO_LABEL}" if least < 0 else "; every test image needs its label"
        low, high = int(labels.min()), int(labels.max())
        if low < least or high >= len(self.classes):
            raise InputError(
                f"{self.name}: {part} labels from {low} to {high} for {len(self.classes)} classes; "
                f"number the classes from 0 and name each of them{missing}"
            )

    @property
    def title(self) -> str:
        """The name as it belongs in tables and on screen: a stand-in says that it is one."""
        return f"{self.name} (stand-in)" if self.stand_in else self.name

    @cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of all images and labels; computed once."""
        return array_digest(self.train_images, self.train_labels, self.test_images, self.test_labels)
