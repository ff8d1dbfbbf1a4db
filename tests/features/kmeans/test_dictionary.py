import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from dcgan_features.features.kmeans import dictionary
from dcgan_features.features.kmeans.dictionary import Chooser, euclidean_kmeans, gain_shape_kmeans


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def patches():
    return torch.randn(500, 8, generator=seeded(7)) * 2


@pytest.mark.parametrize("n_units", [1, 3, 64, 1601, 3300])  # 1 slice, a full one, a column over 25, slices of 128
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_atom_chosen_has_the_best_score(n_units, dtype):
    atoms, patches = torch.randn(n_units, 9, generator=seeded(1)), torch.randn(300, 9, generator=seeded(2))
    products = patches.to(dtype).double() @ atoms.to(dtype).double().T
    rows, slack = torch.arange(300), 2.0**-7 if dtype == torch.bfloat16 else 1e-5  # of a score: two roundings
    best = products.abs().max(1).values
    chosen = Chooser(atoms, dtype, magnitude=True)(patches)
    assert bool((products.abs()[rows, chosen] >= best - slack * best).all())
    for shift in (0.0, -100.0):  # with -100 every score is negative
        offset = torch.randn(n_units, generator=seeded(3)) + shift
        scores = products + offset.double()
        best = scores.max(1).values
        chosen = Chooser(atoms, dtype, offset)(patches)
        assert bool((scores[rows, chosen] >= best - slack * best.abs()).all())


def test_patches_of_zeros_choose_an_atom_that_exists():
    assert int(Chooser(torch.randn(5, 4), torch.float32, magnitude=True)(torch.zeros(3, 4)).max()) < 5


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
    start = 0.1 * torch.randn(10, 8, generator=seeded(5))  # 500 patches are one batch, so all passes are Lloyd's
    reference = KMeans(10, init=start.numpy(), n_init=1, max_iter=5, tol=0, algorithm="lloyd").fit(patches.numpy())
    learnt = euclidean_kmeans(patches, 10, 5, seeded(5))
    assert learnt.n_reseeded == 0
    np.testing.assert_allclose(learnt.atoms.numpy(), reference.cluster_centers_, atol=1e-3)


def test_the_first_pass_keeps_the_means_of_all_that_each_centroid_has_won(patches, monkeypatch):
    monkeypatch.setattr(dictionary, "_BATCH", 100)
    generator = seeded(5)
    centroids = 0.1 * torch.randn(10, 8, generator=generator).double().numpy()
    won: list[list[np.ndarray]] = [[] for _ in range(10)]
    for batch in patches[torch.randperm(500, generator=generator)].double().numpy().reshape(5, 100, 8):
        nearest = ((batch[:, None] - centroids) ** 2).sum(2).argmin(1)
        for x, k in zip(batch, nearest, strict=True):
            won[k].append(x)
        centroids = np.array([np.mean(own, axis=0) if own else old for own, old in zip(won, centroids, strict=True)])
    learnt = euclidean_kmeans(patches, 10, 1, seeded(5))
    assert learnt.n_reseeded == 0
    np.testing.assert_allclose(learnt.atoms.numpy(), centroids, atol=1e-4)


def test_directions_of_little_variance_are_left_out_of_the_assignment_and_not_of_the_means(patches):
    weak = 0.1 * torch.randn(500, 30, generator=seeded(4)) + 1
    wide = torch.cat([patches, weak], 1)
    basis = dictionary._leading_components(wide)
    torch.testing.assert_close(basis @ basis.T, torch.diag((torch.arange(38) < 8).float()), atol=0.02, rtol=0)
    learnt = euclidean_kmeans(wide, 10, 5, seeded(6)).atoms
    nearest = torch.cdist(wide[:, :8], learnt[:, :8]).argmin(1)
    means = torch.stack([wide[nearest == k].mean(0) for k in range(10)])
    again = torch.cdist(wide, means).min(1).values.square().sum().item()
    reference = KMeans(10, n_init=1, max_iter=5, tol=0, random_state=0, init="random").fit(wide.numpy())
    assert again < 1.05 * reference.inertia_


def test_a_first_pass_in_batches_is_worth_several_of_lloyds(monkeypatch):
    data = torch.randn(20000, 16, generator=seeded(1)) * torch.randn(20000, 1, generator=seeded(2)).exp()

    def error(passes, batch):
        monkeypatch.setattr(dictionary, "_BATCH", batch)
        atoms = euclidean_kmeans(data, 60, passes, seeded(5)).atoms
        return torch.cdist(data, atoms).min(1).values.square().mean()

    assert error(1, 500) < error(3, 20000)


def test_a_centroid_without_a_patch_is_replaced_and_counted():
    same = torch.ones(20, 3)  # one centroid wins every patch
    assert euclidean_kmeans(same, 4, 2, seeded()).n_reseeded == 6


def test_fewer_patches_than_centroids_are_refused(patches):
    with pytest.raises(ValueError, match="500 patches are too few for 501 centroids"):
        euclidean_kmeans(patches, 501, 1, seeded())


def test_reduced_precision_changes_the_atoms_little(patches):
    exact = gain_shape_kmeans(patches, 12, 5, seeded()).atoms
    reduced = gain_shape_kmeans(patches, 12, 5, seeded(), torch.bfloat16).atoms
    assert float((exact * reduced).sum(1).mean()) > 0.98
