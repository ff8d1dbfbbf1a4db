from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA

from dcgan_features.features import (
    DiscriminatorFeatures,
    ExemplarCNNFeatures,
    KMeansFeatures,
    LayeredKMeansFeatures,
    RawPixels,
    SecondOrderFeatures,
)
from dcgan_features.features.cache.fingerprint import describe
from dcgan_features.features.discriminator.pooling import pool_to_grid
from dcgan_features.features.discriminator.second_order import matrix_root, whitened_directions
from dcgan_features.features.exemplar import ExemplarNetwork
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.spec import Convolution, NetworkSpec

TINY = NetworkSpec(
    name="tiny-second-order",
    image_size=16,
    channels=3,
    latent_size=8,
    latent="uniform",
    discriminator=(Convolution(6, 3, 1), Convolution(8, 3, 2), Convolution(10, 3, 2)),
    generator_start=(4, 4, 4),
    generator=(Convolution(3, 3, 2),),
)
NETWORK = Discriminator(TINY, torch.Generator().manual_seed(0)).eval()
FIVE = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]


@pytest.fixture(scope="module")
def images():
    """Smooth noise, so that maps differ from place to place."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (30, 4, 4, 3)).repeat(4, axis=1).repeat(4, axis=2)
    return np.clip(coarse + random.normal(0, 20, coarse.shape), 0, 255).astype(np.uint8)


def second_order(network: Any = None, **settings: Any) -> SecondOrderFeatures:
    own = DiscriminatorFeatures(NETWORK) if network is None else network
    defaults: dict[str, Any] = {"rank": 3, "dtype": "float32", "batch_size": 7, "device": "cpu"}
    return SecondOrderFeatures(own, **{**defaults, **settings})


def moments_by_hand(fitted, images, cells, normalise):
    """Moments of the images themselves, one position at a time, in float64; a list of (n, features), layer by layer."""
    maps = [fitted.network_.layer_maps(images)[layer].double().numpy() for layer in fitted.layers_]
    found = []
    for own, directions, offsets in zip(maps, fitted.directions_, fitted.offsets_, strict=True):
        size, columns = own.shape[2] // cells, []
        for row in range(cells):
            for column in range(cells):
                total = 0
                for y in range(row * size, (row + 1) * size):
                    for x in range(column * size, (column + 1) * size):
                        z = own[:, :, y, x] @ directions.double().numpy().T + offsets.double().numpy()
                        total = total + z[:, :, None] * z[:, None]
                matrices = np.stack([normalise(matrix) for matrix in total / size**2])
                columns.append(matrices[:, *np.triu_indices(len(directions))])
        found.append(np.concatenate(columns, axis=1))
    return found


def root(values):
    return np.sign(values) * np.sqrt(np.abs(values))


@pytest.mark.parametrize(
    ("normalisation", "normalise"),
    [("root", root), ("none", lambda values: values), ("matrix-root", lambda m: root(scipy.linalg.sqrtm(m).real))],
)
def test_features_are_the_moments_of_projected_maps_in_cells(images, normalisation, normalise):
    fitted = second_order(
        layers=[2, 1], cells=2, weights=[3, 1], normalisation=normalisation, flip=False, shifts=[(0, 0)]
    ).fit(images)
    made = fitted.transform(images)
    assert made.shape == (30, 2 * 4 * 6)
    for index, expected in enumerate(moments_by_hand(fitted, images, 2, normalise)):
        expected = expected * np.sqrt([0.75, 0.25][index] / expected.var(0).sum())
        block = made[:, index * 24 : (index + 1) * 24]
        # Squared, since a root magnifies what is wrong with a value near 0.
        np.testing.assert_allclose(block * np.abs(block), expected * np.abs(expected), atol=2e-3)


def test_projected_values_are_whitened_principal_components():
    random = np.random.default_rng(1)
    values = random.normal(size=(2000, 5)) @ random.normal(size=(5, 5)) + 3
    directions, offsets = whitened_directions(torch.from_numpy(values).float(), 3)
    made = values @ directions.numpy().T + offsets.numpy()
    reference = PCA(3).fit(values)
    variances = reference.explained_variance_ * 1999 / 2000
    expected = reference.transform(values) / np.sqrt(variances + 1e-3 * variances[0])
    np.testing.assert_allclose(made * np.sign((made * expected).sum(0)), expected, atol=1e-3)
    with pytest.raises(ValueError, match="the same at all positions"):
        whitened_directions(torch.ones(10, 4), 2)


def test_matrix_roots_squared_are_the_matrices():
    values = torch.randn(4, 6, 20, generator=torch.Generator().manual_seed(0))
    matrices = values @ values.transpose(1, 2)
    made = matrix_root(matrices)
    torch.testing.assert_close(made @ made, matrices, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(made, made.transpose(1, 2), rtol=1e-3, atol=1e-3)


def test_views_are_averaged_before_the_root(images):
    settings = {"layers": [1], "cells": 1, "normalisation": "none"}
    both = second_order(**settings, shifts=[(0, 0)]).fit(images)
    plain = second_order(**settings, shifts=[(0, 0)], flip=False).fit(images)
    mirrored = np.ascontiguousarray(images[:, :, ::-1])
    expected = (plain.transform(images) + plain.transform(mirrored)) / 2
    np.testing.assert_allclose(both.transform(images), expected, atol=1e-5)
    np.testing.assert_allclose(both.transform(mirrored), both.transform(images), atol=1e-5)


def test_the_first_order_block_is_that_of_the_discriminators_features(images):
    maxima = DiscriminatorFeatures(
        NETWORK, reflection="max", shift=1, power=0.5, balance=True, dtype="float32", device="cpu"
    )
    expected = maxima.fit(images).transform(images)
    made = second_order(layers=[1], first_order=True, shifts=FIVE).fit(images).transform(images)[:, 24:]
    assert made.shape == expected.shape
    factors = np.linalg.norm(made, axis=0)[1:] / np.linalg.norm(expected, axis=0)[1:]
    np.testing.assert_allclose(made[:, 1:], expected[:, 1:] * np.median(factors), atol=1e-4)


def test_blocks_have_their_shares_of_the_variance(images):
    made = second_order(layers=[1, 2], weights=[1, 2, 3], first_order=True).fit(images).transform(images)
    shares = [made[:, block].var(0).sum() for block in (slice(24), slice(24, 48), slice(48, None))]
    np.testing.assert_allclose(shares, [1 / 6, 2 / 6, 3 / 6], rtol=1e-3)


def networks():
    yield DiscriminatorFeatures(NETWORK), lambda own, maps: pool_to_grid(maps, own.grid).flatten(1)
    exemplar = ExemplarNetwork("4c5-6c5-8f", 3, torch.Generator().manual_seed(0))
    yield ExemplarCNNFeatures(exemplar, resize=32, grid=1), lambda own, maps: maps.amax((2, 3))
    k_means: dict[str, Any] = {"n_patches": 300, "n_iter": 2, "pooling_grid": 1}
    yield KMeansFeatures(6, standardise=False, **k_means), lambda own, maps: maps.sum((2, 3))
    layered = LayeredKMeansFeatures((8, 6), 4, n_groups=2, group_size=4, n_images=12, n_samples=200, **k_means)
    yield layered, lambda own, maps: maps.sum((2, 3))


@pytest.mark.parametrize("case", range(4))
def test_any_network_whose_layer_maps_can_be_had(images, case):
    network, pool = list(networks())[case]
    fitted = second_order(network, layers=[0], cells=1, weights=[1]).fit(images)
    own = fitted.network_
    pooled = torch.cat([pool(own, maps.float()) for maps in own.layer_maps(images)], dim=1)
    if getattr(own, "standardisation_", None) is not None:
        pooled = own.standardisation_(pooled)
    np.testing.assert_allclose(pooled.numpy(), own.transform(images), rtol=1e-3, atol=1e-3)
    made = fitted.transform(images)
    assert made.shape == (30, 6)
    np.testing.assert_allclose(made.var(0).sum(), 1, rtol=1e-3)


def test_the_network_given_is_not_changed_and_decides_the_fingerprint(images):
    network = DiscriminatorFeatures(NETWORK)
    made = second_order(network)
    made.fit(images)
    assert not hasattr(network, "convolutions_")
    other = second_order(DiscriminatorFeatures(Discriminator(TINY, torch.Generator().manual_seed(1)).eval()))
    assert describe(made) == describe(clone(made)) != describe(other)
    assert describe(made) != describe(clone(made).set_params(rank=2))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 9}, "rank=9 is more than layer 0's 6 maps"),
        ({"rank": [2, 3]}, "one for each of 3 layers"),
        ({"cells": 5}, "cells=5 is finer than layer 2's maps, 4 x 4"),
        ({"layers": [3]}, "0 to 2"),
        ({"weights": [1, 0, 1]}, "a number above 0 for each of 3 blocks"),
        ({"normalisation": "log"}, "normalisation='log' is not one of"),
        ({"weights": [1, 1, 1], "first_order": True}, "for each of 4"),
        ({"first_order": True, "grid": 5}, "grid=5 is finer"),
        ({"shifts": []}, "shifts is empty"),
        ({"shifts": [(0, 16)]}, "out of sight"),
        ({"network": RawPixels()}, "layer_maps"),
    ],
)
def test_unusable_parameters(images, settings, message):
    with pytest.raises(ValueError, match=message):
        second_order(**settings).fit(images)
