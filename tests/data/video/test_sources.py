"""From names to clips: training clips of training pictures, test clips of test pictures, the published file."""

from typing import Any

import numpy as np
import pytest

from dcgan_features.data.mnist import PART
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.video.sources import (
    OFFICIAL,
    moving_mnist,
    moving_shapes,
    official_test_clips,
    training_clips,
)


@pytest.fixture
def root(tmp_path):
    """A data root whose training digits are all of brightness 100, and whose test digits of 200."""
    arrays: dict[str, Any] = {}
    for part, value, count in (("train", 100, 8), ("test", 200, 6)):
        arrays[f"{part}_x"] = np.full((count, 28, 28), value, np.uint8)
        arrays[f"{part}_y"] = np.arange(count) % 10
    np.savez(tmp_path / PART, **arrays)
    return tmp_path


def test_training_clips_are_of_training_digits_and_test_clips_of_test_digits(root):
    moving = moving_mnist(root)
    train, test = (moving.clips(part, 5, 0, 4, 64) for part in ("train", "test"))
    assert np.unique(train.take(np.arange(5))).tolist() == [0, 100]
    assert np.unique(test.take(np.arange(5))).tolist() == [0, 200]
    assert not np.array_equal(train.start, test.start)
    assert not train.stand_in
    assert train.shown().shape == (5, 2)


def test_moving_shapes_say_that_they_are_synthetic_and_keep_their_test_pictures_apart():
    moving = moving_shapes()
    train, test = ({picture.tobytes() for picture in part} for part in moving.pictures)
    same = [name for name, label in zip(moving.classes, range(10), strict=True) if _turned_alike(moving, label)]
    assert same == ["disc", "ring"]  # that look alike however they are turned; of all others none is in both
    assert len(train & test) <= 8 * len(same)
    clips = training_clips("moving-shapes", None, 3, 0, 5, 32, 1)
    assert clips.stand_in
    assert "stand-in" in clips.description
    assert clips.take(np.arange(3)).max() == 255


def _turned_alike(moving, label):
    pictures = [part[moving.labels[0] == label].astype(float) for part in moving.pictures]
    return np.abs(pictures[0][:, None] - pictures[1][None]).mean((2, 3)).min() < 2


def test_the_published_test_clips_are_read_where_they_lie(root):
    assert official_test_clips(root) is None
    frames = np.random.default_rng(0).integers(0, 256, (20, 3, 64, 64), dtype=np.uint8)
    np.save(root / OFFICIAL, frames)
    found = official_test_clips(root)
    assert found is not None
    assert len(found) == 3
    np.testing.assert_array_equal(found.take(np.array([2]))[0, :, :, :, 0], frames[:, 2])
    np.save(root / OFFICIAL, frames[:19])
    with pytest.raises(InputError, match=r"instead of uint8 \(20, 10000, 64, 64\)"):
        official_test_clips(root)
    (root / OFFICIAL).write_bytes(b"damaged")
    with pytest.raises(InputError, match=OFFICIAL):
        official_test_clips(root)


@pytest.mark.parametrize(
    ("source", "channels", "message"),
    [
        ("moving-mnst", 1, "did you mean 'moving-mnist'"),
        ("moving-shapes", 3, "is grey"),
        ("no/such/folder", 1, "no folder of clips"),
    ],
)
def test_unknown_sources_are_said(source, channels, message):
    with pytest.raises(InputError, match=message):
        training_clips(source, None, 3, 0, 5, 32, channels)
