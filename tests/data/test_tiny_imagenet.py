"""The files of Tiny ImageNet, made small."""

from typing import Any

import numpy as np
import pytest

from dcgan_features import data
from dcgan_features.data import tiny_imagenet
from dcgan_features.data.labelled.splits import stratified_split
from dcgan_features.data.utils.errors import InputError


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder of both files, of 2,000 images of 2 x 2 pixels."""
    monkeypatch.setattr(tiny_imagenet, "SHAPE", (2000, 2, 2, 3))
    random = np.random.default_rng(0)
    np.save(tmp_path / tiny_imagenet.FILE, random.integers(0, 256, (2000, 2, 2, 3), dtype=np.uint8))
    np.save(tmp_path / tiny_imagenet.LABELS_FILE, random.permutation(np.arange(2000) % 200).astype(np.uint8))
    return tmp_path


def test_with_labels_a_fifth_of_each_class_is_set_aside(files):
    images, labels = (np.load(files / name) for name in (tiny_imagenet.FILE, tiny_imagenet.LABELS_FILE))
    found: Any = data.load("tiny-imagenet-200", files)
    assert np.bincount(found.train_labels).tolist() == [8] * 200
    assert np.bincount(found.test_labels).tolist() == [2] * 200
    train, test = stratified_split(labels.astype(np.int64), found.classes)
    np.testing.assert_array_equal(found.train_images, images[train])
    np.testing.assert_array_equal(found.test_images, images[test])
    np.testing.assert_array_equal(found.test_labels, labels[test])
    assert len(data.load("tiny-imagenet-32", files).train_images) == 2000


def test_files_that_are_absent_or_others_are_a_sentence(files):
    labels = np.load(files / tiny_imagenet.LABELS_FILE)
    for wrong in (labels[:-1], labels.astype(np.float32), np.zeros_like(labels)):
        np.save(files / tiny_imagenet.LABELS_FILE, wrong)
        with pytest.raises(InputError, match=r"labels\.npy holds"):
            data.load("tiny-imagenet-200", files)
    (files / tiny_imagenet.LABELS_FILE).unlink()
    with pytest.raises(InputError, match="pass --data-root"):
        data.load("tiny-imagenet-200", files)
    np.save(files / tiny_imagenet.FILE, labels)
    with pytest.raises(InputError, match="holds uint8 of shape"):
        data.load("tiny-imagenet-32", files)
