import numpy as np
import pytest
import torch

from dcgan_features.data.utils.errors import InputError
from dcgan_features.features.base import Extractor, check_images
from dcgan_features.features.raw_pixels import RawPixels


class Broken(Extractor):
    def fit(self, images, y=None):
        return self._fitted(check_images(images), 1, "float32")

    def _transform_block(self, images):
        return torch.log(torch.from_numpy(images[:, 0, 0, :1].astype(np.float32)))  # -inf for a pixel of 0


def test_raw_pixels_are_scaled_and_flattened_by_rows_then_columns_then_channels():
    images = np.array([[[[0, 255], [51, 204]]]], dtype=np.uint8)  # (1, 1, 2, 2)
    features = RawPixels().fit_transform(images)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, [[-1.0, 1.0, -0.6, 0.6]], atol=1e-6)


def test_read_only_and_strided_images_are_read_and_left_alone():
    images = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    flipped = images[:, ::-1]
    flipped.flags.writeable = False
    np.testing.assert_array_equal(
        RawPixels().fit(flipped).transform(flipped), RawPixels().fit_transform(flipped.copy())
    )


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 4, 4), np.uint8), "must have the shape"),
        (np.zeros((2, 4, 4, 3), np.float32), "must be uint8"),
        (np.zeros((0, 4, 4, 3), np.uint8), "there are no images"),
    ],
)
def test_what_is_not_a_batch_of_images_is_refused(images, message):
    with pytest.raises(ValueError, match=message):
        RawPixels().fit(images)


def test_images_of_another_size_than_fitted_on_are_refused():
    extractor = RawPixels().fit(np.zeros((1, 4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match=r"fitted on images of \(4, 4, 3\), not \(5, 4, 3\)"):
        extractor.transform(np.zeros((1, 5, 4, 3), np.uint8))


def test_features_that_are_not_finite_are_refused_and_said_where():
    images = np.ones((600, 2, 2, 1), np.uint8)
    images[300] = 0
    with pytest.raises(InputError, match=r"Broken gives features that are not finite.*images 256 to 511"):
        Broken().fit(images).transform(images)


def test_features_left_on_the_device_are_the_same():
    images = np.random.default_rng(0).integers(0, 256, (600, 2, 2, 1), dtype=np.uint8)
    extractor = RawPixels().fit(images)
    left = extractor.transform_tensor(images, on_device=True)
    np.testing.assert_array_equal(left.numpy(), extractor.transform(images))
    assert [len(block) for block in extractor.transform_blocks(images, range(256, 600, 256), on_device=True)] == [
        256,
        88,
    ]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_one_value_that_is_not_finite_is_found_among_many(dtype, value):
    class Given(Extractor):
        def _transform_block(self, images):
            block = torch.randn(len(images), 33).to(dtype)
            block[7, 32] = value
            return block

    images = np.ones((20, 2, 2, 1), np.uint8)
    with pytest.raises(InputError, match="not finite, first among images 0 to 19"):
        Given()._fitted(images, 33, str(dtype).removeprefix("torch.")).transform(images)
