import numpy as np
import pytest
import torch

from dcgan_features.data.utils.random_streams import uniform
from dcgan_features.gan.latent.path_length import perceptual_path_length, squared_distances, step_lengths
from tests.gan.tiny import tiny_sampler


def test_distances_are_those_of_loops_over_positions():
    judge = tiny_sampler().discriminator
    first, second = torch.rand(2, 3, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        found = squared_distances(judge, first, second)
        expected = np.zeros(3)
        for ours, theirs in zip(judge.maps(first), judge.maps(second), strict=True):
            for image in range(3):
                cells = []
                for row in range(ours.shape[2]):
                    for column in range(ours.shape[3]):
                        a, b = (maps[image, :, row, column].double().numpy() for maps in (ours, theirs))
                        cells.append(((a / np.linalg.norm(a) - b / np.linalg.norm(b)) ** 2).sum())
                expected[image] += np.mean(cells)
        assert squared_distances(judge, first, first).abs().max() == 0
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_path_length_does_not_hang_on_epsilon_and_is_zero_where_nothing_changes():
    sampler = tiny_sampler()
    judge = tiny_sampler(5).discriminator
    coarse, fine = (perceptual_path_length(sampler, judge, 0, 60, epsilon) for epsilon in (1e-3, 1e-4))
    assert fine == pytest.approx(coarse, rel=0.05)
    assert fine > 0
    with torch.no_grad():
        sampler.generator.projection.weight[:, 1:] = 0  # one dimension of z is left
        alone = perceptual_path_length(sampler, judge, 0, 60)
        sampler.generator.projection.weight.zero_()
        assert perceptual_path_length(sampler, judge, 0, 60) == 0
    assert 0 < alone < fine


def test_path_length_is_the_mean_of_pairs_without_outliers():
    sampler = tiny_sampler()
    judge = tiny_sampler(5).discriminator
    latent = sampler.latent(3, range(100))
    lengths = []
    for pair, place in enumerate(uniform((50,), 3, 70)):
        first, second = latent[2 * pair].double(), latent[2 * pair + 1].double()
        points = [first + t * (second - first) for t in (place * 0.999, place * 0.999 + 1e-3)]
        with torch.no_grad():
            images = sampler.generator(torch.stack(points).float())
            lengths.append(float(squared_distances(judge, images[:1], images[1:])) * 1e6)
    expected = np.mean(sorted(lengths)[1:-1])  # one of fifty lies beyond either percent
    assert perceptual_path_length(sampler, judge, 3, 50, 1e-3) == pytest.approx(expected, rel=1e-3)


def test_steps_of_a_walk_are_between_neighbours():
    sampler = tiny_sampler()
    judge = tiny_sampler(5).discriminator
    found = step_lengths(sampler, judge, 2, walks=2, steps=4)
    assert found.shape == (2, 4)
    latent = sampler.latent(2, range(4))
    parts = torch.tensor([0.25, 0.5])[:, None]
    with torch.no_grad():
        made = sampler.generator((1 - parts) * latent[2] + parts * latent[3])
        expected = squared_distances(judge, made[:1], made[1:]).sqrt()
    assert found[1, 1] == pytest.approx(float(expected), rel=1e-4)
