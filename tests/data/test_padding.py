import numpy as np
import pytest

from dcgan_features.data.dataset import Dataset
from dcgan_features.data.padding import adapted, adapted_dataset
from dcgan_features.data.utils.errors import InputError

GREY = np.random.default_rng(0).integers(1, 256, (3, 28, 28, 1), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(1, 256, (2, 32, 32, 3), dtype=np.uint8)


def test_two_pixels_of_zeros_on_each_side_and_three_equal_channels():
    made = adapted(GREY, 32, 3)
    padded = np.pad(GREY[..., 0], ((0, 0), (2, 2), (2, 2)))
    assert made.dtype == np.uint8
    assert made.flags.c_contiguous
    assert np.array_equal(made, np.stack([padded] * 3, axis=-1))


def test_each_of_the_two_alone():
    assert np.array_equal(adapted(GREY, 32), np.pad(GREY, ((0, 0), (2, 2), (2, 2), (0, 0))))
    assert np.array_equal(adapted(GREY, channels=3), np.repeat(GREY, 3, axis=3))
    assert np.array_equal(adapted(COLOUR, 35), np.pad(COLOUR, ((0, 0), (1, 2), (1, 2), (0, 0))))
    high = COLOUR[:, :, :30]  # 30 pixels wide, 32 high: each direction has its own border
    assert np.array_equal(adapted(high, 32), np.pad(high, ((0, 0), (0, 0), (1, 1), (0, 0))))


@pytest.mark.parametrize(("size", "channels"), [(None, None), (32, None), (None, 3), (32, 3)])
def test_what_fits_is_not_copied(size, channels):
    assert adapted(COLOUR, size, channels) is COLOUR
    whole = Dataset("colour", COLOUR, note="made up")
    assert adapted_dataset(whole, size, channels) is whole


@pytest.mark.parametrize(("images", "size", "channels", "sentence"), [
    (COLOUR, 28, None, "32x32 pixels do not fit into 28x28"),
    (COLOUR[:, :, :20], 28, None, "20x32 pixels do not fit into 28x28"),
    (COLOUR, None, 1, "3 channels cannot be given 1"),
    (GREY, None, 2, "1 channels cannot be given 2"),
])  # fmt: skip
def test_pixels_and_colours_are_never_lost(images, size, channels, sentence):
    with pytest.raises(InputError, match=sentence):
        adapted(images, size, channels)
    with pytest.raises(InputError, match=f"some pictures: .*{sentence}"):
        adapted_dataset(Dataset("some pictures", images), size, channels)


def test_a_data_set_keeps_the_rest_and_says_what_was_done():
    labels = np.array([0, 1, -1])
    plain = Dataset("digits", GREY, labels, GREY[:2], labels[:2], ("0", "1"), stand_in=True, note="made up")
    made = adapted_dataset(plain, 32, 3)
    assert np.array_equal(made.train_images, adapted(GREY, 32, 3))
    assert made.test_images is not None
    assert np.array_equal(made.test_images, adapted(GREY[:2], 32, 3))
    assert made.train_labels is labels
    assert (made.name, made.classes, made.stand_in) == ("digits", ("0", "1"), True)
    assert made.note == "made up; zeros around 28x28 to 32x32; the grey channel three times"
    assert adapted_dataset(Dataset("bare", GREY), channels=3).note == "the grey channel three times"
