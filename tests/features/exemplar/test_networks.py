from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from dcgan_features.data.utils.errors import InputError
from dcgan_features.features.exemplar.networks import SIZES, ExemplarNetwork, parse
from tests.features.exemplar.tiny import TINY


@pytest.mark.parametrize(("name", "maps", "fully_connected"), [
    ("small", (64, 64), (128, 64, 5, 5)),
    ("middle", (64, 128, 256), (512, 256, 1, 1)),
    ("large", (92, 256, 512), (1024, 512, 1, 1)),
])  # fmt: skip
def test_the_papers_three_sizes(name, maps, fully_connected):
    layers: list[Any] = list(ExemplarNetwork(SIZES[name], 0).layers)
    assert tuple(layer.weight.shape for layer in layers[:-1]) == tuple(
        (own, before, 5, 5) for own, before in zip(maps, (3, *maps), strict=False)
    )
    assert layers[-1].weight.shape == fully_connected
    assert parse(name) == parse(SIZES[name])
    if name == "large":
        assert 4 * sum(layer.out_channels for layer in layers) == 7536  # the paper's number of features


@pytest.mark.parametrize("architecture", [TINY, "3c5-4c5-5c5-6f"])
def test_logits_are_those_of_layers_written_out(architecture):
    network = ExemplarNetwork(architecture, 7, torch.Generator().manual_seed(0)).double()
    stages: list[nn.Module] = []
    for index, layer in enumerate(network.layers):
        stages += [layer, nn.ReLU()]
        if index < 2:
            stages += [nn.MaxPool2d(2)]
    patches = torch.rand(4, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert network.logits is not None
    expected = network.logits(nn.Sequential(*stages)(patches).flatten(1))
    assert expected.abs().max() > 1e-4
    torch.testing.assert_close(network(patches), expected)


def test_run_convolutionally_every_window_gives_what_its_patch_gives():
    network = ExemplarNetwork(TINY, 0, torch.Generator().manual_seed(0)).double()
    images = torch.rand(2, 3, 44, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    maps = network.maps(images)
    assert [tuple(layer.shape[1:]) for layer in maps] == [(3, 40, 36), (4, 16, 14), (6, 4, 3)]
    patch = images[:, :, 8:40, 4:36]  # two 2 x 2 poolings: windows are 4 pixels apart
    torch.testing.assert_close(network.maps(patch)[-1][:, :, 0, 0], maps[-1][:, :, 2, 1])


def test_dropout_keeps_the_mean_and_falls_on_the_fully_connected_units():
    network = ExemplarNetwork(TINY, 5, torch.Generator().manual_seed(0)).double()
    patch = torch.rand(1, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    source = torch.Generator().manual_seed(2)
    many = network(patch.expand(800, -1, -1, -1), 0.25, source)
    assert len(many.unique(dim=0)) > 1
    torch.testing.assert_close(many.mean(0), network(patch)[0], rtol=0.1, atol=1e-4)


def test_normalisation():
    network = ExemplarNetwork(TINY, 0)
    network.mean.copy_(torch.tensor([0.1, 0.2, 0.3]))
    network.scale.copy_(torch.tensor([2.0, 4.0, 5.0]))
    pixels = torch.full((1, 3, 1, 1), 0.6)
    torch.testing.assert_close(network.normalise(pixels).flatten(), torch.tensor([1.0, 1.6, 1.5]))
    assert functional.relu(network.normalise(pixels * 0)).max() == 0


@pytest.mark.parametrize("architecture", ["tiny", "64c5", "128f", "64c5-c5-128f", "64c0-128f", "64c5-128f-64c5", ""])
def test_an_unknown_architecture_is_one_sentence(architecture):
    with pytest.raises(InputError, match="neither one of small, middle, large nor written like 64c5-64c5-128f"):
        parse(architecture)


def test_kernels_larger_than_what_is_left_of_the_patch():
    with pytest.raises(InputError, match="needs patches larger than 32x32"):
        parse("4c9-4c9-4c9-8f")
