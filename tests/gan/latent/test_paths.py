import numpy as np
import pytest
import torch

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.latent.paths import (
    along,
    around,
    closed_walk,
    combine,
    combine_pixels,
    evenly,
    interpolate,
    turn_vector,
)
from tests.gan.linear import linear_sampler


def points(count, size=5, seed=0):
    return 2 * torch.rand(count, size, generator=torch.Generator().manual_seed(seed)) - 1


def test_uniform_z_is_joined_by_straight_lines():
    start, end = points(2)
    way = interpolate(start, end, [0, 0.25, 1], "uniform")
    torch.testing.assert_close(way, torch.stack([start, 0.75 * start + 0.25 * end, end]))


def test_normal_z_is_joined_by_a_turn_at_even_speed():
    start, end = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 4.0])
    way = interpolate(start, end, [0, 1 / 3, 2 / 3, 1], "normal")
    angles = torch.atan2(way[:, 1], way[:, 0])
    torch.testing.assert_close(angles, torch.tensor([0, 30, 60, 90]).deg2rad())
    torch.testing.assert_close(way.norm(dim=1), torch.tensor([2, 8 / 3, 10 / 3, 4]))


def test_the_middle_of_a_turn_is_no_shorter_than_normal_z_is():
    start, end = torch.randn(2, 500, generator=torch.Generator().manual_seed(0))
    middle = interpolate(start, end, [0.5], "normal").norm() / 500**0.5
    straight = interpolate(start, end, [0.5], "uniform").norm() / 500**0.5
    assert 0.9 < middle < 1.1
    assert straight < 0.8


@pytest.mark.parametrize("end", [[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
def test_points_in_line_have_no_turn_between_them(end):
    way = interpolate(torch.tensor([1.0, 0.0]), torch.tensor(end), [0.0, 0.5, 1.0], "normal")
    torch.testing.assert_close(way[:, 0], torch.tensor([1.0, (1 + end[0]) / 2, end[0]]))


def test_a_walk_visits_every_point_and_comes_back():
    nine = points(9)
    walk = closed_walk(nine, 4, "uniform")
    assert walk.shape == (9, 4, 5)
    assert torch.equal(walk[:, 0], nine)
    steps = torch.diff(torch.cat([walk.flatten(0, 1), nine[:1]]), dim=0)
    torch.testing.assert_close(steps[-4:], ((nine[0] - nine[8]) / 4).expand(4, 5))
    torch.testing.assert_close(steps.sum(0), torch.zeros(5), atol=1e-5, rtol=0)


def test_arithmetic_of_z_is_that_of_images_for_a_linear_generator():
    """Where the image is linear in z, arithmetic on z and on pixels must come to the same."""
    matrix = 0.2 * torch.eye(5, 12)[:, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]]
    sampler = linear_sampler(matrix, (3, 2, 2))
    plus, minus, also = (points(3, seed=seed) for seed in range(3))
    result = sampler.images(combine(plus, minus, also)[None])[0].astype(int)
    control = combine_pixels(*(sampler.images(latent) for latent in (plus, minus, also)))
    assert np.abs(result - control).max() <= 2  # each image is rounded
    assert result.std() > 5
    by_hand = (plus.numpy().sum(0) - minus.numpy().sum(0) + also.numpy().sum(0)) / 3
    expected = 127.5 * (1 + 0.2 * by_hand[[0, 1, 2, 3]])
    np.testing.assert_allclose(result[::4, ::4, 0].ravel(), expected, atol=0.51)


def test_pixels_are_clamped():
    white, black = np.full((3, 2, 2, 3), 255, np.uint8), np.zeros((3, 2, 2, 3), np.uint8)
    assert (combine_pixels(white, black, white) == 255).all()
    assert (combine_pixels(black, white, black) == 0).all()


def test_the_result_lies_amid_others_near_it():
    centre = points(1, 400)[0]
    nine = around(centre, 3)
    assert torch.equal(nine[4], centre)
    assert torch.equal(nine, around(centre, 3))
    noise = torch.cat([nine[:4], nine[5:]]) - centre
    assert noise.shape == (8, 400)
    assert 0.24 < noise.max() <= 0.25001
    assert -0.25001 <= noise.min() < -0.24
    assert abs(noise.std() - 0.25 / 3**0.5) < 0.01
    assert not torch.equal(around(centre, 4)[0], nine[0])


def test_turning_a_linear_generator_changes_only_what_the_sides_differ_in():
    matrix = torch.zeros(5, 12)
    matrix[1, 6] = 0.1  # dimension 1 of z decides one cell of the second colour
    matrix[0, :4] = 0.3
    sampler = linear_sampler(matrix, (3, 2, 2))
    left = points(4)
    right = left + torch.tensor([0.0, 2.0, 0.0, 0.0, 0.0])
    turn = turn_vector(left, right)
    torch.testing.assert_close(turn, torch.tensor([0.0, 2.0, 0.0, 0.0, 0.0]))
    moved = along(points(3, seed=7), turn, [-1.0, 0.0, 1.0])
    assert moved.shape == (3, 3, 5)
    assert torch.equal(moved[:, 1], points(3, seed=7))
    images = sampler.images(moved.flatten(0, 1)).reshape(3, 3, 8, 8, 3).astype(int)
    difference = images[:, 2] - images[:, 0]
    assert np.abs(difference[:, 4:, :4, 1] - 127.5 * 0.4).max() <= 1.01
    difference[:, 4:, :4, 1] = 0
    assert (difference == 0).all()


def test_even_steps():
    assert evenly(-1, 1, 5) == [-1, -0.5, 0, 0.5, 1]
    with pytest.raises(InputError, match="1 steps are too few"):
        evenly(0, 1, 1)
