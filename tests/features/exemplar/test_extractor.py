import json
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import clone

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import sealed
from dcgan_features.features import ExemplarCNNFeatures
from dcgan_features.features.cache.fingerprint import describe
from dcgan_features.features.exemplar import ExemplarNetwork, load_exemplar_weights, save_exemplar_weights
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.weights_file import save_weights
from tests.features.exemplar.tiny import TINY
from tests.gan.tiny import TINY as TINY_GAN


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def network():
    network = ExemplarNetwork(TINY, 5, torch.Generator().manual_seed(0))
    network.mean.copy_(torch.tensor([0.4, 0.5, 0.6]))
    network.scale.copy_(torch.tensor([3.0, 4.0, 5.0]))
    return network


def features(weights: Any, images: Any, **settings: Any) -> Any:
    return ExemplarCNNFeatures(weights, **settings).fit(images).transform(images)


def quadrants(maps):
    """Maxima over four quadrants by plain slices; an odd side's middle row belongs to both."""
    n, count, height, width = maps.shape
    rows, columns = (
        (slice(0, -(-height // 2)), slice(height // 2, None)),
        (slice(0, -(-width // 2)), slice(width // 2, None)),
    )
    cells = [maps[:, :, row, column].max((2, 3)) for row in rows for column in columns]
    return np.stack(cells, 2).reshape(n, count * 4)


def test_features_are_the_quadrants_of_every_layer_of_the_resized_image(network, images):
    got = features(network, images, dtype="float32", batch_size=4)
    # Pillow resizes each channel by itself, in float.
    resized = np.stack(
        [
            [
                np.asarray(
                    Image.fromarray(image[:, :, c].astype(np.float32)).resize((64, 64), Image.Resampling.BILINEAR)
                )
                for c in range(3)
            ]
            for image in images
        ]
    )
    pixels = (resized / 255 - np.array([0.4, 0.5, 0.6])[:, None, None]) * np.array([3.0, 4.0, 5.0])[:, None, None]
    with torch.no_grad():
        maps = network.double().maps(torch.from_numpy(pixels))
    assert [layer.shape[2] for layer in maps] == [60, 26, 9]
    expected = np.concatenate([quadrants(layer.numpy()) for layer in maps], axis=1)
    assert got.shape == (9, 4 * 13)
    np.testing.assert_allclose(got, expected, atol=1e-3)


def test_bfloat16_is_near_float32_and_layers_can_be_chosen(network, images):
    whole = features(network, images, dtype="float32")
    extractor = ExemplarCNNFeatures(network).fit(images)
    assert extractor.transform_tensor(images).dtype == torch.bfloat16
    assert np.corrcoef(extractor.transform(images).ravel(), whole.ravel())[0, 1] > 0.9999
    part = features(network, images, layers=[2, 0], dtype="float32")
    np.testing.assert_allclose(part, np.concatenate([whole[:, 28:], whole[:, :12]], axis=1), atol=1e-5)
    single = features(network, images, grid=1, dtype="float32")
    np.testing.assert_allclose(single, whole.reshape(9, 13, 4).max(2), atol=1e-5)


def test_standardised_features_have_mean_0_and_variance_1_over_the_fit_images(network, images):
    raw = features(network, images, dtype="float32")
    expected = (raw - raw.mean(0)) / np.sqrt(raw.var(0, ddof=1) + 0.01)
    np.testing.assert_allclose(features(network, images, dtype="float32", standardise=True), expected, atol=1e-3)
    few = features(network, images, dtype="float32", standardise=True, n_standardise=3)
    chosen = raw[[0, 4, 8]]
    expected = (raw - chosen.mean(0)) / np.sqrt(chosen.var(0, ddof=1) + 0.01)
    np.testing.assert_allclose(few, expected, atol=1e-3)


def test_saved_weights_give_the_same_features(network, images, tmp_path):
    path = save_exemplar_weights(tmp_path / "w", network, {"data": {"description": "noise"}})
    own = features(network, images)
    for name in (path, tmp_path / "w", str(tmp_path / "w.json")):
        np.testing.assert_array_equal(features(name, images), own)
    assert load_exemplar_weights(path)[1]["data"] == {"description": "noise"}
    half = save_exemplar_weights(tmp_path / "half", network, {}, torch.bfloat16)
    assert half.stat().st_size < path.stat().st_size
    read: Any = load_exemplar_weights(half)[0].layers[1]
    assert torch.equal(read.weight, network.layers[1].weight.bfloat16().float())


def test_features_of_several_sizes_are_those_of_each_joined(network, images):
    one, other, both = (
        ExemplarCNNFeatures(network, resize=size, layers=[0, 2], dtype="float32", standardise=True, device="cpu").fit(
            images
        )
        for size in (40, 56, [40, 56])
    )
    expected = np.hstack([one.transform(images), other.transform(images)])
    np.testing.assert_allclose(both.transform(images), expected, rtol=1e-5, atol=1e-6)
    assert both.n_features_out_ == expected.shape[1]
    shapes = [tuple(maps.shape[2:]) for maps in both.layer_maps(images[:1])]
    assert shapes[:2] == [tuple(maps.shape[2:]) for maps in one.layer_maps(images[:1])]
    assert len(shapes) == 4
    assert clone(both).get_params()["resize"] == [40, 56]


def test_the_fingerprint_is_of_the_weights_not_of_their_name(network, images, tmp_path):
    paths = [save_exemplar_weights(tmp_path / name, network, {}) for name in "ab"]
    with torch.no_grad():
        network.layers[0].weight[0, 0, 0, 0] += 1
    changed = save_exemplar_weights(tmp_path / "c", network, {})
    first, same, other = (describe(ExemplarCNNFeatures(path)) for path in (*paths, changed))
    assert first == same
    assert first != other
    assert describe(ExemplarCNNFeatures(paths[0], batch_size=3)) == first
    assert describe(ExemplarCNNFeatures(paths[0], grid=3)) != first


def test_it_is_cloned_with_its_parameters(tmp_path):
    original = ExemplarCNNFeatures(tmp_path / "w", layers=[1], grid=3, resize=48, dtype="float32")
    assert clone(original).get_params() == original.get_params()


@pytest.mark.parametrize(("settings", "sentence"), [
    ({"layers": [3]}, "must be different indices of the network's layers, 0 to 2"),
    ({"layers": []}, "must be different indices"),
    ({"grid": 10}, "grid=10 is finer than layer 2's maps, of 9 positions"),
    ({"grid": 0}, "grid=0 must be"),
    ({"resize": 20}, "images of 20 pixels are smaller than the patches of 32"),
    ({"resize": [64, 20]}, "images of 20 pixels are smaller than the patches of 32"),
    ({"resize": [64, 64]}, "must be a size, different sizes, or None"),
    ({"resize": []}, "must be a size, different sizes, or None"),
    ({"resize": [64, 0]}, "resize=0 must be"),
    ({"dtype": "float16"}, "dtype='float16' is not one of"),
    ({"weights": 3}, "weights must be an ExemplarNetwork or the path"),
])  # fmt: skip
def test_parameters_that_do_not_suit(network, images, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        ExemplarCNNFeatures(**{"weights": network, **settings}).fit(images)


def test_images_that_do_not_suit(network, images):
    with pytest.raises(ValueError, match="3 channels, not 1"):
        ExemplarCNNFeatures(network).fit(images[..., :1])


def test_weights_that_are_not_finite_are_refused(network, images):
    with torch.no_grad():
        network.layers[1].bias[2] = float("nan")
    with pytest.raises(InputError, match="weights of layer 1 are not finite"):
        ExemplarCNNFeatures(network).fit(images)


@pytest.mark.parametrize("damage", ["byte", "network", "tensor", "discriminator", "absent"])
def test_weights_that_cannot_be_used_are_one_sentence(network, images, tmp_path, damage):
    path = save_exemplar_weights(tmp_path / "w", network, {})
    about = json.loads((tmp_path / "w.json").read_text())
    sentence = {
        "byte": "is damaged or not the file",
        "network": "neither one of small",
        "tensor": "belongs to another network: the tensor 'network.layers.0",
        "discriminator": "does not describe weights of this kind",
        "absent": "does not exist",
    }[damage]
    if damage == "byte":
        content = bytearray(path.read_bytes())
        content[-3] ^= 1
        path.write_bytes(content)
    elif damage in ("network", "tensor"):
        about["network"] = "many" if damage == "network" else "4c5-4c5-6f"
        (tmp_path / "w.json").write_text(json.dumps(sealed(about)))
    elif damage == "discriminator":
        save_weights(path, Discriminator(TINY_GAN), None, {})
    else:
        path.unlink()
    with pytest.raises(InputError, match=sentence):
        ExemplarCNNFeatures(path).fit(images)


def test_another_architecture_than_expected_is_refused(network, tmp_path):
    path = save_exemplar_weights(tmp_path / "w", network, {})
    with pytest.raises(InputError, match=f"holds the network '{TINY}', but 'small' is needed"):
        load_exemplar_weights(path, "small")
    assert load_exemplar_weights(path, TINY)[0].architecture == TINY
