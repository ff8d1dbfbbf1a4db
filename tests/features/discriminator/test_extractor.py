from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch.nn import functional

from dcgan_features.data.utils.errors import InputError
from dcgan_features.features.cache.fingerprint import describe
from dcgan_features.features.discriminator.extractor import (
    DiscriminatorFeatures,
    RandomDiscriminator,
    fold_normalisation,
)
from dcgan_features.gan.batch_norm import reestimate_batch_statistics
from dcgan_features.gan.networks import LEAK, Discriminator, scale_images
from dcgan_features.gan.spec import PAPER_32, SVHN_32, Convolution, NetworkSpec
from dcgan_features.gan.weights_file import save_weights

TINY = NetworkSpec(
    name="tiny-16",
    image_size=16,
    channels=3,
    latent_size=8,
    latent="uniform",
    discriminator=(Convolution(6, 3, 1), Convolution(8, 3, 2), Convolution(10, 3, 2)),
    generator_start=(4, 4, 4),
    generator=(Convolution(3, 3, 2),),
)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)


@pytest.fixture
def network():
    """A tiny discriminator whose gains have both signs, as trained ones may have."""
    discriminator = Discriminator(TINY, torch.Generator().manual_seed(0))
    for normalisation in list(discriminator.normalisations)[1:]:
        assert isinstance(normalisation, torch.nn.BatchNorm2d)
        torch.nn.init.normal_(normalisation.weight, 0.0, 1.0, generator=torch.Generator().manual_seed(1))
        torch.nn.init.normal_(normalisation.bias, 0.0, 1.0, generator=torch.Generator().manual_seed(2))
    return discriminator.eval()


def test_a_network_without_batch_normalisation_keeps_its_shifts(images):
    spec = replace(TINY, name="tiny-spectral", discriminator_normalisation="spectral")
    network = Discriminator(spec, torch.Generator().manual_seed(0)).eval()
    for convolution in network.convolutions:
        assert isinstance(convolution, torch.nn.Conv2d)
        assert convolution.bias is not None
        torch.nn.init.normal_(convolution.weight, 0.0, 0.3, generator=torch.Generator().manual_seed(1))
        torch.nn.init.normal_(convolution.bias, 0.0, 1.0, generator=torch.Generator().manual_seed(2))
    features = DiscriminatorFeatures(network, grid=2, dtype="float32", device="cpu").fit_transform(images)
    with torch.no_grad():
        maps = network.maps(scale_images(torch.from_numpy(images)))
    expected = np.concatenate([pooled_by_hand(layer.numpy(), 2).reshape(len(images), -1) for layer in maps], axis=1)
    np.testing.assert_allclose(np.asarray(features, np.float64), expected, rtol=1e-4, atol=1e-4)


def pooled_by_hand(maps, grid):
    """Maximum over each cell by plain loops; cells as in adaptive pooling."""
    n, count, height, width = maps.shape
    out = np.empty((n, count, grid, grid), np.float64)
    for row in range(grid):
        for column in range(grid):
            rows = slice(row * height // grid, -(-(row + 1) * height // grid))
            columns = slice(column * width // grid, -(-(column + 1) * width // grid))
            out[:, :, row, column] = maps[:, :, rows, columns].max(axis=(2, 3))
    return out


@pytest.mark.parametrize("grid", [1, 2, 3, 4])
def test_features_equal_pooled_maps_of_the_unfolded_network(network, images, grid):
    features = DiscriminatorFeatures(network, grid=grid, dtype="float32", batch_size=7).fit(images).transform(images)
    reestimate_batch_statistics(network, images)
    with torch.no_grad():
        maps = network.double().maps(scale_images(torch.from_numpy(images)).double())
    expected = np.concatenate([pooled_by_hand(layer.numpy(), grid).reshape(40, -1) for layer in maps], axis=1)
    np.testing.assert_allclose(features, expected, atol=2e-4)
    assert features.dtype == np.float32


def test_folded_convolutions_equal_convolution_then_normalisation(network, images):
    reestimate_batch_statistics(network, images)
    hidden = scale_images(torch.from_numpy(images))
    with torch.no_grad():
        expected = network.maps(hidden)
        for layer, maps in zip(fold_normalisation(network), expected, strict=True):
            hidden = functional.leaky_relu(layer(hidden), LEAK)
            torch.testing.assert_close(hidden, maps, atol=1e-4, rtol=1e-4)


def test_bfloat16_features_are_a_torch_tensor_near_the_float32_ones(network, images):
    exact = DiscriminatorFeatures(network, dtype="float32").fit(images).transform(images)
    reduced = DiscriminatorFeatures(network).fit(images).transform_tensor(images)
    assert reduced.dtype == torch.bfloat16
    assert np.abs(reduced.float().numpy() - exact).mean() < 0.01 * np.abs(exact).mean()


def test_chosen_layers_come_in_the_order_asked_for(network, images):
    def features(**settings):
        return DiscriminatorFeatures(network, dtype="float32", **settings).fit(images).transform(images)

    whole = features()  # 6, 8 and 10 maps of 16 cells
    np.testing.assert_array_equal(features(layers=[2, 0]), np.hstack([whole[:, 224:384], whole[:, :96]]))
    np.testing.assert_array_equal(features(layers=[0]), whole[:, :96])


@pytest.mark.parametrize("reflection", ["max", "mean"])
def test_reflection_joins_what_an_image_and_its_mirror_image_give(network, images, reflection):
    plain = DiscriminatorFeatures(network, grid=2, dtype="float32").fit(images)
    mirrored = np.ascontiguousarray(images[:, :, ::-1])
    joint = DiscriminatorFeatures(network, grid=2, reflection=reflection, dtype="float32").fit(images)
    expected = getattr(np, reflection)([plain.transform(images), plain.transform(mirrored)], axis=0)
    np.testing.assert_allclose(joint.transform(images), expected, atol=1e-5)
    np.testing.assert_allclose(joint.transform(mirrored), expected, atol=1e-5)


@pytest.mark.parametrize("reflection", [None, "max", "mean"])
def test_with_a_shift_the_features_are_the_largest_of_five_places(network, images, reflection):
    plain = DiscriminatorFeatures(network, grid=2, dtype="float32").fit(images)
    shifted = DiscriminatorFeatures(network, grid=2, reflection=reflection, shift=3, dtype="float32").fit(images)

    def largest(pictures):
        padded = np.pad(pictures, ((0, 0), (3, 3), (3, 3), (0, 0)), "reflect")
        size = pictures.shape[1]
        corners = ((3, 3), (0, 3), (6, 3), (3, 0), (3, 6))
        views = [np.ascontiguousarray(padded[:, top : top + size, left : left + size]) for top, left in corners]
        return np.max([plain.transform(view) for view in views], axis=0)

    mirrored = np.ascontiguousarray(images[:, :, ::-1])
    expected = largest(images)
    if reflection is not None:
        expected = getattr(np, reflection)([expected, largest(mirrored)], axis=0)
        np.testing.assert_allclose(shifted.transform(mirrored), expected, atol=1e-5)
    np.testing.assert_allclose(shifted.transform(images), expected, atol=1e-5)
    assert np.abs(expected - plain.transform(images)).max() > 0.1


@pytest.mark.parametrize("negative", ["max", "mean"])
def test_a_picture_and_its_negative_come_to_the_same(network, images, negative):
    plain = DiscriminatorFeatures(network, grid=2, dtype="float32").fit(images)
    joint = DiscriminatorFeatures(network, grid=2, negative=negative, dtype="float32").fit(images)
    expected = getattr(np, negative)([plain.transform(images), plain.transform(255 - images)], axis=0)
    np.testing.assert_allclose(joint.transform(images), expected, atol=1e-5)
    np.testing.assert_allclose(joint.transform(255 - images), expected, atol=1e-5)


def test_the_mean_of_five_places_is_of_what_pictures_and_negatives_come_to(network, images):
    def views(pictures):
        padded = np.pad(pictures, ((0, 0), (2, 2), (2, 2), (0, 0)), "reflect")
        size = pictures.shape[1]
        corners = ((2, 2), (0, 2), (4, 2), (2, 0), (2, 4))
        return [np.ascontiguousarray(padded[:, top : top + size, left : left + size]) for top, left in corners]

    plain = DiscriminatorFeatures(network, grid=2, dtype="float32").fit(images)
    both = [np.max([plain.transform(view), plain.transform(255 - view)], axis=0) for view in views(images)]
    expected = np.mean(both, axis=0)
    joint = DiscriminatorFeatures(network, grid=2, negative="max", shift=2, shift_join="mean", dtype="float32").fit(
        images
    )
    np.testing.assert_allclose(joint.transform(images), expected, atol=1e-5)


def test_settings_that_came_later_leave_stored_features_as_they_were(network):
    plain = describe(DiscriminatorFeatures(network))["parameters"]
    assert not {"negative", "shift_join"} & plain.keys()
    assert describe(DiscriminatorFeatures(network, negative="max"))["parameters"]["negative"] == "max"
    assert "shift_join" in describe(RandomDiscriminator(shift_join="mean"))["parameters"]


def test_balanced_layers_have_equal_variances_and_as_much_as_before(network, images):
    plain = DiscriminatorFeatures(network, dtype="float32").fit_transform(images)
    balanced = DiscriminatorFeatures(network, balance=True, dtype="float32").fit_transform(images)
    ends = [96, 224]  # 6, 8 and 10 maps of 16 cells
    before = [layer.var(0).sum() for layer in np.split(plain, ends, axis=1)]
    after = [layer.var(0).sum() for layer in np.split(balanced, ends, axis=1)]
    assert max(before) > 2 * min(before)
    np.testing.assert_allclose(after, np.mean(before), rtol=1e-4)
    for old, new in zip(np.split(plain, ends, axis=1), np.split(balanced, ends, axis=1), strict=True):
        np.testing.assert_allclose(new, old * (new.std() / old.std()), rtol=1e-4, atol=1e-5)  # the layer is scaled


@pytest.mark.parametrize("reflection", [None, "max", "mean"])
def test_the_power_is_that_of_what_the_views_come_to(network, images, reflection):
    settings = {"grid": 2, "reflection": reflection, "shift": 1, "dtype": "float32"}
    plain = DiscriminatorFeatures(network, **settings).fit_transform(images).astype(np.float64)
    drawn_in = DiscriminatorFeatures(network, power=0.5, **settings).fit_transform(images)
    assert (plain < 0).any()
    np.testing.assert_allclose(drawn_in, np.sign(plain) * np.sqrt(np.abs(plain)), rtol=1e-4, atol=1e-4)


def test_layers_are_balanced_after_the_power(network, images):
    balanced = DiscriminatorFeatures(network, power=0.5, balance=True, dtype="float32").fit_transform(images)
    variances = [layer.var(0).sum() for layer in np.split(balanced, [96, 224], axis=1)]
    np.testing.assert_allclose(variances, np.mean(variances), rtol=1e-4)


def test_a_layer_that_is_the_same_for_all_images_is_not_scaled(network, images):
    extractor = DiscriminatorFeatures(network, balance=True, dtype="float32").fit(images[:1])
    assert extractor.scales_ is not None
    assert extractor.scales_.tolist() == [1.0, 1.0, 1.0]
    assert DiscriminatorFeatures(network).fit(images).scales_ is None


def test_statistics_come_from_the_fit_images_and_the_users_network_is_not_changed(network, images):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    on_all = DiscriminatorFeatures(network, dtype="float32").fit(images)
    on_dark = DiscriminatorFeatures(network, dtype="float32").fit(images // 8)
    assert np.abs(on_all.transform(images) - on_dark.transform(images)).max() > 0.1
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_the_published_networks_have_the_published_number_of_features():
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    assert RandomDiscriminator(PAPER_32).fit(images).transform(images).shape == (4, 28672)
    assert RandomDiscriminator().fit(images).transform(images).shape == (4, 7168)


def test_the_random_control_is_the_network_drawn_from_its_seed(images):
    control = RandomDiscriminator(TINY, seed=3, dtype="float32").fit(images).transform(images)
    same = Discriminator(TINY, torch.Generator().manual_seed(3))
    np.testing.assert_array_equal(control, DiscriminatorFeatures(same, dtype="float32").fit_transform(images))
    assert not np.allclose(control, RandomDiscriminator(TINY, seed=4, dtype="float32").fit_transform(images))


def test_parameters_follow_scikit_learn(network):
    extractor = DiscriminatorFeatures(network, grid=2, layers=[1])
    assert extractor.get_params()["grid"] == 2
    copied = clone(extractor).set_params(grid=1)
    assert copied.get_params()["layers"] == [1]
    assert extractor.grid == 2
    assert clone(RandomDiscriminator("paper-32", seed=5)).seed == 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dtype": "float16"}, "dtype='float16' is not one of"),
        ({"grid": 0}, "grid=0"),
        ({"negative": "sum"}, "negative"),
        ({"shift_join": "min"}, "shift_join"),
        ({"shift": -1}, "shift=-1 must be a whole number of at least 0"),
        ({"shift": 1.5}, "shift=1.5 must be a whole number"),
        ({"shift": 16}, "shift=16 moves images of 16 pixels out of sight"),
        ({"power": 0.0}, "power=0.0 must be a number above 0 and at most 1"),
        ({"power": float("nan")}, "power=nan must be a number"),
        ({"power": "0.5"}, "power='0.5' must be a number"),
        ({"grid": 8}, "grid=8 is finer than layer 2's maps, which are 4x4"),
        ({"layers": [3]}, "indices of the network's layers, 0 to 2"),
        ({"layers": [0, 0]}, "different indices"),
        ({"layers": []}, "different indices"),
        ({"reflection": True}, "reflection=True is not one of 'max', 'mean'"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"device": "nonsense"}, "device='nonsense'"),
    ],
)
def test_unusable_parameters_are_refused_by_fit(network, images, settings, message):
    extractor = DiscriminatorFeatures(network, **settings)
    with pytest.raises(ValueError, match=message):
        extractor.fit(images)


def test_unsuitable_images_and_networks_are_refused(network, images):
    with pytest.raises(ValueError, match="takes images of"):
        DiscriminatorFeatures(network).fit(images[:, :8])
    with pytest.raises(ValueError, match="discriminator must be"):
        DiscriminatorFeatures(torch.nn.Identity()).fit(images)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="did you mean 'svhn-32'"):
        RandomDiscriminator("svhn32").fit(images)
    with pytest.raises(InputError, match="does not exist"):
        DiscriminatorFeatures("no/such/weights").fit(images)


def test_weights_that_are_not_finite_are_refused(network, images):
    with torch.no_grad():
        network.convolutions[1].weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(InputError, match="layer 1 are not finite"):
        DiscriminatorFeatures(network).fit(images)


def test_weights_are_read_from_a_file(network, images, tmp_path):
    save_weights(tmp_path / "weights", network, None, {})
    loaded = DiscriminatorFeatures(tmp_path / "weights", dtype="float32").fit_transform(images)
    np.testing.assert_array_equal(loaded, DiscriminatorFeatures(network, dtype="float32").fit_transform(images))


def test_the_svhn_network_has_batches_of_any_size(images):
    large = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    by_two = RandomDiscriminator(SVHN_32, dtype="float32", batch_size=2).fit_transform(large)
    np.testing.assert_allclose(by_two, RandomDiscriminator(SVHN_32, dtype="float32").fit_transform(large), atol=1e-5)
