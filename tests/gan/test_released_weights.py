from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.released_weights import convert_theano, load_theano
from dcgan_features.gan.spec import SPECS, SVHN_32
from dcgan_features.gan.weights_file import load_weights
from tests.gan.tiny import TINY

ORDER = ["w", "w2", "g2", "b2", "w3", "g3", "b3", "wy"]
SHAPES = [(4, 3, 3, 3), (6, 4, 3, 3), (6,), (6,), (7, 6, 3, 3), (7,), (7,), (7 * 16, 1)]
GENERATOR_SHAPES = [(5, 24), (24,), (24,), (6, 5, 3, 3), (5,), (5,), (5, 3, 5, 5)]


def write(folder, part="discrim", shapes=SHAPES, missing=(), epoch=30):
    """Arrays as the authors dumped them; returns them by position."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    arrays = {}
    for position, shape in enumerate(shapes, 1):
        arrays[position] = random.normal(size=shape).astype(np.float32)
        if position not in missing:
            np.save(folder / f"{epoch}_{part}_params.jl_{position:02d}.npy", arrays[position])
    return arrays


def true_convolution(image, kernels, stride):
    """Padded to keep the size at stride 1. image : (in, height, width)."""
    whole = np.stack([sum(convolve2d(image[i], k[i], mode="same") for i in range(len(image))) for k in kernels])
    return whole[:, ::stride, ::stride]


def test_first_maps_are_a_true_convolution(tmp_path):
    arrays = write(tmp_path)
    loaded = load_theano(tmp_path)
    image = np.random.default_rng(1).normal(size=(3, 8, 8)).astype(np.float32)
    maps = loaded.discriminator.maps(torch.from_numpy(image)[None])[0][0].detach().numpy()
    expected = true_convolution(image, arrays[1], 1)
    np.testing.assert_allclose(maps, np.where(expected > 0, expected, 0.2 * expected), rtol=1e-4, atol=1e-4)
    assert loaded.spec is TINY
    assert loaded.generator is None
    assert loaded.metadata["complete"]


def test_positions_mean_what_the_authors_lists_say(tmp_path):
    arrays = dict(zip(ORDER, write(tmp_path).values(), strict=True))
    network: Any = load_theano(tmp_path, "tiny").discriminator
    np.testing.assert_array_equal(network.convolutions[1].weight.detach(), arrays["w2"][:, :, ::-1, ::-1])
    np.testing.assert_array_equal(network.normalisations[1].weight.detach(), arrays["g2"])
    np.testing.assert_array_equal(network.normalisations[1].bias.detach(), arrays["b2"])
    np.testing.assert_array_equal(network.normalisations[2].weight.detach(), arrays["g3"])
    np.testing.assert_array_equal(network.normalisations[2].bias.detach(), arrays["b3"])
    np.testing.assert_array_equal(network.logit.weight.detach(), arrays["wy"].T)


def test_generator_layer_is_the_gradient_of_a_true_convolution(tmp_path):
    write(tmp_path)
    arrays = write(tmp_path, "gen", GENERATOR_SHAPES)
    generator: Any = load_theano(tmp_path).generator
    layer = generator.convolutions[0]
    maps = np.random.default_rng(1).normal(size=(6, 2, 2)).astype(np.float32)
    produced = layer(torch.from_numpy(maps)[None])[0].detach().numpy()
    # <deconv(m), x> = <m, conv(x)> for every image x: here for each unit image.
    expected = np.zeros((5, 4, 4))
    for channel, row, column in np.ndindex(5, 4, 4):
        unit = np.zeros((5, 4, 4))
        unit[channel, row, column] = 1
        expected[channel, row, column] = (true_convolution(unit, arrays[4], 2) * maps).sum()
    np.testing.assert_allclose(produced, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(generator.projection.weight.detach(), arrays[1].T)


def test_arrays_that_are_missing_leave_the_leading_layers(tmp_path, caplog):
    write(tmp_path, missing=[5])
    write(tmp_path, "gen", GENERATOR_SHAPES, missing=[4])
    loaded = load_theano(tmp_path)
    assert "only the first 2 of the 3 layers of tiny" in caplog.text
    assert loaded.spec == TINY.truncated(2)
    assert loaded.generator is None
    assert loaded.metadata["layers"] == 2
    assert not loaded.metadata["complete"]
    assert len(loaded.discriminator.maps(torch.zeros(1, 3, 8, 8))) == 2


def test_converted_weights_are_the_arrays_bit_for_bit(tmp_path):
    arrays = write(tmp_path / "released")
    about = {"licence": "MIT", "data": {"description": "eight pictures"}}
    file = convert_theano(tmp_path / "released", tmp_path / "converted", about)
    loaded: Any = load_weights(file)
    assert loaded.metadata["data"] == about["data"]
    assert loaded.metadata["licence"] == "MIT"
    assert loaded.metadata["sha256_arrays"] == load_theano(tmp_path / "released").metadata["sha256_arrays"]
    np.testing.assert_array_equal(loaded.discriminator.convolutions[2].weight.detach(), arrays[5][:, :, ::-1, ::-1])
    np.testing.assert_array_equal(loaded.discriminator.logit.weight.detach(), arrays[8].T)
    assert loaded.generator is None


def test_a_missing_logit_leaves_all_layers(tmp_path):
    write(tmp_path, missing=[8])
    loaded = load_theano(tmp_path)
    assert loaded.metadata["layers"] == 3
    assert loaded.discriminator.logit is None


def test_without_the_first_layer_nothing_is_left(tmp_path):
    write(tmp_path, missing=[1])
    with pytest.raises(InputError, match="first layer"):
        load_theano(tmp_path)


def test_a_clone_of_the_repository(tmp_path):
    write(tmp_path / "models" / "small")
    assert load_theano(tmp_path).metadata["folder"] == "small"
    svhn = [tuple(t.shape) for name, t in Discriminator(SVHN_32).named_parameters() if "weight" in name and t.ndim == 4]
    write(tmp_path / "models" / "svhn", shapes=svhn[:1])
    with pytest.raises(InputError, match=r"several networks .*small.*svhn"):
        load_theano(tmp_path)
    assert load_theano(tmp_path, "svhn-32").spec == SPECS["svhn-32"].truncated(1)


def test_the_latest_epoch_is_taken(tmp_path):
    write(tmp_path, epoch=9)
    later = write(tmp_path, shapes=[(4, 3, 3, 3)], epoch=10)
    network: Any = load_theano(tmp_path).discriminator
    np.testing.assert_array_equal(network.convolutions[0].weight.detach(), later[1][:, :, ::-1, ::-1])


def test_wrong_folders_and_networks(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        load_theano(tmp_path / "none")
    with pytest.raises(InputError, match="holds none of the authors' arrays"):
        load_theano(tmp_path)
    write(tmp_path)
    with pytest.raises(InputError, match="did you mean 'svhn-32'"):
        load_theano(tmp_path, "svhn-23")
    with pytest.raises(InputError, match="fit no network of: paper-32"):
        load_theano(tmp_path, "paper-32")


def test_no_pickle_is_loaded_and_damage_is_named(tmp_path):
    write(tmp_path)
    file = tmp_path / "30_discrim_params.jl_02.npy"
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"jl_02\.npy is not a whole .npy file of numbers"):
        load_theano(tmp_path)
    file.write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match=r"jl_02\.npy is not a whole \.npy file"):
        load_theano(tmp_path)
    np.save(file, np.full((6, 4, 3, 3), np.nan, np.float32))
    with pytest.raises(InputError, match="finite"):
        load_theano(tmp_path)
