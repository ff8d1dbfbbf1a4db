import gc
import weakref

import numpy as np
import pytest
import torch

from dcgan_features.data.utils.devices import choose_device
from dcgan_features.data.utils.gpu import with_smaller_blocks
from dcgan_features.features.base import Extractor
from tests.data.utils.test_gpu import OUT


class Hungry(Extractor):
    """Has memory for `most` images at a time."""

    def __init__(self, most, asked):
        self.most = most
        self.asked = asked

    def fit(self, images, y=None):
        return self._fitted(images, 3, "float32")

    def _block_size(self):
        return 32

    def _transform_block(self, images):
        self.asked.append(len(images))
        if len(images) > self.most:
            raise torch.OutOfMemoryError(OUT)
        return torch.from_numpy(images.sum((1, 2), dtype=np.float32))


def test_blocks_of_images_become_smaller_until_they_fit_and_stay_so():
    images = np.random.default_rng(0).integers(0, 256, (70, 4, 4, 3), dtype=np.uint8)
    asked: list[int] = []
    extractor = Hungry(10, asked).fit(images)
    blocks = list(extractor.transform_blocks(images))
    assert [len(block) for block in blocks] == [32, 32, 6]
    np.testing.assert_array_equal(torch.cat(blocks), images.sum((1, 2), dtype=np.float32))
    assert asked == [32, 16, *[8] * 8, 6]
    np.testing.assert_array_equal(extractor.transform(images), torch.cat(blocks))


def test_where_one_image_is_too_many_the_error_comes_through():
    asked: list[int] = []
    images = np.zeros((5, 4, 4, 3), np.uint8)
    with pytest.raises(torch.OutOfMemoryError):
        Hungry(0, asked).fit(images).transform(images)
    assert asked == [5, 2, 1]


def test_nothing_is_tried_again_after_another_error():
    tried = []

    def fail(size):
        tried.append(size)
        raise RuntimeError("CUDA error: unspecified launch failure")

    with pytest.raises(RuntimeError, match="unspecified"):
        with_smaller_blocks(fail, 8)
    assert tried == [8]


def test_what_a_failed_attempt_held_is_free_before_the_next():
    class Block:
        """What memory was asked for."""

    held: list[weakref.ref[Block]] = []

    def work(size):
        gc.collect()
        assert all(block() is None for block in held)
        block = Block()
        held.append(weakref.ref(block))
        if size > 3:
            raise torch.OutOfMemoryError(OUT)
        return size

    assert with_smaller_blocks(work, 20, 3) == (3, 3)
    assert len(held) == 4


def test_a_device_without_bfloat16_is_refused_for_it_alone(monkeypatch):
    monkeypatch.setattr("dcgan_features.data.utils.devices.computes_bfloat16", lambda device: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla T4")
    assert choose_device("cpu").type == "cpu"
    with pytest.raises(ValueError, match="Tesla T4 does not compute in bfloat16; choose float32"):
        choose_device("cpu", "bfloat16")
