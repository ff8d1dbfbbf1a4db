import numpy as np
import pytest

from dcgan_features.benchmarks.config.components import find
from dcgan_features.benchmarks.config.described import views_of
from dcgan_features.benchmarks.config.schema import Component
from dcgan_features.features import KMeansFeatures, RawPixels, ViewFeatures


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), np.uint8)


def moved(images, down, right):
    """By padding: rows and columns that come in are those on the other side of the outermost one."""
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    return padded[:, 2 - down : 10 - down, 2 - right : 10 - right]


@pytest.mark.parametrize("join", ["max", "mean"])
@pytest.mark.parametrize(("flip", "shift"), [(True, 0), (False, 2), (True, 2), (False, 0)])
def test_features_are_those_of_the_views_joined(images, join, flip, shift):
    own = RawPixels().fit(images)
    places = [(0, 0), *([(2, 0), (-2, 0), (0, 2), (0, -2)] if shift else [])]
    views = [moved(images, *place) for place in places]
    views += [view[:, :, ::-1] for view in views] if flip else []
    each = np.stack([own.transform(np.ascontiguousarray(view)) for view in views])
    expected = each.max(0) if join == "max" else each.mean(0)
    made = ViewFeatures(RawPixels(), flip=flip, shift=shift, join=join, batch_size=5).fit_transform(images)
    np.testing.assert_allclose(made, expected, rtol=1e-6, atol=1e-6)


def test_a_power_keeps_the_sign(images):
    plain = ViewFeatures(RawPixels(), flip=False).fit_transform(images)
    assert plain.min() < 0
    rooted = ViewFeatures(RawPixels(), flip=False, power=0.5).fit_transform(images)
    np.testing.assert_allclose(rooted, np.sign(plain) * np.sqrt(np.abs(plain)), rtol=1e-6)


def test_the_extractor_is_fitted_on_the_images_as_they_are(images):
    own = KMeansFeatures(n_units=4, patch_size=4, n_patches=50, n_standardise=10, n_iter=2)
    wrapped = ViewFeatures(own, flip=False).fit(images)
    alone = KMeansFeatures(n_units=4, patch_size=4, n_patches=50, n_standardise=10, n_iter=2).fit(images)
    np.testing.assert_array_equal(wrapped.transform(images), alone.transform(images))
    assert wrapped.feature_dtype_ == alone.feature_dtype_
    assert not hasattr(own, "n_features_out_")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"join": "median"}, "join"),
        ({"power": 0.0}, "above 0 and at most 1"),
        ({"shift": 8}, "from 0 to below 8"),
        ({"extractor": np.mean}, "must be an extractor of images"),
    ],
)
def test_unusable_parameters(images, settings, message):
    with pytest.raises(ValueError, match=message):
        ViewFeatures(**{"extractor": RawPixels(), **settings}).fit(images)


def test_a_table_knows_how_many_views_there_are():
    part = {"class": "KMeansFeatures", "n_units": 5}
    component = Component(name="ViewFeatures", settings={"extractor": part, "shift": 2})
    assert views_of({"extractor": component.model_dump()}) == 10
    built = find(component, "features", "a row").build({"device": "cpu"})
    assert built.extractor.n_units == 5
