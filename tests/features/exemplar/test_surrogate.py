import numpy as np
import torch
from sklearn.cluster import AgglomerativeClustering

from dcgan_features.features.exemplar.seeds import draw_seeds
from dcgan_features.features.exemplar.surrogate import NOT_DRAWN, SurrogateData, cluster
from dcgan_features.features.exemplar.transformations import RANGES, transform
from tests.features.exemplar.tiny import tiny_images


def surrogate(samples=None):
    contexts, _ = draw_seeds(tiny_images(), 6, None, torch.Generator().manual_seed(0))
    return SurrogateData(contexts, RANGES, samples, torch.Generator().manual_seed(1))


def test_fixed_samples_repeat_and_new_ones_do_not():
    fixed, fresh = surrogate(samples=2), surrogate()
    for data, most in ((fixed, 12), (fresh, 300)):
        patches, seeds = data.draw(300, torch.Generator().manual_seed(2))
        assert patches.shape == (300, 3, 32, 32)
        assert len(patches.flatten(1).unique(dim=0)) == most
        assert set(seeds.tolist()) == set(range(6))


def test_a_sample_is_a_transformation_of_the_seed_it_is_said_to_be_of():
    data = surrogate(samples=3)
    patches, seeds = data.draw(20, torch.Generator().manual_seed(2))
    for patch, seed in zip(patches, seeds, strict=True):
        versions = transform(data.contexts[seed].expand(3, -1, -1, -1), data.fixed[seed], data.colours)
        assert (versions - patch).abs().flatten(1).amax(1).min() < 1e-5


def test_only_the_seeds_asked_for_are_drawn():
    _, seeds = surrogate().draw(50, torch.Generator().manual_seed(2), torch.tensor([1, 4]))
    assert set(seeds.tolist()) == {1, 4}


def test_clusters_are_those_of_average_linkage():
    features = np.random.default_rng(0).random((40, 5)) ** 3
    classes = cluster(torch.from_numpy(features), distance=0.15, dropped=0.0).numpy()
    reference = AgglomerativeClustering(None, metric="cosine", linkage="average", distance_threshold=0.15)
    expected = reference.fit_predict(features)
    assert 2 < len(set(expected)) < 40
    assert np.array_equal(classes[:, None] == classes, expected[:, None] == expected)
    for name in set(classes):  # each is called by its first seed
        assert name == np.flatnonzero(classes == name)[0]


def test_the_noisiest_clusters_are_dropped_and_single_seeds_are_kept():
    angles = torch.tensor([0.0, 0.01, 0.9, 1.1, 2.5])  # a tight pair, a loose one, and one alone
    features = torch.stack([angles.cos(), angles.sin()], 1)
    assert cluster(features, distance=0.1, dropped=0.0).tolist() == [0, 0, 2, 2, 4]
    assert cluster(features, distance=0.1, dropped=0.5).tolist() == [0, 0, NOT_DRAWN, NOT_DRAWN, 4]
