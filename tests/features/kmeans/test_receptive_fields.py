import numpy as np
import pytest
import scipy.linalg
import torch

from dcgan_features.features.kmeans.receptive_fields import learned_groups, random_groups, square_correlation


def brute_force(responses):
    """Whiten each pair by itself with a matrix square root, then correlate the squares, in float64."""
    standard = (responses - responses.mean(1, keepdims=True)) / responses.std(1, keepdims=True)
    similarity = np.eye(len(standard))
    for j in range(len(standard)):
        for k in range(len(standard)):
            if j != k:
                pair = standard[[j, k]]
                white = np.linalg.inv(scipy.linalg.sqrtm(np.cov(pair, bias=True))) @ pair
                similarity[j, k] = np.corrcoef(white**2)[0, 1]
    return similarity


@pytest.fixture
def responses():
    """Skewed, heavy-tailed and correlated, as responses are: maps 0 to 3 vary in energy together, so do 4 to 7."""
    random = np.random.default_rng(0)
    energy = np.exp(random.normal(0, 0.7, (2, 20_000))).repeat(4, axis=0)
    mixed = energy * random.normal(size=(8, 20_000))
    mixed[1] += 0.8 * mixed[0]
    mixed[5] -= 0.5 * mixed[6]
    return np.maximum(mixed, -0.4) * np.arange(1, 9)[:, None]


def test_square_correlation_equals_whitening_pair_by_pair(responses):
    similarity = square_correlation(torch.from_numpy(responses)).numpy()
    np.testing.assert_allclose(similarity, brute_force(responses), atol=2e-4)


def test_maps_that_share_their_energy_are_the_similar_ones(responses):
    similarity = square_correlation(torch.from_numpy(responses))
    groups = learned_groups(similarity, 8, 4, torch.Generator().manual_seed(0))
    assert sorted(map(tuple, groups.tolist())) == [(0, 1, 2, 3)] * 4 + [(4, 5, 6, 7)] * 4


def test_similarity_is_the_same_however_pairs_and_samples_are_divided(responses, monkeypatch):
    whole = square_correlation(torch.from_numpy(responses))
    monkeypatch.setattr("dcgan_features.features.kmeans.receptive_fields._COLUMNS", 3)
    monkeypatch.setattr("dcgan_features.features.kmeans.receptive_fields._SAMPLES", responses.shape[1] // 3 - 1)
    torch.testing.assert_close(square_correlation(torch.from_numpy(responses)), whole, atol=1e-4, rtol=0)


def test_constant_and_repeated_maps_have_finite_similarities(responses):
    responses[2] = 3.5
    responses[7] = 2 * responses[6]
    similarity = square_correlation(torch.from_numpy(responses))
    assert torch.isfinite(similarity).all()
    assert similarity[2].tolist() == similarity[:, 2].tolist() == [0, 0, 1, 0, 0, 0, 0, 0]
    torch.testing.assert_close(similarity, similarity.T)


def test_a_learned_group_holds_its_seed_and_the_maps_most_similar_to_it():
    random = np.random.default_rng(0)
    similarity = torch.from_numpy(random.uniform(size=(30, 30))).fill_diagonal_(1)
    groups = learned_groups(similarity, 10, 5, torch.Generator().manual_seed(3))
    nearest = {tuple(sorted(np.argsort(-row)[:5])) for row in similarity.numpy()}
    assert len({tuple(group) for group in groups.tolist()} & nearest) == 10


def test_random_groups_hold_different_maps_of_all_and_depend_on_the_seed_alone():
    groups = random_groups(12, 40, 5, torch.Generator().manual_seed(1))
    assert groups.shape == (40, 5)
    assert all(len(set(group)) == 5 for group in groups.tolist())
    assert set(groups.flatten().tolist()) == set(range(12))
    assert torch.equal(groups, random_groups(12, 40, 5, torch.Generator().manual_seed(1)))
    assert not torch.equal(groups, random_groups(12, 40, 5, torch.Generator().manual_seed(2)))
