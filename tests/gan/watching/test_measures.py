import math

import numpy as np
import pytest
import torch
from scipy import linalg

from dcgan_features.gan.watching.measures import (
    checkerboard,
    dead_maps,
    feature_rank,
    frechet_distance,
    nearest_other,
    norm,
    oscillation,
    separation,
    singular_values,
    stable_rank,
)


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def oscillation_by_hand(maps):
    """With numpy's full transform: each frequency is added to its negative, and the strongest of these pairs found."""
    filters, height, width = maps.shape[1:]
    shares = []
    for power in (
        np.abs(np.fft.fft2(maps)).__pow__(2).mean(0),
        np.abs(np.fft.fft2(maps.mean(0))) ** 2,
    ):
        strongest = []
        for number in range(filters):
            pairs: dict[tuple[int, int], float] = {}
            for row in range(height):
                for column in range(width):
                    key = min((row, column), (-row % height, -column % width))
                    pairs[key] = pairs.get(key, 0.0) + power[number, row, column]
            del pairs[0, 0]
            total = sum((np.abs(np.fft.fft2(maps[:, number])) ** 2).mean(0).flat[1:])
            strongest.append(max(pairs.values()) / total)
        shares.append(np.mean(strongest))
    return shares


@pytest.mark.parametrize("shape", [(5, 3, 6, 6), (4, 2, 5, 5), (3, 2, 4, 7)])
def test_oscillation_by_the_full_transform(shape):
    maps = torch.randn(shape, generator=source())
    assert oscillation(maps) == pytest.approx(oscillation_by_hand(maps.numpy().astype(float)), rel=1e-4)


def test_a_plane_wave_is_one_pattern_and_noise_is_none():
    where = torch.arange(8.0)
    wave = torch.cos(2 * math.pi * (2 * where[:, None] + 3 * where) / 8)
    same = 5 + wave.expand(6, 2, 8, 8)
    assert oscillation(same) == pytest.approx((1, 1))
    turning = torch.stack([torch.cos(2 * math.pi * (where[:, None] + image) / 8).expand(8, 8) for image in range(8)])
    single, mean = oscillation(turning[:, None])
    assert single == pytest.approx(1)
    assert mean == pytest.approx(0, abs=1e-6)  # each image has its own phase
    assert max(oscillation(torch.randn(64, 4, 8, 8, generator=source()))) < 0.1
    assert oscillation(torch.ones(3, 2, 1, 1)) == (0, 0)
    assert oscillation(torch.ones(3, 2, 4, 4)) == (0, 0)


def test_dead_maps_are_those_that_never_open_or_never_move():
    maps = torch.rand(4, 5, 3, 3, generator=source())
    maps[:, 1] = -0.1 * maps[:, 1]
    maps[:, 3] = 0.7
    assert dead_maps(maps) == pytest.approx(0.4)
    assert dead_maps(maps[:, [0, 2, 4]]) == 0


def test_rank_of_features_that_share_a_direction():
    one = torch.rand(30, 1, 1, 1, generator=source()) * torch.rand(1, 6, 8, 8, generator=source(1))
    assert feature_rank(one) == pytest.approx(1, abs=0.02)
    assert feature_rank(torch.randn(30, 6, 8, 8, generator=source())) > 15


def test_spectra_by_numpy():
    weight = torch.randn(6, 4, 3, 3, generator=source())
    expected = np.linalg.svd(weight.numpy().reshape(6, -1).astype(float), compute_uv=False)
    np.testing.assert_allclose(singular_values(weight).numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(singular_values(weight.flatten(1).T).numpy(), expected, rtol=1e-6)
    assert stable_rank(singular_values(weight)) == pytest.approx((expected**2).sum() / expected[0] ** 2)
    collapsed = torch.ones(6, 36) + 1e-3 * torch.randn(6, 36, generator=source())
    assert stable_rank(singular_values(collapsed)) == pytest.approx(1, abs=1e-3)
    assert stable_rank(torch.zeros(3, dtype=torch.float64)) == 1


def test_distance_to_the_nearest_other_by_brute_force():
    points = np.random.default_rng(0).normal(size=(9, 4))
    distances = [min(np.linalg.norm(one - two) for two in np.delete(points, row, 0)) for row, one in enumerate(points)]
    assert nearest_other(torch.from_numpy(points)) == pytest.approx(np.mean(distances))
    assert nearest_other(torch.ones(5, 3)) == 0


def test_frechet_distance_by_scipy():
    generator = np.random.default_rng(0)
    first = generator.normal(size=(40, 5)) @ generator.normal(size=(5, 5))
    second = generator.normal(size=(30, 5)) + 2
    means, covariances = [part.mean(0) for part in (first, second)], [np.cov(part.T) for part in (first, second)]
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    expected = ((means[0] - means[1]) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(torch.from_numpy(first), torch.from_numpy(second)) == pytest.approx(expected)
    assert frechet_distance(torch.from_numpy(first), torch.from_numpy(first)) == pytest.approx(0, abs=1e-6)


def test_a_checkerboard_is_told_from_what_is_smooth():
    where = torch.arange(8)
    board = (((where[:, None] + where) % 2) * 2.0 - 1).expand(2, 3, 8, 8)
    stripes = ((where % 2) * 2.0 - 1).expand(2, 3, 8, 8)
    smooth = torch.cos(2 * math.pi * where / 8).expand(2, 3, 8, 8)
    assert checkerboard(board) == pytest.approx(1)
    assert checkerboard(stripes + 4) == pytest.approx(1)
    assert checkerboard(smooth) == pytest.approx(0, abs=1e-9)
    assert checkerboard(stripes + smooth * math.sqrt(2)) == pytest.approx(0.5)
    assert checkerboard(torch.zeros(1, 1, 4, 4)) == 0


def test_separation_is_the_area_under_the_curve():
    real, fake = torch.tensor([2.0, 0.0, 1.0]), torch.tensor([0.0, -1.0])
    assert separation(real, fake) == pytest.approx((2 + 1.5 + 2) / 6)
    assert separation(fake, fake) == 0.5


def test_norm_of_all_together():
    assert norm([torch.tensor([3.0]), torch.tensor([[4.0, 12.0]])]) == 13
    assert norm([]) == 0
