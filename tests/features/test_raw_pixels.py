import numpy as np
import pytest
import torch

from dcgan_features.features.raw_pixels import RawPixels

EVERY = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)


def test_pixels_go_from_minus_one_to_one_to_the_bit():
    expected = torch.from_numpy(EVERY).flatten(1).float() / 127.5 - 1.0
    np.testing.assert_array_equal(RawPixels().fit(EVERY).transform(EVERY), expected.numpy())


def test_pixels_from_nought_to_one():
    made = RawPixels(low=0.0).fit(EVERY).transform(EVERY)
    np.testing.assert_allclose(made[0], np.arange(256) / 255, rtol=1e-6)
    assert made.min() == 0
    assert made.max() == 1


@pytest.mark.parametrize("low", [1.0, 2.0, float("nan"), -float("inf")])
def test_black_must_be_below_white(low):
    with pytest.raises(ValueError, match="low="):
        RawPixels(low=low).fit(EVERY)
