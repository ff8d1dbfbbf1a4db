from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np
import pytest

from dcgan_features.data.dataset import Dataset
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.hashing import array_digest

IMAGES = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
LABELS = np.array([0, 1])


def dataset(**changes: Any) -> Dataset:
    fields: dict[str, Any] = {
        "name": "set", "train_images": IMAGES, "train_labels": LABELS, "test_images": IMAGES[:1],
        "test_labels": LABELS[:1], "classes": ("a", "b"),
    }  # fmt: skip
    return Dataset(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_images": IMAGES.astype(np.float32)}, "float32"),
        ({"train_images": IMAGES[0]}, r"\(4, 4, 3\)"),
        ({"train_images": IMAGES.transpose(0, 3, 1, 2)}, r"\(2, 3, 4, 4\)"),
        ({"train_images": IMAGES[:0], "train_labels": LABELS[:0]}, "no training images"),
        ({"train_labels": LABELS[:1]}, "2 training images but labels"),
        ({"train_labels": LABELS.astype(np.int32)}, "int32"),
        ({"train_labels": LABELS - 2}, "training labels from -2 to -1 .* without a label has -1"),
        ({"test_labels": LABELS[:1] - 1}, "test labels from -1 to -1 .* every test image needs its label"),
        ({"train_labels": LABELS + 1}, "from 1 to 2 for 2 classes"),
        ({"test_labels": LABELS}, "1 test images but labels"),
        ({"test_images": None}, "test labels but no test images"),
        ({"test_images": IMAGES[:1, :2]}, "make them equal"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        dataset(**changes)


def test_only_training_images_are_needed_and_grey_is_allowed() -> None:
    assert Dataset("grey", IMAGES[..., :1]).test_images is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        dataset().name = "another"  # type: ignore[misc]


def test_training_images_may_be_without_a_label() -> None:
    mixed = np.array([-1, 1])
    assert dataset(train_labels=mixed).train_labels is mixed
    assert dataset(train_labels=mixed).digest != dataset().digest
    assert dataset(train_labels=LABELS * 0 - 1).classes == ("a", "b")  # none has one yet


def test_a_stand_in_says_so() -> None:
    assert dataset().title == "set"
    assert dataset(stand_in=True).title == "set (stand-in)"


def test_digest_is_over_dtype_shape_and_bytes() -> None:
    expected = hashlib.sha256(b"|u1 (2, 4, 4, 3);" + IMAGES.tobytes() + b"<i8 (2,);" + LABELS.tobytes() + b"absent;")
    assert array_digest(IMAGES, LABELS, None) == expected.hexdigest()
    assert dataset(test_images=None, test_labels=None).digest == array_digest(IMAGES, LABELS, None, None)


def test_digest_sees_every_difference_and_no_memory_order() -> None:
    other = IMAGES.copy()
    other[-1, -1, -1, -1] ^= 1
    variants = [
        dataset(),
        dataset(train_images=other),
        dataset(train_images=IMAGES.reshape(2, 2, 8, 3), test_images=None, test_labels=None),
        dataset(train_images=IMAGES, test_images=None, test_labels=None),
        dataset(train_labels=LABELS[::-1]),
        dataset(train_labels=None),
    ]
    assert len({variant.digest for variant in variants}) == len(variants)
    assert dataset(train_images=np.asfortranarray(IMAGES)).digest == dataset().digest


def test_digest_of_an_array_larger_than_one_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = array_digest(IMAGES, LABELS)
    monkeypatch.setattr("dcgan_features.data.utils.hashing._CHUNK", 50)  # one image at a time
    assert array_digest(IMAGES, LABELS) == whole
