import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform

from dcgan_features.features.kmeans.patches import all_patches
from dcgan_features.features.kmeans.views import View, all_views, crop_margin, move, view_operators, views_of_patches


def seen(crop, view, patch_size=4):
    """The view of the patch in the middle of a square crop, (patch_size, patch_size)."""
    operators = view_operators(patch_size, (len(crop) - patch_size) // 2, [view])
    pixels = torch.from_numpy(crop).float()[None, :, :, None]
    return views_of_patches(pixels, operators).numpy().reshape(patch_size, patch_size)


@pytest.fixture
def crop():
    return np.random.default_rng(0).integers(0, 256, (12, 12)).astype(np.float64)


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (View(), lambda crop: crop[4:8, 4:8]),
        (View(down=1, right=-2), lambda crop: crop[5:9, 2:6]),
        (View(angle=90), lambda crop: np.rot90(crop, -1)[4:8, 4:8]),
        (View(angle=180, down=1), lambda crop: crop[8:4:-1, 7:3:-1]),
        (View(right=1, mirrored=True), lambda crop: crop[4:8, 8:4:-1]),
        (View(angle=90, mirrored=True), lambda crop: np.rot90(crop, -1)[4:8, 4:8][:, ::-1]),
        (View(scale=3), lambda crop: crop[1:11:3, 1:11:3]),
    ],
)
def test_views_whose_pixels_are_pixels_of_the_crop(crop, view, expected):
    np.testing.assert_allclose(seen(crop, view), expected(crop), atol=1e-3)


@pytest.mark.parametrize("view", [View(20, 1.18, 1, -1), View(-10, 0.85, 0, 1)])
def test_other_views_are_those_of_scipy_on_a_smooth_image(view):
    y, x = np.mgrid[:12, :12]
    crop = 100 + 50 * np.sin(0.5 * y + 0.2 * x) + 30 * np.cos(0.4 * x)
    angle = np.radians(view.angle)
    matrix = view.scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    origin = 5.5 + np.array([view.down, view.right]) - matrix @ [1.5, 1.5]
    expected = affine_transform(crop, matrix, origin, output_shape=(4, 4), order=3)
    np.testing.assert_allclose(seen(crop, view), expected, atol=2.5)  # bicubic against spline


def test_every_combination_of_views_the_patch_itself_first():
    views = all_views((-10, 10), (0.85,), 1)
    assert views[0] == View(0, 1, 0, 0)
    assert len(set(views)) == len(views) == 3 * 2 * 9
    assert all_views((), ()) == [View()]
    assert all_views((), (), reflection=True) == [View(), View(mirrored=True)]


@pytest.mark.parametrize(
    ("views", "margin"),
    [
        ([View()], 0),
        (all_views((), (), 2), 2),
        ([View(45)], 2),  # of 6 pixels, corners at 2.5 * sqrt(2) = 3.54: a pixel and a bit further out
        ([View(scale=3)], 5),
        ([View(90)], 0),
    ],
)
def test_margin(views, margin):
    assert crop_margin(6, views) == margin


def test_every_position_and_colour_as_by_hand():
    images = torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (2, 9, 8, 3))).float()
    views = [View(), View(20, 1.18, 1, 0), View(-10)]
    operators = view_operators(4, 2, views)
    result = views_of_patches(images, operators)
    assert result.shape == (2, 2, 1, 3, 4 * 4 * 3)
    inner = all_patches(images[:, 2:-2, 2:-2].contiguous(), 4)
    torch.testing.assert_close(result[:, :, :, 0], inner.flatten(3), rtol=1e-5, atol=1e-3)
    for view, operator in enumerate(operators):
        for colour in range(3):
            expected = operator @ images[1, 1:9, 0:8, colour].reshape(-1)
            torch.testing.assert_close(result[1, 1, 0, view].view(16, 3)[:, colour], expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, 0), (-1, 3), (4, -4)])
def test_moved_images_are_continued_by_their_reflection(down, right):
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 3), dtype=np.uint8)
    padded = np.pad(images, ((0, 0), (4, 4), (4, 4), (0, 0)), "reflect")
    expected = padded[:, 4 - down : 9 - down, 4 - right : 10 - right]
    np.testing.assert_array_equal(move(torch.from_numpy(images), down, right).numpy(), expected)
