import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from dcgan_features.features.kmeans.layered import LayeredKMeansFeatures


@pytest.fixture(scope="module")
def images():
    """Smooth noise, so that neighbouring pixels are correlated as they are in photographs."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (40, 5, 5, 3)).repeat(4, axis=1).repeat(4, axis=2)
    return np.clip(coarse + random.normal(0, 20, coarse.shape), 0, 255).astype(np.uint8)


def tiny(**settings):
    """Maps of 8, 3 and 2 positions a side."""
    defaults = {"n_units": (12, 8, 6), "patch_size": 4, "n_patches": 1500, "n_groups": 2, "group_size": 5}
    defaults |= {"n_images": 30, "n_samples": 400, "n_iter": 3, "n_standardise": 40, "dtype": "float32"}
    return LayeredKMeansFeatures(**{**defaults, **settings})


@pytest.fixture(scope="module")
def fitted(images):
    return tiny().fit(images)


def test_features_are_every_layers_maps_summed_over_quadrants_and_standardised(fitted, images):
    maps = fitted._maps(images)
    assert [tuple(layer.shape) for layer in maps] == [(12, 8, 8, 40), (8, 3, 3, 40), (6, 2, 2, 40)]
    columns = []
    for layer in maps:
        half = (layer.shape[1] + 1) // 2
        columns += [
            layer[unit, rows, cells, :].sum((0, 1)).numpy()
            for rows in (slice(half), slice(half, None))
            for cells in (slice(half), slice(half, None))
            for unit in range(len(layer))
        ]
    plain = np.stack(columns, axis=1)
    expected = (plain - plain.mean(0)) / np.sqrt(plain.var(0, ddof=1) + 0.01)
    np.testing.assert_allclose(fitted.transform(images), expected, atol=1e-4)


def test_responses_of_a_group_are_those_of_whitened_inputs_to_atoms_of_unit_length(images):
    """Contrast-normalised, they have mean 0 and variance 1."""
    extractor = tiny(n_units=(12, 4), n_samples=4000, epsilon=1e-3).fit(images)
    layer = extractor.layers_[1]
    maps = extractor._maps(images)[0]
    seen, height, width = layer._neighbourhoods(maps)
    inputs = seen[layer.groups[0]].reshape(20, height * width * 40)
    weights, offset = layer.filters[0, :, :20], layer.filters[0, :, 20:22].sum(1)
    responses = weights @ inputs / layer._deviations(maps)[0] + offset[:, None]
    torch.testing.assert_close(responses.mean(1), torch.zeros(2), atol=0.2, rtol=0)
    torch.testing.assert_close(responses.var(1), torch.ones(2), atol=0.4, rtol=0)


def test_receptive_fields_differ_in_the_groups_alone(fitted, images):
    learned, at_random = fitted.layers_[1], tiny(receptive_fields="random").fit(images).layers_[1]
    single = tiny(receptive_fields="single").fit(images)
    assert learned.groups.shape == at_random.groups.shape == (2, 5)
    assert not torch.equal(learned.groups, at_random.groups)
    assert single.layers_[1].groups.tolist() == [list(range(12))]
    assert single.layers_[2].groups.tolist() == [list(range(8))]
    assert single.transform(images).shape == fitted.transform(images).shape == (40, 4 * (12 + 8 + 6))


def test_bfloat16_keeps_the_features_to_a_few_percent_of_their_spread(fitted, images):
    rounded = clone(fitted).set_params(dtype="bfloat16").fit(images)
    rounded.layers_, rounded.standardisation_ = [], fitted.standardisation_
    for layer in fitted.layers_:
        arguments = {**layer.__dict__, "filters": layer.filters.bfloat16()}
        rounded.layers_.append(type(layer)(**arguments))
    features = rounded.transform_tensor(images)
    assert features.dtype == torch.bfloat16
    assert np.abs(features.float().numpy() - fitted.transform(images)).mean() < 0.05


def test_the_same_seed_gives_the_same_features_and_another_one_others(fitted, images):
    np.testing.assert_array_equal(fitted.transform(images), tiny().fit_transform(images))
    assert not np.allclose(fitted.transform(images), tiny(seed=2).fit_transform(images))


def test_batch_size_does_not_change_the_features(fitted, images):
    by_seven = tiny(batch_size=7).fit(images)
    np.testing.assert_allclose(by_seven.transform(images), fitted.transform(images), atol=2e-3)


def test_a_higher_threshold_of_the_deeper_layers_leaves_fewer_responses_of_theirs(fitted, images):
    first, second, _ = fitted._maps(images)
    same, sparser, _ = tiny(deeper_alpha=0.5).fit(images)._maps(images)
    assert torch.equal(same, first)
    assert (sparser > 0).float().mean() < 0.8 * (second > 0).float().mean()


def test_replaced_atoms_are_counted_for_each_layer(images):
    counts = tiny(n_units=(12, 80, 6), n_samples=60).fit(images).n_reseeded_
    assert len(counts) == 3
    assert counts[1] > 0


def test_progress_is_reported_stage_after_stage(images):
    seen = []
    tiny(progress=lambda *what: seen.append(what)).fit(images)
    assert list(dict.fromkeys(stage for stage, _, _ in seen)) == [
        "layer 1",
        "layer 2, samples",
        "layer 2, groups",
        "layer 3, samples",
        "layer 3, groups",
        "standardisation",
    ]
    assert seen[-1] == ("standardisation", 40, 40)


def test_it_works_in_a_pipeline_that_has_labels_and_does_not_use_them(fitted, images):
    labels = np.arange(40) % 2
    model = make_pipeline(tiny(), LogisticRegression(max_iter=10000, C=100)).fit(images, labels)
    assert model.score(images, labels) > 0.9
    np.testing.assert_array_equal(model[0].transform(images), fitted.transform(images))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"receptive_fields": "local"}, "receptive_fields='local' is not one of 'learned', 'random', 'single'"),
        ({"dtype": "float64"}, "dtype='float64'"),
        ({"group_size": 13}, "group_size=13 is more than the 12 maps that layer 2 sees"),
        ({"group_size": 9}, "group_size=9 is more than the 8 maps that layer 3 sees"),
        ({"n_groups": 20, "n_units": (12, 20)}, "n_groups=20 is more than the 12 maps"),
        ({"n_units": (12, 7)}, "7 units cannot be shared equally by 2 groups"),
        ({"n_units": 12}, "n_units=12 must be a list"),
        ({"n_units": ()}, r"n_units=\(\) must be a list"),
        ({"n_units": (12, 0)}, "n_units=0"),
        ({"n_patches": 10}, "n_patches=10 is too few for 12 atoms"),
        ({"n_samples": 3}, "n_samples=3 is too few for 4 atoms a group"),
        ({"patch_size": 21}, "too small for 3 layers on patches of 21: the layers' maps would be 0 x 0"),
        ({"patch_size": 16}, "too small for 3 layers"),
        ({"pooling_grid": 3}, "finer than the last layer's maps"),
        ({"alpha": -1.0}, "^alpha=-1.0 must be a number of at least 0"),
        ({"deeper_alpha": float("nan")}, "deeper_alpha=nan"),
        ({"epsilon": 0.0}, "epsilon=0.0"),
        ({"n_iter": 0}, "n_iter=0"),
    ],
)
def test_unusable_parameters_are_refused_by_fit(images, settings, message):
    extractor = tiny(**settings)
    with pytest.raises(ValueError, match=message):
        extractor.fit(images)


def test_images_without_contrast_are_refused():
    with pytest.raises(ValueError, match="one constant colour"):
        tiny().fit(np.full((5, 20, 20, 3), 77, np.uint8))
