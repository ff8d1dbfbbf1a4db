"""Max-pooling with switches and unpooling against brute force and each other; the notation; the mirrored decoder."""

import numpy as np
import pytest
import torch
from torch import nn

from dcgan_features.eval.semi_supervised.swwae_network import Stage, WhatWhereNetwork, parse, pool, unpool


def drawn(*shape, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def pool_by_hand(images, size):
    """The largest of each window and its place in the flattened map, windows cut off by the border included."""
    count, maps, height, width = images.shape
    values = np.zeros((count, maps, -(-height // size), -(-width // size)))
    places = np.zeros(values.shape, int)
    for image, channel, row, column in np.ndindex(values.shape):
        window = images[image, channel, row * size : (row + 1) * size, column * size : (column + 1) * size]
        inside = np.unravel_index(window.argmax(), window.shape)
        values[image, channel, row, column] = window.max()
        places[image, channel, row, column] = (row * size + inside[0]) * width + column * size + inside[1]
    return values, places


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("size", "height", "width"), [(2, 6, 8), (2, 7, 5), (3, 7, 8), (2, 1, 9), (1, 3, 4)])
def test_pooling_and_its_transpose(size, height, width, layout):
    images = drawn(3, 8, height, width).contiguous(memory_format=layout)
    values, switches = pool(images, size)
    expected, places = pool_by_hand(images.numpy(), size)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(switches, places)

    # With the switches kept, pooling takes its values from any images x linearly, and unpooling is its transpose.
    others, downward = drawn(3, 8, height, width).roll(1, 0), drawn(*values.shape).roll(1, 1)
    selected = others.flatten(2).gather(2, switches.flatten(2)).reshape(values.shape)
    back = unpool(downward.contiguous(memory_format=layout), switches, size, (height, width))
    assert back.shape == images.shape
    assert float((selected * downward).sum()) == pytest.approx(float((others * back).sum()), rel=1e-12)
    assert int((back != 0).sum()) == values.numel()
    np.testing.assert_array_equal(pool(unpool(values.abs(), switches, size, (height, width)), size)[0], values.abs())


def test_gradients_of_both_are_each_other():
    images = drawn(2, 3, 5, 6).requires_grad_()
    values, switches = pool(images, 2)
    upward = drawn(*values.shape)
    (of_pooling,) = torch.autograd.grad(values, images, upward)
    assert torch.equal(of_pooling, unpool(upward, switches, 2, (5, 6)))
    lower = upward.clone().requires_grad_()
    downward = drawn(2, 3, 5, 6).roll(1, 3)
    (of_unpooling,) = torch.autograd.grad(unpool(lower, switches, 2, (5, 6)), lower, downward)
    assert torch.equal(of_unpooling, downward.flatten(2).gather(2, switches.flatten(2)).reshape(values.shape))


def test_the_papers_notation():
    assert parse("(128)5c-2p-(128)3c-(256)3c-2p-(256)3c-2p") == [
        Stage(((128, 5),), 2),
        Stage(((128, 3), (256, 3)), 2),
        Stage(((256, 3),), 2),
    ]
    assert parse("2p-(4)1c-3p") == [Stage((), 2), Stage(((4, 1),), 3)]


@pytest.mark.parametrize("layers", ["", "(32)5c", "(32)5c-2p-(8)3c", "32c5-2p", "(32)4c-2p", "(0)3c-2p", "(8)3c-0p"])
def test_other_notations_are_refused(layers):
    with pytest.raises(ValueError, match="layers="):
        parse(layers)


def network(layers, shape, **settings):
    torch.manual_seed(0)
    settings = {"dropout": 0.0, "batch_norm": True, "decoder": True} | settings
    return WhatWhereNetwork(parse(layers), shape, 3, **settings)


def kernels(module):
    return [layer for layer in module.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("shape", [(12, 12, 1), (9, 11, 3), (1, 7, 1)])
def test_the_decoder_mirrors_the_encoder(shape, batch_norm):
    made = network("(4)5c-2p-(6)3c-(8)3c-2p-(5)1c-3p", shape, batch_norm=batch_norm)
    height, width, channels = shape
    images = drawn(2, channels, height, width, dtype=torch.float32)
    what, where = made.encode(images)
    assert [part.shape[1] for part in what] == [4, 8, 5]
    assert all(float(part.detach().min()) >= 0 for part in what)
    decoded = made.decode(images, what, where)
    assert [part.shape for part in decoded] == [images.shape, what[0].shape, what[1].shape]
    assert made.classify(what[-1]).shape == (2, 3)
    upward, downward = kernels(made.encoder), [layer for stage in made.decoder for layer in reversed(kernels(stage))]
    assert [layer.weight.shape for layer in upward] == [layer.weight.shape for layer in downward]
    normalised = [layer.num_features for layer in made.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert normalised == ([4, 6, 8, 5, 6, 4, 8] if batch_norm else [])
    assert not len(network("(4)5c-2p", shape, decoder=False).decoder)


def test_what_goes_up_comes_down_where_it_was():
    """With kernels that pass pixels on, the decoder puts each window's largest where it was, and 0 elsewhere."""
    made = network("(1)3c-2p-(1)3c-2p", (8, 8, 1), batch_norm=False)
    with torch.no_grad():
        for layer in kernels(made):
            layer.weight.zero_()[0, 0, 1, 1] = 1.0
    images = drawn(2, 1, 8, 8, dtype=torch.float32).abs()
    what, where = made.encode(images)
    decoded, first = made.decode(images, what, where)
    values, places = pool_by_hand(images.numpy(), 4)
    expected = np.zeros((2, 64), np.float32)
    np.put_along_axis(expected, places.reshape(2, -1), values.reshape(2, -1), 1)
    np.testing.assert_array_equal(decoded.detach().flatten(1), expected)
    np.testing.assert_allclose(first.detach().sum((1, 2, 3)), decoded.detach().sum((1, 2, 3)), rtol=1e-6)


def test_rectifying_after_pooling_is_rectifying_before():
    made = network("(4)3c-2p", (6, 6, 1))
    images = drawn(5, 1, 6, 6, dtype=torch.float32)
    rectified = made.encoder[0](images).relu()
    np.testing.assert_array_equal(made.encode(images)[0][0].detach(), pool(rectified, 2)[0].detach())


def test_stage_dropout_is_on_the_way_up_and_spares_what_is_to_be_found():
    images = drawn(4, 1, 32, 32, dtype=torch.float32).abs()
    made = network("(2)1c-2p-(3)1c-2p", (32, 32, 1), batch_norm=False, stage_dropout=0.25)
    with torch.no_grad():
        for layer in kernels(made):
            layer.weight.fill_(1.0)
        clean = [part.clone() for part in made.eval().encode(images)[0]]
        (first, top), where = made.train().encode(images)
        with_the_decoder = made.decode(images, [first, top], where)[1]
    torch.testing.assert_close(first, clean[0], rtol=0, atol=0)
    windows = clean[0].reshape(4, 2, 8, 2, 8, 2).movedim(3, 4).flatten(4) / 0.75
    possible = torch.cat([torch.zeros(4, 1, 8, 8, 1), windows[:, :1], 2 * windows[:, :1]], 4) / 0.75
    # Both maps of the first stage are alike, so a kept value of the top is one or two of a window's, scaled up twice.
    distance = (top[..., None] - possible).abs().amin(4)
    assert float(distance.max()) < 1e-5
    assert 0.2 < float((top == 0).float().mean()) < 0.3
    assert torch.equal(with_the_decoder[:, 0].sum((1, 2)) == 0, top.sum((1, 2, 3)) == 0)
    assert float(with_the_decoder.sum()) == pytest.approx(2 * float(top.sum()), rel=1e-4)
