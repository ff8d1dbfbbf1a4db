from typing import Any

import numpy as np
import pytest
import torch

from dcgan_features.gan.latent.guided_backprop import gradients, neighbour_correlation, receptive_field, strongest
from dcgan_features.gan.networks import LEAK, Discriminator, scale_images
from dcgan_features.gan.spec import SPECS, Convolution, NetworkSpec
from tests.gan.tiny import TINY, tiny_images

# One row of what a 1x1 network computes can be followed by hand: two maps, then one, one colour channel.
BY_HAND = NetworkSpec("by-hand", 2, 1, 3, "uniform", (Convolution(2, 1, 1), Convolution(1, 1, 1)), (1, 1, 1), ())


@pytest.fixture
def network():
    made: Any = Discriminator(TINY, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer in made.convolutions:
            layer.weight.mul_(10)
        for layer in made.normalisations[1:]:
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator))  # of either sign
            layer.bias.copy_(torch.randn(layer.bias.shape, generator=generator) / 2)
            layer.running_mean.copy_(torch.randn(layer.bias.shape, generator=generator) / 2)
    return made.eval()


def pixels_that_matter(network, layer, row, column):
    """The pixels on which a position depends, by changing one at a time: rows and columns of the first and last."""
    size = network.spec.image_size
    base = scale_images(torch.from_numpy(tiny_images(1)))
    changed = base.repeat(size * size, 1, 1, 1)
    for index in range(size * size):
        changed[index, :, index // size, index % size] += 1
    with torch.no_grad():
        before = network.maps(base)[layer][0, :, row, column]
        after = network.maps(changed)[layer][:, :, row, column]
    hit = ((after - before).abs() > 1e-5).any(dim=1).view(size, size)
    rows, columns = (hit.any(dim=axis).nonzero()[:, 0] for axis in (1, 0))
    assert hit.sum() == len(rows) * len(columns)  # a whole rectangle
    return (rows[0].item(), rows[-1].item() + 1), (columns[0].item(), columns[-1].item() + 1)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_receptive_field_is_the_pixels_that_change_a_response(network, layer):
    field = receptive_field(TINY, layer)
    size = TINY.map_sizes()[layer]
    for row, column in ((0, 0), (0, size - 1), (size // 2, 1), (size - 1, size - 1)):
        found = pixels_that_matter(network, layer, row, column)
        assert found == (field.span(row, 8), field.span(column, 8))


def test_receptive_fields_of_the_published_networks():
    """By hand: 5, then + 4 * 2, + 4 * 4, + 4 * 8; the paper's 3x3 layers of stride 1, 2, 1, 2, 1, 2."""
    assert [receptive_field(SPECS["lsun-64"], layer).size for layer in range(4)] == [5, 13, 29, 61]
    assert [receptive_field(SPECS["paper-32"], layer).size for layer in range(6)] == [3, 5, 9, 13, 21, 29]
    assert receptive_field(SPECS["svhn-32"], 1).span(3) == (4 * 3 - 2 - 4, 4 * 3 - 2 - 4 + 13)


def test_guided_gradient_by_hand():
    network: Any = Discriminator(BY_HAND).eval()
    normalisation = network.normalisations[1]
    normalisation.eps = 0.0
    with torch.no_grad():
        network.convolutions[0].weight.copy_(torch.tensor([2.0, -3.0]).view(2, 1, 1, 1))
        network.convolutions[1].weight.copy_(torch.tensor([5.0, -7.0]).view(1, 2, 1, 1))
        normalisation.weight.fill_(1.0)
        normalisation.bias.fill_(0.0)
    # Pixels of value 1 and -1, scaled. At 1 the maps are 2 and -0.6, the response 10 + 4.2, its gradient by the maps
    # 5 and -7: the first passes (input 2, gradient 5), the second not. At -1 the maps are -0.4 and 3, the response
    # -2 - 21 = -23 leaks through as -4.6, which is not above 0.
    image = np.array([[255, 0], [255, 255]], np.uint8)[None, :, :, None].repeat(2, 0)
    guided = gradients(network, image, 1, [0, 0], [0, 0], [0, 1])
    assert guided[0, :, :, 0] == pytest.approx(np.array([[10.0, 0.0], [0.0, 0.0]]))
    assert not guided[1].any()
    plain = gradients(network, image, 1, [0, 0], [0, 0], [0, 1], guided=False)
    assert plain[0, 0, 0, 0] == pytest.approx(5 * 2 + LEAK * -7 * -3)
    assert plain[1, 0, 1, 0] == pytest.approx(LEAK * (5 * LEAK * 2 + -7 * -3), rel=1e-5)
    with torch.no_grad():
        network.convolutions[1].weight.copy_(torch.tensor([-5.0, 7.0]).view(1, 2, 1, 1))
    # Now the response at -1 is 23: gradients -5 and 7 by the maps, of which the second passes at its input of 3.
    assert gradients(network, image[:1], 1, [0], [0], [1])[0, 0, 1, 0] == pytest.approx(7 * -3)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_guided_gradient_is_the_definition_layer_by_layer(network, layer):
    """Transposed convolutions and masks written out, without autograd."""
    images = tiny_images(6, seed=2)
    found = strongest(network, images, layer, 1)
    maps = np.arange(len(found.values))
    chosen = images[found.images[:, 0]]
    ours = gradients(network, chosen, layer, maps, found.rows[:, 0], found.columns[:, 0])
    hidden, inputs = scale_images(torch.from_numpy(chosen)), []
    with torch.no_grad():
        for convolution, normalisation in zip(network.convolutions, network.normalisations, strict=True):
            inputs.append(normalisation(convolution(hidden)))
            hidden = torch.where(inputs[-1] > 0, inputs[-1], LEAK * inputs[-1])
        gradient = torch.zeros_like(inputs[layer])
        gradient[torch.arange(len(maps)), maps, found.rows[:, 0], found.columns[:, 0]] = 1
        for index in range(layer, -1, -1):
            gradient = gradient * (inputs[index] > 0) * (gradient > 0)
            normalisation = network.normalisations[index]
            if index:
                scale = normalisation.weight / torch.sqrt(normalisation.running_var + normalisation.eps)
                gradient = gradient * scale[:, None, None]
            convolution = network.convolutions[index]
            below = inputs[index - 1].shape[-1] if index else 8
            output_padding = below - ((gradient.shape[-1] - 1) * convolution.stride[0] + 3 - 2)
            gradient = torch.nn.functional.conv_transpose2d(
                gradient, convolution.weight, None, convolution.stride, convolution.padding, output_padding
            )
    assert (found.values[:, 0] > 0).sum() > 3
    np.testing.assert_allclose(ours, gradient.permute(0, 2, 3, 1).numpy(), atol=1e-6)
    assert ours.any()


def test_without_guiding_it_is_autograds_gradient(network):
    images, maps, rows, columns = tiny_images(3), [0, 6, 2], [0, 3, 1], [2, 3, 0]
    pixels: Any = scale_images(torch.from_numpy(images)).requires_grad_()
    response = network.maps(pixels)[2]
    sum(response[i, maps[i], rows[i], columns[i]] for i in range(3)).backward()
    ours = gradients(network, images, 2, maps, rows, columns, guided=False)
    np.testing.assert_allclose(ours, pixels.grad.permute(0, 2, 3, 1).numpy(), atol=1e-7)
    assert not np.allclose(ours, gradients(network, images, 2, maps, rows, columns))
    assert all(parameter.grad is None for name, parameter in network.named_parameters() if "logit" in name)


def test_gradient_stays_within_the_receptive_field(network):
    field = receptive_field(TINY, 1)
    rows, columns = slice(*field.span(1, 8)), slice(*field.span(2, 8))
    found = gradients(network, tiny_images(1), 1, [0], [1], [2], guided=False)[0]
    assert found[rows, columns].any()
    found[rows, columns] = 0
    assert not found.any()


def test_strongest_images_by_brute_force(network, monkeypatch):
    images = tiny_images(30, seed=3)
    images[17] = images[4]  # equal responses: the first counts first
    with torch.no_grad():
        response = network.maps(scale_images(torch.from_numpy(images)))[1].numpy()
    monkeypatch.setattr("dcgan_features.gan.latent.guided_backprop.BATCH", 7)
    done: list[int] = []
    found = strongest(network, images, 1, 5, maps=[3, 0], advance=done.append)
    assert sum(done) == 30
    for position, which in enumerate([3, 0]):
        by_image = sorted(range(30), key=lambda image: (-response[image, which].max(), image))[:5]
        assert found.images[position].tolist() == by_image
        for place, image in enumerate(by_image):
            value = response[image, which, found.rows[position, place], found.columns[position, place]]
            assert value == pytest.approx(response[image, which].max(), rel=1e-5)
            assert found.values[position, place] == pytest.approx(value, rel=1e-5)


def test_neighbour_correlation_by_hand():
    rows = np.array([[[1, 2], [0, 3]], [[1, 1], [1, 1]], [[1, -1], [-1, 1]], [[0, 0], [0, 0]]], np.float32)[..., None]
    # Pairs 1-0, 2-3, 1-2, 0-3: products 0 + 6 + 2 + 0, mean squares (1 + 13 + 5 + 9) / 2.
    assert neighbour_correlation(rows) == pytest.approx([8 / 14, 1, -1, 0])


@pytest.mark.parametrize(("arguments", "message"), [
    ({"layer": 3}, "0 to 2"),
    ({"layer": -1}, "0 to 2"),
    ({"maps": [6]}, "0 to 5"),
    ({"maps": []}, "0 to 5"),
    ({"count": 0}, "number of images, 4"),
    ({"count": 5}, "number of images, 4"),
])  # fmt: skip
def test_what_is_not_there_is_refused(network, arguments, message):
    with pytest.raises(ValueError, match=message):
        strongest(network, tiny_images(4), **{"layer": 1, "count": 1, **arguments})
