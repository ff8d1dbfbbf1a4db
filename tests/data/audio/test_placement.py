import numpy as np
import pytest

from dcgan_features.data.audio import placed

SOUND = np.arange(1, 11, dtype=np.float32)  # ten samples, 1 to 10


@pytest.mark.parametrize(
    ("length", "place", "shift", "expected"),
    [
        (4, "start", 0, [1, 2, 3, 4]),
        (13, "start", 0, [*range(1, 11), 0, 0, 0]),
        (4, "start", 2, [3, 4, 5, 6]),
        (4, "start", -2, [0, 0, 1, 2]),
        (4, "centre", 0, [4, 5, 6, 7]),
        (14, "centre", 0, [0, 0, *range(1, 11), 0, 0]),
        (4, "centre", 100, [0, 0, 0, 0]),
    ],
)
def test_windows_by_hand(length, place, shift, expected):
    assert placed(SOUND, length, place, shift).tolist() == expected


def test_a_word_stays_in_the_middle_whatever_silence_is_around_it():
    word = np.random.default_rng(0).normal(size=100).astype(np.float32)
    plain = placed(word, 200, "energy")
    for before, after in ((0, 300), (500, 0), (70, 20)):
        padded = np.pad(word, (before, after))
        assert np.array_equal(placed(padded, 200, "energy"), plain)
        assert not np.array_equal(placed(padded, 200, "centre"), placed(word, 200, "centre"))


def test_silence_and_wrong_parameters():
    assert placed(np.zeros(7, np.float32), 3).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="place='end'"):
        placed(SOUND, 4, "end")
    with pytest.raises(ValueError, match="length=0"):
        placed(SOUND, 0)
