"""Features of images of one mean and one deviation."""

import numpy as np
import pytest

from dcgan_features.features import ContrastFeatures, RawPixels


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(40, 216, (12, 8, 8, 3), dtype=np.uint8)


def test_features_are_those_of_images_of_one_mean_and_deviation(images):
    made = ContrastFeatures(RawPixels(low=0.0), spread=30.0, batch_size=5).fit_transform(images) * 255
    values = images.reshape(12, -1).astype(float)
    centred = values - values.mean(1, keepdims=True)
    expected = 128 + 30 * centred / np.sqrt(values.var(1, ddof=1, keepdims=True) + 10)
    np.testing.assert_allclose(made, expected, atol=0.501)  # rounded
    np.testing.assert_allclose(made.mean(1), 128, atol=0.5)
    np.testing.assert_allclose(made.std(1), 30, atol=0.5)


def test_brightness_and_contrast_change_nothing(images):
    dimmer = (images // 2 * 2).astype(np.uint8)  # even, so that half of it is exact
    fitted = ContrastFeatures(RawPixels(low=0.0)).fit(images)
    brighter = fitted.transform((dimmer // 2 + 17).astype(np.uint8))
    np.testing.assert_allclose(brighter, fitted.transform(dimmer), atol=2.1 / 255)


def test_the_extractor_is_fitted_on_normalised_images(images):
    class Seen(RawPixels):
        def fit(self, images, y=None):
            self.seen_ = images
            return super().fit(images)

    fitted = ContrastFeatures(Seen()).fit(images)
    assert (fitted.extractor_.seen_.dtype, fitted.extractor_.seen_.shape) == (np.uint8, images.shape)
    np.testing.assert_array_equal(fitted.transform(images), RawPixels().fit_transform(fitted.extractor_.seen_))


def test_one_colour_becomes_grey():
    flat = np.full((2, 4, 4, 3), 200, np.uint8)
    np.testing.assert_array_equal(ContrastFeatures(RawPixels(low=0.0)).fit_transform(flat) * 255, 128.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"spread": 0.0}, "above 0 and at most 128 grey levels"),
        ({"spread": float("nan")}, "above 0 and at most 128 grey levels"),
        ({"batch_size": 0}, "batch_size"),
        ({"spread": "wide"}, "above 0 and at most 128 grey levels"),
        ({"extractor": np.mean}, "must be an extractor of images"),
    ],
)
def test_unusable_parameters(images, settings, message):
    with pytest.raises(ValueError, match=message):
        ContrastFeatures(**{"extractor": RawPixels(), **settings}).fit(images)
