import colorsys
import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from dcgan_features.features.exemplar.transformations import (
    CONTEXT,
    PARAMETERS,
    PATCH,
    RANGES,
    Colours,
    draw_parameters,
    from_hsv,
    identity_parameters,
    to_hsv,
    transform,
)

MARGIN = (CONTEXT - PATCH) // 2
COLOURS = Colours.of(torch.rand(500, 3, generator=torch.Generator().manual_seed(0)))


@pytest.fixture
def contexts():
    """Smooth pictures, on which ways of interpolating agree."""
    noise = np.random.default_rng(0).random((3, CONTEXT, CONTEXT, 3))
    smooth = ndimage.gaussian_filter(noise, (0, 4, 4, 0))
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    return torch.from_numpy((30 + 190 * smooth).astype(np.uint8))


def changed(count=3, **values):
    parameters = identity_parameters(count)
    for name, value in values.items():
        parameters[:, int(name.removeprefix("p"))] = value
    return parameters


def central(contexts, right=0, down=0):
    part = contexts[:, MARGIN - down : MARGIN - down + PATCH, MARGIN - right : MARGIN - right + PATCH]
    return part.permute(0, 3, 1, 2).float() / 255


def test_no_change_gives_the_patch_itself(contexts):
    torch.testing.assert_close(
        transform(contexts, identity_parameters(3), COLOURS), central(contexts), atol=1e-5, rtol=0
    )


def test_a_translation_moves_the_content_by_its_fraction_of_the_patch(contexts):
    moved = transform(contexts, changed(p0=3 / PATCH, p1=-5 / PATCH), COLOURS)
    torch.testing.assert_close(moved, central(contexts, right=3, down=-5), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("scale", "degrees"), [(1.4, 0.0), (0.7, 0.0), (1.0, 20.0), (0.8, -15.0)])
def test_scale_and_rotation_agree_with_scipys(contexts, scale, degrees):
    angle = math.radians(degrees)
    got = transform(contexts, changed(p2=scale, p3=angle), COLOURS)
    # In rows and columns, from a place in the patch to one in the context; the y axis points down.
    matrix = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]) / scale
    offset = (CONTEXT - 1) / 2 - matrix @ np.array([(PATCH - 1) / 2] * 2)
    for picture, patch in zip(contexts.numpy() / 255, got.numpy(), strict=True):
        for channel in range(3):
            expected = ndimage.affine_transform(picture[:, :, channel], matrix, offset, (PATCH, PATCH), order=1)
            np.testing.assert_allclose(patch[channel], expected, atol=1e-4)


def test_every_transformation_stays_inside_the_context(contexts):
    """Mirroring at the context's border is never needed: what lies there makes no difference."""
    border = contexts.clone()
    border[:, [0, -1]] = 0
    border[:, :, [0, -1]] = 0
    low, high = RANGES.bounds()
    extreme = identity_parameters(3)
    extreme[:, :2], extreme[:, 2], extreme[:, 3] = high[0], RANGES.scale[0], high[3]
    assert torch.equal(transform(contexts, extreme, COLOURS), transform(border, extreme, COLOURS))
    assert low[3] == -high[3]


def test_contrast_of_components_is_that_of_an_eigendecomposition(contexts):
    factors = torch.tensor([0.5, 1.2, 0.9])
    parameters = identity_parameters(3)
    parameters[:, 4:7] = factors
    got = transform(contexts, parameters, COLOURS)
    pixels = central(contexts).numpy().transpose(0, 2, 3, 1) - COLOURS.mean.numpy()
    vectors = COLOURS.components.numpy()
    expected = (pixels @ vectors * factors.numpy()) @ vectors.T + COLOURS.mean.numpy()
    np.testing.assert_allclose(got.numpy().transpose(0, 2, 3, 1), expected.clip(0, 1), atol=1e-5)
    random = np.random.default_rng(0).random((200, 3))
    colours = Colours.of(torch.from_numpy(random))
    projected = (random - random.mean(0)) @ colours.components.numpy()
    assert np.abs(np.corrcoef(projected.T) - np.eye(3)).max() < 1e-4


def test_hue_saturation_and_value_are_those_of_the_standard_library():
    pixels = np.random.default_rng(1).random((50, 3))
    pixels[:4] = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [1, 0, 0], [1, 1, 0.2]])
    got = torch.stack(to_hsv(torch.from_numpy(pixels)), 1).numpy()
    np.testing.assert_allclose(got, [colorsys.rgb_to_hsv(*pixel) for pixel in pixels], atol=1e-9)
    turned = got + np.array([7.3, 0, 0])
    back = from_hsv(*torch.from_numpy(turned).unbind(1)).numpy()
    np.testing.assert_allclose(back, [colorsys.hsv_to_rgb(h % 1, s, v) for h, s, v in turned], atol=1e-9)


def test_colour_changes_follow_their_definition(contexts):
    parameters = changed(p7=2.0, p8=1.3, p9=-0.05, p10=0.5, p11=0.8, p12=0.1, p13=0.07)
    got = transform(contexts, parameters, COLOURS)[1, :, 10, 20]
    hue, saturation, value = colorsys.rgb_to_hsv(*central(contexts)[1, :, 10, 20].tolist())
    saturation = min(max(saturation**2.0 * 1.3 - 0.05, 0), 1)
    value = min(max(value**0.5 * 0.8 + 0.1, 0), 1)
    np.testing.assert_allclose(got, colorsys.hsv_to_rgb((hue + 0.07) % 1, saturation, value), atol=1e-4)


def test_parameters_fill_their_ranges():
    drawn = draw_parameters(20_000, torch.Generator().manual_seed(0))
    assert drawn.shape == (20_000, PARAMETERS)
    expected = [(-0.2, 0.2)] * 2 + [(0.7, 1.4), (-math.pi / 9, math.pi / 9)] + [(0.5, 2.0)] * 3
    expected += [(0.25, 4.0), (0.7, 1.4), (-0.1, 0.1)] * 2 + [(-0.1, 0.1)]
    for column, (low, high) in zip(drawn.T, expected, strict=True):
        assert low <= column.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < column.max() <= high + 1e-6
    # Doubling and halving are equally likely.
    assert abs(float((drawn[:, 7] > 1).float().mean()) - 0.5) < 0.02
