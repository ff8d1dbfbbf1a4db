import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from features.dictionary import euclidean_kmeans, gain_shape_kmeans, largest_magnitude


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def patches():
    return torch.randn(500, 8, generator=seeded(7)) * 2


def test_largest_magnitude_agrees_with_numpy():
    scores = torch.randn(200, 33, generator=seeded())
    for dtype in (torch.float32, torch.bfloat16):
        values = scores.to(dtype)
        expected = np.abs(values.float().numpy()).max(axis=1)
        chosen = largest_magnitude(values.clone())
        np.testing.assert_array_equal(values.float().abs()[torch.arange(200), chosen].numpy(), expected)


def test_gain_shape_kmeans_against_the_definition_in_loops(patches):
    atoms = torch.randn(12, 8, generator=seeded(3)).double().numpy()
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    for _ in range(4):
        new = atoms.copy()
        for x in patches.double().numpy():
            scores = atoms @ x
            k = np.argmax(np.abs(scores))
            new[k] += scores[k] * x
        atoms = new / np.linalg.norm(new, axis=1, keepdims=True)
    learnt = gain_shape_kmeans(patches, 12, 4, seeded(3))
    assert learnt.n_reseeded == 0
    np.testing.assert_allclose(learnt.atoms.numpy(), atoms, atol=1e-4)


def test_gain_shape_kmeans_finds_the_directions_that_data_lie_along():
    directions = torch.eye(5)
    gains = torch.randn(2000, generator=seeded(1)) * 3  # both signs: a direction and its opposite are one atom
    data = directions[torch.arange(2000) % 5] * gains[:, None]
    atoms = gain_shape_kmeans(data + 0.01 * torch.randn(2000, 5, generator=seeded(2)), 8, 20, seeded()).atoms
    best = (atoms @ directions.T).abs().max(dim=0).values  # of each direction, its nearest atom
    assert bool((best > 0.999).all())


def test_atoms_without_a_patch_are_replaced_and_counted():
    data = torch.eye(6)[[0, 0, 0, 1]] * 5  # two directions: four of six atoms can win nothing
    learnt = gain_shape_kmeans(data, 6, 3, seeded())
    assert learnt.n_reseeded >= 3
    torch.testing.assert_close(torch.linalg.vector_norm(learnt.atoms, dim=1), torch.ones(6))


def test_euclidean_kmeans_against_scikit_learn(patches):
    start = 0.1 * torch.randn(10, 8, generator=seeded(5))
    reference = KMeans(10, init=start.numpy(), n_init=1, max_iter=5, tol=0, algorithm="lloyd").fit(patches.numpy())
    learnt = euclidean_kmeans(patches, 10, 5, seeded(5))
    assert learnt.n_reseeded == 0
    inertia = torch.cdist(patches, learnt.atoms).min(1).values.square().sum().item()
    # scikit-learn's inertia is of its last assignment; one more update can only lower it.
    assert inertia == pytest.approx(reference.inertia_, rel=1e-3)
    np.testing.assert_allclose(learnt.atoms.numpy(), reference.cluster_centers_, atol=1e-3)


def test_reduced_precision_changes_the_atoms_little(patches):
    exact = gain_shape_kmeans(patches, 12, 5, seeded()).atoms
    reduced = gain_shape_kmeans(patches, 12, 5, seeded(), torch.bfloat16).atoms
    assert float((exact * reduced).sum(1).mean()) > 0.98
