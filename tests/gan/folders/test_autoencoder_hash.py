from dataclasses import replace

import numpy as np
import pytest
import torch

from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.folders import autoencoder_hash as hashing
from dcgan_features.gan.folders.autoencoder_hash import BITS, HashSettings, first_of_each, hash_images
from tests.gan.planted import KINDS, measure, planted

SETTINGS = HashSettings(noise=4.0, dropout=0.5, threshold=1.25, images=24_000)


def brute_force(hashes):
    """Joined as long as anything can be joined."""
    windows = [{tuple(key) for key in image if any(key)} for image in hashes.tolist()]
    own = [tuple(image[0]) for image in hashes.tolist()]
    first = list(range(len(own)))
    while True:
        before = list(first)
        for one in range(len(own)):
            for other in range(len(own)):
                if own[one] in windows[other]:
                    first[one] = first[other] = min(first[one], first[other])
        if first == before:
            return first


@pytest.mark.parametrize("windows", [1, 3, 9])
@pytest.mark.parametrize("seed", range(4))
def test_the_first_of_each_is_that_of_brute_force(seed, windows):
    generator = np.random.default_rng(seed)
    values = np.array([0, 1, 2**63, 2**64 - 1], np.uint64)
    values = np.concatenate([values, generator.integers(1, 2**63, 12, np.uint64)])
    hashes = values[generator.integers(0, len(values), (60, windows, 2))]
    first = first_of_each(hashes)
    assert first.dtype == np.int64
    assert first.tolist() == brute_force(hashes)


def test_a_hash_without_bits_is_shared_by_none():
    assert first_of_each(np.zeros((4, 1, 2), np.uint64)).tolist() == [0, 1, 2, 3]
    assert first_of_each(np.array([[[5, 0]], [[0, 5]], [[5, 0]], [[0, 5]]], np.uint64)).tolist() == [0, 1, 0, 1]
    moved = np.array([[[1, 0], [2, 0]], [[3, 0], [2, 0]], [[4, 0], [1, 0]]], np.uint64)
    assert first_of_each(moved).tolist() == [0, 1, 0]  # windows that only look like one another say nothing


def test_an_image_takes_sixteen_bytes_and_order_and_blocks_play_no_part(monkeypatch):
    images = stand_in(n_train=250, n_test=1).train_images
    settings = HashSettings(1.0, 0.5, 0.5, images=1000)
    hashes = hash_images(images, settings)
    assert hashes.nbytes == 16 * len(images)
    assert hashes.shape == (250, 1, 2)
    monkeypatch.setattr(hashing, "_BLOCK", 99)
    assert np.array_equal(hash_images(images, settings), hashes)
    assert not np.array_equal(hash_images(images, HashSettings(1.0, 0.5, 0.5, 1000, seed=1)), hashes)


def test_bits_are_the_units_above_the_threshold():
    images = stand_in(n_train=250, n_test=1).train_images[:40]
    network = hashing._train(images, HashSettings(1.0, 0.5, 0.7, images=200), torch.device("cpu"))
    hashes = hash_images(images, HashSettings(1.0, 0.5, 0.7, images=200))
    pixels = images.reshape(40, -1) / 255.0
    inputs = (pixels - pixels.mean(1, keepdims=True)) / pixels.std(1, keepdims=True)
    weight, bias = (tensor.detach().double().numpy() for tensor in (network.encoder.weight, network.encoder.bias))
    code = np.maximum((inputs - inputs.mean(0)) @ weight.T + bias, 0)
    code /= np.sqrt(np.square(code).mean(0))
    certain = np.abs(code - 0.7) > 1e-3
    bits = np.unpackbits(hashes[:, 0].view(np.uint8), axis=1).astype(bool)
    assert bits.shape == (40, BITS)
    assert np.array_equal(bits[certain], (code > 0.7)[certain])
    assert 0.05 < bits.mean() < 0.95


def test_equal_images_are_always_found():
    images = stand_in(n_train=250, n_test=1).train_images
    first = first_of_each(hash_images(np.concatenate([images, images[:50]]), replace(SETTINGS, images=2000)))
    assert first[250:300].tolist() == first[:50].tolist()
    assert len(np.unique(first[:250])) > 245
    flat = np.full((9, 32, 32, 3), 7, np.uint8)
    assert len(hash_images(flat, replace(SETTINGS, images=90))) == 9  # neither division by zero nor an error


def test_planted_near_duplicates_are_found_on_the_stand_in():
    """A floor under the figures in docs/own-pictures.md, for a third of the images and less than half the training."""
    images = stand_in(n_train=1000, n_test=1).train_images
    found = measure(images, 200, replace(SETTINGS, shift=2))
    assert found.precision >= 0.97, found
    assert found.recall["brightness"] >= 0.8, found
    assert found.recall["shift"] >= 0.9, found
    assert found.recall["all"] >= 0.6, found


def test_grey_images_and_other_sizes_are_taken():
    images = stand_in(n_train=250, n_test=1).train_images
    large = images.repeat(2, axis=1).repeat(2, axis=2)[..., :1]
    assert hash_images(large, HashSettings(1.0, 0.5, 0.5, images=500)).shape == (250, 1, 2)


def test_windows_are_those_of_a_moved_image():
    images = stand_in(n_train=250, n_test=1).train_images[:60]
    settings = replace(SETTINGS, images=600, shift=1)
    hashes = hash_images(np.concatenate([images, np.roll(images, (1, -1), (1, 2))]), settings)
    assert hashes.shape == (120, 9, 2)
    moves = hashing._moves(1)
    assert moves[0] == (0, 0)
    # Rolled down and to the left, an image shows in the middle what it had shown above and to the right of it.
    assert np.array_equal(hashes[60:, 0], hashes[:60, moves.index((-1, 1))])
    with pytest.raises(InputError, match="lower 'hash_shift'"):
        hash_images(images[:, :2, :2], settings)


def test_plants_are_near_what_they_are_made_of():
    images = stand_in(n_train=250, n_test=1).train_images
    copies, kinds = planted(images, seed=0)
    assert set(kinds) == set(KINDS)
    difference = np.abs(copies.astype(int) - images)
    assert difference[kinds == "brightness"].max() <= 8
    assert 0 < difference[kinds == "jpeg"].mean() < 12
    for copy, image in zip(copies[kinds == "shift"], images[kinds == "shift"], strict=True):
        inner = copy[4:-4, 4:-4]
        moved = [image[4 + y : 28 + y, 4 + x : 28 + x] for y in range(-2, 3) for x in range(-2, 3)]
        assert any(np.array_equal(inner, one) for one in moved)
