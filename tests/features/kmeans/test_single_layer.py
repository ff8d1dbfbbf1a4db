import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from dcgan_features.features.kmeans.single_layer import KMeansFeatures


@pytest.fixture(scope="module")
def images():
    """Smooth noise, so that neighbouring pixels are correlated as they are in photographs."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (60, 4, 4, 3)).repeat(4, axis=1).repeat(4, axis=2)
    return np.clip(coarse + random.normal(0, 20, coarse.shape), 0, 255).astype(np.uint8)


def tiny(**settings):
    return KMeansFeatures(
        **{"n_units": 20, "n_patches": 2000, "n_iter": 3, "n_standardise": 60, "dtype": "float32", **settings}
    )


def reference(extractor, images):
    """The pooled, not standardised features by loops, in float64."""
    mean = extractor.whitening_.mean.double().numpy()
    matrix = extractor.whitening_.matrix.double().numpy()
    atoms = extractor.atoms_.double().numpy()
    size = extractor.patch_size
    positions = images.shape[1] - size + 1
    half = (positions + 1) // 2
    pooled = []
    for image in images.astype(np.float64):
        sums: dict[int, np.ndarray] = {}
        for row in range(positions):
            for column in range(positions):
                x = image[row : row + size, column : column + size].reshape(-1)
                x = (x - x.mean()) / np.sqrt(x.var(ddof=1) + 10)
                x = (x - mean) @ matrix
                if extractor.encoder == "triangle":
                    distances = np.sqrt(((x - atoms) ** 2).sum(1))
                    code = np.maximum(0, distances.mean() - distances)
                else:
                    both = np.concatenate([atoms, -atoms]) if extractor.polarity_split else atoms
                    code = np.maximum(0, both @ x - extractor.alpha)
                cell = (row >= half) * 2 + (column >= half)
                sums[cell] = sums.get(cell, 0) + code
        pooled.append(np.concatenate([sums[cell] for cell in range(4)]))
    return np.array(pooled)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"alpha": 1.0, "polarity_split": True},
        {"algorithm": "euclidean", "encoder": "triangle"},
        {"patch_size": 5, "n_units": 700},  # 12 positions, and more units than one block holds
    ],
)
def test_features_equal_a_float64_reference(images, settings):
    extractor = tiny(standardise=False, **settings).fit(images)
    expected = reference(extractor, images[:6])
    np.testing.assert_allclose(extractor.transform(images[:6]), expected, rtol=1e-3, atol=1e-3 * expected.max())


@pytest.mark.parametrize("settings", [{}, {"algorithm": "euclidean", "encoder": "triangle"}])
def test_bfloat16_products_keep_the_features_to_one_percent(images, settings):
    extractor = tiny(standardise=False, dtype="bfloat16", **settings).fit(images)
    features = extractor.transform_tensor(images[:6])
    assert features.dtype == torch.bfloat16
    expected = reference(extractor, images[:6])
    assert np.abs(features.double().numpy() - expected).mean() < 0.01 * expected.mean()


def test_features_of_the_fit_images_are_standardised(images):
    plain = tiny(standardise=False).fit_transform(images)
    standardised = tiny().fit_transform(images)
    expected = (plain - plain.mean(0)) / np.sqrt(plain.var(0, ddof=1) + 0.01)
    np.testing.assert_allclose(standardised, expected, atol=2e-3)


def test_the_same_seed_gives_the_same_features_and_another_one_others(images):
    first = tiny(seed=1).fit_transform(images)
    np.testing.assert_array_equal(first, tiny(seed=1).fit_transform(images))
    assert not np.allclose(first, tiny(seed=2).fit_transform(images))


def test_batch_size_does_not_change_the_features(images):
    extractor = tiny().fit(images)
    by_seven = clone(extractor).set_params(batch_size=7).fit(images)
    np.testing.assert_allclose(by_seven.transform(images), extractor.transform(images), atol=1e-4)


def test_replaced_atoms_are_counted(images):
    assert tiny(n_units=180, n_patches=200).fit(images).n_reseeded_ > 0
    assert tiny(n_units=2).fit(images).n_reseeded_ == 0


def test_progress_is_reported(images):
    seen = []
    tiny(progress=lambda *what: seen.append(what)).fit(images)
    assert seen[:3] == [("dictionary", done, 3) for done in (1, 2, 3)]
    assert seen[-1] == ("standardisation", 60, 60)


def test_it_works_in_a_pipeline_that_has_labels_and_does_not_use_them(images):
    labels = np.arange(60) % 2
    model = make_pipeline(tiny(), LogisticRegression(max_iter=10000, C=100)).fit(images, labels)
    assert model.score(images, labels) > 0.9
    np.testing.assert_array_equal(model[0].transform(images), tiny().fit(images, 1 - labels).transform(images))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_patches": 10}, "n_patches=10 is too few for n_units=20"),
        ({"algorithm": "spherical"}, "algorithm='spherical' is not one of 'gain-shape', 'euclidean'"),
        ({"encoder": "soft"}, "encoder='soft'"),
        ({"dtype": "float64"}, "dtype='float64'"),
        ({"patch_size": 17}, "smaller than the patches"),
        ({"pooling_grid": 12}, "finer than the 11 positions"),
        ({"alpha": -1.0}, "alpha=-1.0"),
        ({"alpha": float("nan")}, "alpha=nan"),
        ({"n_iter": 0}, "n_iter=0"),
        ({"polarity_split": True, "encoder": "triangle"}, "a distance has no sign"),
    ],
)
def test_unusable_parameters_are_refused_by_fit(images, settings, message):
    extractor = tiny(**settings)
    with pytest.raises(ValueError, match=message):
        extractor.fit(images)


def test_images_without_contrast_are_refused():
    with pytest.raises(ValueError, match="one constant colour"):
        tiny().fit(np.full((5, 8, 8, 3), 77, np.uint8))
