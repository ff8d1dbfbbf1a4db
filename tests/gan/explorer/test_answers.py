"""The images that answer the page's questions, each beside the same taken from the modules by hand."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.explorer.answers import Answers, address
from dcgan_features.gan.explorer.state import Name, State, read_names
from dcgan_features.gan.figures.latent import forget_sheet
from dcgan_features.gan.latent.ablation import fit_object, images_without
from dcgan_features.gan.latent.directions import find_directions
from dcgan_features.gan.latent.guided_backprop import strongest
from dcgan_features.gan.latent.sampler import LatentSampler


@pytest.fixture(scope="module")
def sampler(checkpoint):
    return LatentSampler.load(checkpoint, "cpu")


@pytest.fixture
def answers(sampler):
    return Answers(sampler)


def test_an_address_holds_the_image():
    for channels in (1, 3):
        image = np.random.default_rng(0).integers(0, 256, (5, 5, channels), dtype=np.uint8)
        start, _, text = address(image).partition(",")
        assert start == "data:image/png;base64"
        assert np.array_equal(np.array(Image.open(io.BytesIO(base64.b64decode(text)))).reshape(5, 5, channels), image)


def test_samples_are_those_of_the_sampler(answers, sampler):
    names = read_names("0:3, 2:1, 0:0")
    expected = [sampler.images(sampler.latent(seed, [index]))[0] for seed, index in ((0, 3), (2, 1), (0, 0))]
    assert np.array_equal(answers.images(names), expected)
    assert np.array_equal(answers.images(names[::-1]), expected[::-1])  # kept by now
    assert len({image.tobytes() for image in expected}) == 3


def test_arithmetic_is_that_of_the_means(answers, sampler):
    slots = {"A": read_names("0:1, 1:2"), "B": read_names("0:3"), "C": read_names("0:4-6")}
    result = answers.arithmetic(slots)
    z = {slot: torch.cat([sampler.latent(name.seed, [name.index]) for name in slots[slot]]) for slot in slots}
    y = z["A"].mean(0) - z["B"].mean(0) + z["C"].mean(0)
    assert np.array_equal(result.around[4], sampler.images(y[None])[0])
    assert result.around.shape == (9, 8, 8, 3)
    assert len({image.tobytes() for image in result.around}) > 1
    assert np.array_equal(result.means[2], sampler.images(z["C"].mean(0, keepdim=True))[0])
    pixels = {slot: sampler.images(points).astype(float).mean(0) for slot, points in z.items()}
    expected = np.clip(np.rint(pixels["A"] - pixels["B"] + pixels["C"]), 0, 255)
    assert np.array_equal(result.control, expected)


def test_a_walk_begins_and_ends_at_the_samples(answers, sampler):
    names = read_names("0:1, 0:2, 5:0")
    ways = answers.walk(names, 4)
    assert ways.shape == (2, 5, 8, 8, 3)
    ends = answers.images(names)
    assert np.array_equal(ways[:, 0], ends[:2])
    assert np.array_equal(ways[:, -1], ends[1:])
    for place, expected in ((0.0, ends[0]), (1.0, ends[1]), (2.0, ends[2]), (1.25, ways[1, 1])):
        assert np.array_equal(answers.walk_at(names, place), expected)
    middle = (sampler.latent(0, [1]) + sampler.latent(0, [2])) / 2
    assert np.array_equal(answers.walk_at(names, 0.5), sampler.images(middle)[0])


def test_directions_add_up(answers, sampler):
    found = find_directions(sampler, 5, 1)
    assert answers.directions(1) is answers.directions(1)
    moved = answers.moved(Name(0, 2), 1, [0.0, -1.5, 0.0, 2.0, 0.0])
    expected = sampler.latent(0, [2]) - 1.5 * found.steps[1] + 2 * found.steps[3]
    assert np.abs(moved.astype(int) - sampler.images(expected)[0]).max() <= 1  # sums in another order
    assert not np.array_equal(moved, answers.images([Name(0, 2)])[0])
    assert np.array_equal(answers.moved(Name(0, 2), 1, [0.0] * 5), answers.images([Name(0, 2)])[0])


def test_forgetting_is_that_of_the_module(answers, sampler):
    shown = read_names("0:0-3")
    boxes = [(Name(0, 7), (0, 0, 4, 4)), (Name(0, 2), (1, 0, 4, 3))]
    result = answers.forget(boxes, shown, 2)
    found = fit_object(sampler, sampler.latent(0, [2, 7]), [(1, 0, 0, 4, 4), (0, 1, 0, 4, 3)])
    assert np.array_equal(result.found.weights, found.weights)
    state = State(shown=shown, boxes=boxes, maps=2)
    _, repeated = forget_sheet(sampler, state.forgetting())
    assert np.array_equal(repeated.weights, found.weights)
    expected = images_without(sampler, sampler.latent(0, range(4)), result.found.maps(2), found.layer)
    assert np.array_equal(result.after, expected)
    assert np.array_equal(result.before, answers.images(shown))
    assert result.dropped == min(2, len(result.found.maps()))
    with pytest.raises(InputError, match="no box"):
        answers.forget([], shown)


def test_filters_are_those_of_the_strongest_responses(answers, sampler):
    names = read_names("0:0-4")
    looked = answers.looked(names, 1, 3)
    images = answers.images(names)
    found = strongest(sampler.discriminator, images, 1, 5, [3])
    assert [names.index(one.name) for one in looked] == found.images[0].tolist()
    assert [one.response for one in looked] == sorted((one.response for one in looked), reverse=True)
    for one in looked:
        assert np.array_equal(one.image, images[names.index(one.name)])
        left, top, right, bottom = one.frame
        outside = np.ones((8, 8), bool)
        outside[top:bottom, left:right] = False
        assert outside.any()
        assert (one.gradient[outside] == 128).all()
    assert any((one.gradient != 128).any() for one in looked)
    for layer, number in ((3, 0), (-1, 0), (1, 6)):
        with pytest.raises(InputError):
            answers.looked(names, layer, number)
