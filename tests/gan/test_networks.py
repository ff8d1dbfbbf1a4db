import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from dcgan_features.gan.networks import (
    Discriminator,
    Generator,
    ResizeConvolution,
    draw_latent,
    scale_images,
    unscale_images,
)
from dcgan_features.gan.spec import LSUN_64, PAPER_32, PAPER_32_SPECTRAL, PAPER_32_WIDE, SPECS, SVHN_32, NetworkSpec
from tests.gan.tiny import TINY


def convolve_by_hand(images, kernels, stride):
    """Correlation with zero padding, one multiplication after another. images : (n, in, height, width)."""
    count, _, height, width = images.shape
    maps, _, size, _ = kernels.shape
    pad = (size - 1) // 2
    padded = np.pad(images, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    result = np.zeros((count, maps, -(-height // stride), -(-width // stride)))
    for row in range(result.shape[2]):
        for column in range(result.shape[3]):
            window = padded[:, :, row * stride : row * stride + size, column * stride : column * stride + size]
            result[:, :, row, column] = np.tensordot(window, kernels, axes=([1, 2, 3], [1, 2, 3]))
    return result


def spread_by_hand(maps, kernels, stride):
    """Transposed convolution: every input value adds its kernel to the output. maps : (n, in, height, width)."""
    count, _, height, width = maps.shape
    _, out, size, _ = kernels.shape
    pad = (size - 1) // 2
    canvas = np.zeros((count, out, height * stride + size, width * stride + size))
    for row in range(height):
        for column in range(width):
            stamp = np.tensordot(maps[:, :, row, column], kernels, axes=([1], [0]))
            canvas[:, :, row * stride : row * stride + size, column * stride : column * stride + size] += stamp
    return canvas[:, :, pad : pad + height * stride, pad : pad + width * stride]


def normalise_by_hand(values, layer):
    mean, variance = values.mean(axis=(0, 2, 3), keepdims=True), values.var(axis=(0, 2, 3), keepdims=True)
    gain, shift = (tensor.detach().double().numpy()[:, None, None] for tensor in (layer.weight, layer.bias))
    return (values - mean) / np.sqrt(variance + 1e-8) * gain + shift


def array(tensor):
    return tensor.detach().double().numpy()


def test_discriminator_equals_a_computation_by_hand():
    network: Any = Discriminator(TINY, torch.Generator().manual_seed(1)).train()
    with torch.no_grad():
        network.normalisations[1].bias += torch.arange(6) * 0.1
    images = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    hidden = array(images)
    for index, maps in enumerate(network.maps(images)):
        hidden = convolve_by_hand(hidden, array(network.convolutions[index].weight), TINY.discriminator[index].stride)
        if index:
            hidden = normalise_by_hand(hidden, network.normalisations[index])
        hidden = np.where(hidden > 0, hidden, 0.2 * hidden)
        np.testing.assert_allclose(array(maps), hidden, atol=1e-5)
    logits = hidden.reshape(5, -1) @ array(network.logit.weight).T
    np.testing.assert_allclose(array(network(images)), logits[:, 0], atol=1e-5)


def test_generator_equals_a_computation_by_hand():
    network = Generator(TINY, torch.Generator().manual_seed(1)).train()
    latent = torch.randn(6, 5, generator=torch.Generator().manual_seed(2))
    hidden = array(latent) @ array(network.projection.weight).T
    hidden = np.maximum(normalise_by_hand(hidden[:, :, None, None], network.projection_normalisation), 0)
    hidden = spread_by_hand(hidden.reshape(6, 6, 2, 2), array(network.convolutions[0].weight), 2)
    hidden = np.maximum(normalise_by_hand(hidden, network.normalisations[0]), 0)
    hidden = np.tanh(spread_by_hand(hidden, array(network.convolutions[1].weight), 2))
    np.testing.assert_allclose(array(network(latent)), hidden, atol=1e-6)


@pytest.mark.parametrize(("spec", "features", "sizes"), [
    (PAPER_32, 28_672, [32, 16, 16, 8, 8, 4]),
    (SVHN_32, 7_168, [16, 8, 4]),
    (LSUN_64, 30_720, [32, 16, 8, 4]),
])  # fmt: skip
def test_published_networks_have_the_published_shapes(spec, features, sizes):
    assert spec.feature_count() == features
    assert spec.map_sizes() == sizes
    with torch.device("meta"):
        discriminator, generator = Discriminator(spec), Generator(spec)
        size = spec.image_size
        images = torch.empty(2, 3, size, size)
        maps = discriminator.maps(images)
        assert [(m.shape[1], m.shape[2]) for m in maps] == list(
            zip((layer.maps for layer in spec.discriminator), sizes, strict=True)
        )
        assert generator(torch.empty(2, spec.latent_size)).shape == images.shape


def test_initial_weights():
    network: Any = Discriminator(SVHN_32, torch.Generator().manual_seed(0))
    weights = network.convolutions[2].weight
    assert weights.std().item() == pytest.approx(0.02, rel=0.01)
    assert weights.mean().item() == pytest.approx(0, abs=1e-4)
    gains = network.normalisations[2].weight
    assert gains.mean().item() == pytest.approx(1, abs=0.005)
    assert gains.std().item() == pytest.approx(0.02, rel=0.2)
    assert not network.normalisations[2].bias.any()
    assert all(layer.bias is None for layer in network.convolutions)
    assert isinstance(network.normalisations[0], torch.nn.Identity)


def test_initial_weights_depend_on_the_seed_alone():
    networks = [Discriminator(TINY, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    first, second, other = (network.state_dict()["logit.weight"] for network in networks)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_every_pixel_value_survives_scaling():
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1)
    scaled = scale_images(pixels)
    assert scaled.shape == (1, 1, 16, 16)
    assert scaled.min() == -1
    assert scaled.max() == 1
    assert torch.equal(unscale_images(scaled), pixels)


def test_latent_distributions():
    uniform = draw_latent(PAPER_32, 400, torch.Generator().manual_seed(0))
    assert uniform.shape == (400, 256)
    assert uniform.min() >= -1 > uniform.min() - 0.001
    assert uniform.var().item() == pytest.approx(1 / 3, rel=0.02)
    normal = draw_latent(SVHN_32, 400, torch.Generator().manual_seed(0))
    assert normal.shape == (400, 100)
    assert normal.var().item() == pytest.approx(1, rel=0.02)


def test_specification_survives_json():
    assert NetworkSpec.from_dict(json.loads(json.dumps(PAPER_32.to_dict()))) == PAPER_32


def test_truncated_network_has_the_same_leading_maps_and_no_logit():
    whole = Discriminator(TINY).eval()
    part = Discriminator(TINY.truncated(2)).eval()
    part.load_state_dict(whole.state_dict(), strict=False)
    images = torch.randn(2, 3, 8, 8)
    for ours, theirs in zip(part.maps(images), whole.maps(images), strict=False):
        assert torch.equal(ours, theirs)
    with pytest.raises(RuntimeError, match="no logit"):
        part(images)


def test_the_wide_network_has_twice_the_maps():
    for wide, paper in zip(PAPER_32_WIDE.discriminator, PAPER_32.discriminator, strict=True):
        assert (wide.maps, wide.kernel, wide.stride) == (2 * paper.maps, paper.kernel, paper.stride)
    assert [layer.maps for layer in PAPER_32_WIDE.generator[:-1]] == [
        2 * layer.maps for layer in PAPER_32.generator[:-1]
    ]
    assert PAPER_32_WIDE.generator[-1] == PAPER_32.generator[-1]
    assert PAPER_32_WIDE.feature_count() == 2 * 28_672


def test_the_spectral_network_has_shifts_in_place_of_batch_normalisation():
    network, paper = Discriminator(PAPER_32_SPECTRAL), Discriminator(PAPER_32)
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in network.modules())
    for layer, same in zip(network.convolutions, paper.convolutions, strict=True):
        assert isinstance(layer, torch.nn.Conv2d)
        assert layer.weight.shape == same.weight.shape
        assert layer.bias is not None
        assert not layer.bias.any()


@pytest.mark.parametrize("name", ["tiny", "tiny-spectral"])
def test_parts_of_a_minibatch_are_normalised_apart(name):
    network = Discriminator(SPECS[name], torch.Generator().manual_seed(0))
    images = torch.randn(7, 3, SPECS[name].image_size, SPECS[name].image_size)
    images[4:] *= 3
    apart = torch.cat([network(images[:4]), network(images[4:])])
    torch.testing.assert_close(network(images, parts=(4, 3)), apart)
    assert (network(images) - apart).abs().max() > 1e-3 or name == "tiny-spectral"


def test_a_resize_convolution_is_a_convolution_of_repeated_pixels():
    layer = ResizeConvolution(2, 3, 5, 2, bias=True)
    maps = torch.randn(4, 2, 3, 3)
    repeated = maps.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(layer(maps), functional.conv2d(repeated, layer.weight, layer.bias, padding=2))
    alike = ResizeConvolution(2, 3, 3, 1, bias=False)
    torch.testing.assert_close(alike(maps), functional.conv2d(maps, alike.weight, padding=1))


def test_the_generators_other_shapes():
    latent = torch.randn(4, 100)
    for name, layers in (("svhn-32-narrow", 3), ("svhn-32-narrow-bare", 0)):
        generator = Generator(SPECS[name])
        assert generator(latent).shape == (4, 3, 32, 32)
        assert sum(isinstance(layer, nn.BatchNorm2d) for layer in generator.modules()) == layers
        shifts = [layer.bias is not None for layer in (generator.projection, *generator.convolutions)]
        assert shifts == ([True] * 3 if layers == 0 else [False] * 3) + [False]
    resizing = Generator(SPECS["lsun-64-narrow-resize"])
    assert resizing(torch.rand(2, 100)).shape == (2, 3, 64, 64)
    assert sum(isinstance(layer, ResizeConvolution) for layer in resizing.modules()) == 4
    assert not any(isinstance(layer, nn.ConvTranspose2d) for layer in resizing.modules())
    plain = Discriminator(SPECS["svhn-32-narrow-plain"])
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in plain.modules())
    assert all(layer.bias is not None for layer in plain.convolutions)
    for spec in SPECS.values():
        assert NetworkSpec.from_dict(spec.to_dict()) == spec
    with pytest.raises(ValueError, match="generator_upsampling must be 'transposed' or 'resize', not 'bilinear'"):
        NetworkSpec(**{**vars(SPECS["svhn-32"]), "generator_upsampling": "bilinear"})
