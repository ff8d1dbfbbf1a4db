from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA

from dcgan_features.data.utils.devices import choose_device
from dcgan_features.features.pca import PixelProjection, PrincipalComponents


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (200, 2, 3, 3)).repeat(2, axis=1).repeat(2, axis=2)
    return np.clip(coarse + random.normal(0, 20, coarse.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("whiten", [True, False])
@pytest.mark.parametrize("count", [200, 40])  # more and fewer images than values
def test_components_are_scikit_learns(images, count, whiten):
    images = images[:count]
    pixels = images.reshape(len(images), -1) / 256.0
    scaled = (pixels - pixels.mean(0)) / np.std(pixels - pixels.mean(0))
    expected = PCA(5, whiten=whiten, svd_solver="full").fit_transform(scaled)
    if whiten:
        expected *= np.sqrt(len(images) / (len(images) - 1))  # it divides by n - 1
    made = PrincipalComponents(5, whiten=whiten).fit(images).transform(images)
    signs = np.sign((made * expected).sum(0))
    np.testing.assert_allclose(made * signs, expected, rtol=1e-3, atol=1e-4)
    if whiten:
        np.testing.assert_allclose(made.T @ made / len(made), np.eye(5), atol=1e-4)


def test_directions_are_those_of_the_drawn_images_and_depend_on_the_seed_alone(images):
    made = [PrincipalComponents(4, n_images=50, seed=seed).fit(images).transform(images) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(made[0], made[1])
    assert np.abs(made[0] - made[2]).max() > 0.01
    chosen = np.random.default_rng(0).permutation(len(images))[:50]
    np.testing.assert_allclose((made[0][chosen] ** 2).mean(0), 1.0, rtol=1e-4)


def test_signs_do_not_depend_on_the_library(images):
    matrix: Any = PrincipalComponents(4).fit(images).projection_.matrix
    assert (matrix.gather(0, matrix.abs().argmax(0, keepdim=True)) > 0).all()


def test_without_components_pixels_are_centred_and_scaled(images):
    projection = PixelProjection.fit(images, None, 10, True, 0, choose_device("cpu"))
    made = projection(images)
    assert projection.n_outputs == images[0].size
    np.testing.assert_allclose(made.mean(0), 0, atol=1e-5)
    assert float(made.std(correction=0)) == pytest.approx(1.0, rel=1e-4)
    back = made / projection.scale + projection.mean
    np.testing.assert_allclose(back * 256, images.reshape(len(images), -1), atol=1e-3)


def test_unusable_images_and_parameters(images):
    with pytest.raises(ValueError, match="all the same"):
        PrincipalComponents(2).fit(np.full((5, 4, 4, 1), 7, np.uint8))
    with pytest.raises(ValueError, match="n_components=20 is more than the 12 that 12 images of 72 values have"):
        PrincipalComponents(20, n_images=12).fit(images)
    with pytest.raises(ValueError, match="n_components"):
        PrincipalComponents(0).fit(images)
