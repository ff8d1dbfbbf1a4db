"""Nearest neighbours against brute force, and the classifier against scikit-learn's."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from dcgan_features.eval import neighbours
from dcgan_features.eval.neighbours import NearestNeighbours, NearestSearch, nearest


def brute_force(queries, references, k):
    """By differences in float64, the lower index first among equals."""
    rows = [np.asarray(points, float).reshape(len(points), -1) for points in (queries, references)]
    squares = ((rows[0][:, None] - rows[1][None]) ** 2).sum(2)
    indices = np.argsort(squares, axis=1, kind="stable")[:, :k]
    return np.sqrt(np.take_along_axis(squares, indices, axis=1)), indices


def assert_exact(found, queries, references, k):
    distances, indices = brute_force(queries, references, k)
    np.testing.assert_array_equal(found[1], indices)
    np.testing.assert_allclose(found[0], distances, rtol=1e-12)
    assert found[0].dtype == np.float64
    assert found[1].dtype == np.int64


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(neighbours, "QUERIES", 7)
    monkeypatch.setattr(neighbours, "REFERENCES", 13)
    monkeypatch.setattr(neighbours, "PAIR_NUMBERS", 50)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.uint8, np.int64])
@pytest.mark.parametrize("k", [1, 4, 20])
def test_equals_brute_force(small_blocks, dtype, k):
    random = np.random.default_rng(0)
    queries, references = ((random.normal(100, 20, (count, 5))).astype(dtype) for count in (30, 100))
    assert_exact(nearest(queries, references, k), queries, references, k)


@pytest.mark.parametrize("scale", [1e-160, 1e-25, 1e-20, 1e-3, 1e17, 1e19, 1e25, 1e100])
def test_points_of_any_size(small_blocks, scale):
    random = np.random.default_rng(0)
    queries, references = random.normal(size=(20, 5)) * scale, random.normal(size=(60, 5)) * scale
    queries[3], references[::5] = queries[3] / 1e5, references[::5] * 1e3
    assert_exact(nearest(queries, references, 3), queries, references, 3)


def test_differences_that_a_product_of_float32_cannot_see():
    # One far query keeps the mean away: |q|^2 is about 1e8, the distances below are about 0.01.
    random = np.random.default_rng(0)
    queries = 1e4 + random.normal(size=(30, 4)) * 0.01
    queries[0] = -1e4
    references = 1e4 + random.normal(size=(200, 4)) * 0.01
    assert_exact(nearest(queries, references, 3), queries, references, 3)


def test_equal_distances_go_by_index(small_blocks):
    random = np.random.default_rng(0)
    queries = random.integers(0, 3, (20, 3)).astype(np.uint8)  # 27 different points: every query has many equals
    references = random.integers(0, 3, (150, 3)).astype(np.uint8)
    assert_exact(nearest(queries, references, 9), queries, references, 9)
    same = np.ones((40, 2), np.float32)
    np.testing.assert_array_equal(nearest(same, same, 5)[1], np.tile(np.arange(5), (40, 1)))


def test_blocks_far_ones_first(small_blocks):
    random = np.random.default_rng(0)
    queries = random.normal(size=(25, 2, 3))
    references = np.sort(random.normal(size=(90, 1, 1)), axis=0)[::-1] * 10 + random.normal(size=(90, 2, 3))
    blocks = (references[start : start + 11] for start in range(0, 90, 11))
    assert_exact(nearest(queries, blocks, 4), queries, references, 4)
    search = NearestSearch(queries, 4)
    for end in (2, 5, 60, 90):
        search.update(torch.from_numpy(references[search.n_references : end].copy()))
        if end >= 4:
            assert_exact(search.result(), queries, references[:end], 4)


def test_products_stay_float32_whatever_the_process_has_chosen():
    random = np.random.default_rng(0)
    queries, references = (random.normal(size=(count, 256)).astype(np.float32) for count in (64, 300))
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        found = nearest(queries, references, 5)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert_exact(found, queries, references, 5)


def test_most_references_are_ruled_out_by_the_product(monkeypatch):
    pairs = []
    exact = neighbours._squared_distances

    def counted(queries, references, places, found):
        pairs.append(len(places))
        return exact(queries, references, places, found)

    monkeypatch.setattr(neighbours, "_squared_distances", counted)
    random = np.random.default_rng(0)
    nearest(random.normal(size=(50, 20)), random.normal(size=(4000, 20)), 3)
    assert sum(pairs) < 50 * 4000 / 50


@pytest.mark.parametrize(
    ("queries", "references", "k", "said"),
    [
        (np.zeros((2, 3)), np.zeros((2, 3)), 0, "k=0 must be"),
        (np.zeros((2, 3)), np.zeros((2, 3)), 1.5, "k=1.5 must be"),
        (np.zeros((2, 3)), np.zeros((2, 3)), 3, "there are 2 references"),
        (np.zeros((2, 3)), np.zeros((2, 4)), 1, "4 numbers each, the queries 3"),
        (np.zeros((0, 3)), np.zeros((2, 3)), 1, "queries must have the shape"),
        (np.zeros((2, 3)), np.zeros(3), 1, "references must have the shape"),
    ],
)
def test_what_cannot_be_used_is_refused(queries, references, k, said):
    with pytest.raises(ValueError, match=said):
        nearest(queries, references, k)


@pytest.mark.parametrize("k", [1, 2, 3, 10])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_classifier_equals_scikit_learns(k, dtype):
    random = np.random.default_rng(k)
    X, X_test = (random.normal(size=(count, 6)).astype(dtype) for count in (120, 80))
    y = random.choice(["b", "a", "d", "c"], 120)
    ours = NearestNeighbours(k).fit(X, y)
    theirs = KNeighborsClassifier(k).fit(X, y)
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    np.testing.assert_allclose(ours.predict_proba(X_test), theirs.predict_proba(X_test))
    np.testing.assert_array_equal(ours.predict(X_test), theirs.predict(X_test))


def test_of_classes_with_as_many_votes_the_first_wins():
    X, y = np.array([[0.0], [1.0], [3.0], [4.0]]), np.array([2, 1, 1, 2])
    assert list(NearestNeighbours(2).fit(X, y).predict(np.array([[0.4], [3.4]]))) == [1, 1]
    assert list(NearestNeighbours(1).fit(X, y).predict(np.array([[0.4], [3.4]]))) == [2, 1]


def test_tensors_of_half_precision():
    X = torch.randn(40, 5, generator=torch.Generator().manual_seed(0)).bfloat16()
    y = torch.arange(40) % 3
    expected = KNeighborsClassifier(3).fit(X.double().numpy(), y.numpy()).predict(X.double().numpy())
    np.testing.assert_array_equal(NearestNeighbours(3).fit(X, y).predict(X), expected)


@pytest.mark.parametrize("k", [0, 5, 2.0, True])
def test_k_must_fit_the_training_set(k):
    with pytest.raises(ValueError, match="from 1 to the 4 rows"):
        NearestNeighbours(k).fit(np.eye(4), [0, 1, 0, 1])
