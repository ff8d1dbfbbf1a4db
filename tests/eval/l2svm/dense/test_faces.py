"""Columns side by side on a Gram matrix with outstanding directions, against exact steps."""

import numpy as np
import pytest
import torch

from dcgan_features.eval import L2SVMCV
from dcgan_features.eval.l2svm.dense import faces, prepared
from dcgan_features.eval.l2svm.dense import solver as dense
from dcgan_features.eval.l2svm.dense.pivoting import Best, minimise
from dcgan_features.eval.l2svm.dense.systems import GramSystem, Work


def correlated(rows, dimensions, columns):
    """Features whose energy decays from direction to direction and has a common mean, and noisy targets."""
    generator = np.random.default_rng(3)
    latent = generator.normal(size=(rows, 60)) / np.sqrt(1 + np.arange(60))
    X = latent @ generator.normal(size=(60, dimensions)) + 0.3 * generator.normal(size=(rows, dimensions)) + 1
    scores = latent @ generator.normal(size=(60, columns))
    return X, np.where((scores + 0.5 * generator.normal(size=scores.shape)).T > 0, 1.0, -1.0)


def system_of(X, dtype):
    gram = (X @ X.T + 1).astype(dtype)
    return GramSystem(gram, float(gram.trace(dtype=np.float64)))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("dtype", "bfloat16", "tol"), [("f4", True, 1e-4), ("f4", False, 1e-4), ("f8", True, 1e-8)])
def test_columns_come_to_their_minima_without_an_exact_step(dtype, bfloat16, tol, weighted, monkeypatch):
    monkeypatch.setattr(faces, "fast_bfloat16", lambda: bfloat16)
    X, t = correlated(400, 500, 5)
    t[1, ::5] = 0
    t[2, :] = np.abs(t[2, :])  # one class only
    system = system_of(X, dtype)
    near = faces.Directions(system)
    assert (near._rounded is not None) == (bfloat16 and dtype == "f4")
    assert 8 < near.places.shape[1] <= faces.DIRECTIONS
    m = np.random.default_rng(4).random(t.shape) + 0.5 if weighted else None
    threads = torch.get_num_threads()
    last = None
    for C in (near.reach / 200, near.reach / 8):
        states = faces.begin(system, near, t, m, C, tol, last)
        for column, state in enumerate(states):
            weights = None if m is None else m[column]
            best, work, exact = Best(t[column], C, weights), Work(), Best(t[column], C, weights)
            assert minimise(system, best, tol, 100, state, work).within(tol)
            assert work.steps == 0
            assert not state.point[t[column] == 0].any()
            assert minimise(system_of(X, "f8"), exact, 1e-10, 100, None, Work()).within(1e-10)
            assert best.objective <= (1 + 1.5 * tol) * exact.objective
        last = np.stack([state.point for state in states])
    assert torch.get_num_threads() == threads


def test_the_directions_are_those_of_largest_energy():
    X, _ = correlated(300, 400, 1)
    system = system_of(X, "f8")
    near = faces.Directions(system)
    values = np.linalg.eigvalsh(system.gram)[::-1]
    rank = near.places.shape[1]
    assert np.linalg.norm(system.gram - near.places @ near.places.T, 2) < 1.2 * values[rank]
    found = np.linalg.eigvalsh(near.places.T @ near.places)[::-1]
    np.testing.assert_allclose(found[:8], values[:8], rtol=0.02)
    assert near.rest == pytest.approx(values[rank:].sum() / 300, rel=0.1)
    assert near.reach == pytest.approx(faces._CONDITION / 2 / values[rank], rel=0.2)


def test_what_cannot_be_solved_is_left_to_the_exact_steps():
    X, t = correlated(400, 500, 2)
    with np.errstate(over="ignore"):
        system = system_of(X * 1e18, "f4")
    near = faces.Directions(system_of(X, "f4"))
    with np.errstate(all="raise"):
        states = faces.begin(system, near, t, None, near.reach, 1e-4)
    assert len(states) == 2


@pytest.mark.parametrize("weighted", [False, True])
def test_a_path_of_many_columns_is_that_of_each_alone(weighted, monkeypatch):
    X, t = correlated(700, 800, 6)
    m = np.random.default_rng(5).random(t.shape) + 0.5 if weighted else None
    features = torch.from_numpy(X.astype(np.float32))
    Cs = [1e-6, 1e-5, 1e-3, 0.1, 10.0]
    alone = dense.Dense(features, True).path(Cs, t, 1e-4, 100, m=m, decide=True)
    monkeypatch.setattr(prepared, "MANY", 1)
    begun = []

    def begin(system, near, t, m, C, tol, last=None):
        begun.append((C, last is not None))
        return genuine(system, near, t, m, C, tol, last)

    genuine = faces.begin
    monkeypatch.setattr(faces, "begin", begin)
    many = dense.Dense(features, True)
    found = many.path(Cs, t, 1e-4, 100, m=m, decide=True)
    reach = many.prepared._directions[np.float32].reach
    assert sorted(set(begun)) == [(C, place > 0) for place, C in enumerate(Cs) if reach >= C]
    assert 1 < len(set(begun)) < len(Cs)
    for C in Cs:
        assert found[C].converged
        assert (found[C].gap <= 1e-4 * found[C].objective).all()
        np.testing.assert_allclose(found[C].objective, alone[C].objective, rtol=1e-4)
        np.testing.assert_allclose(np.asarray(found[C].decision), np.asarray(alone[C].decision), atol=0.1)


def test_folds_choose_as_exact_steps_do(monkeypatch):
    X, t = correlated(800, 1000, 5)
    y = (t[0] > 0) + 2 * (t[1] > 0) + 4 * (t[2] > 0)
    Cs = (1e-5, 1e-4, 1e-3)
    exact = L2SVMCV(Cs, tol=1e-4).fit(X.astype(np.float32), y)
    monkeypatch.setattr(prepared, "MANY", 1)
    side = L2SVMCV(Cs, tol=1e-4).fit(X.astype(np.float32), y)
    assert side.C_ == exact.C_
    np.testing.assert_allclose(list(side.scores_.values()), list(exact.scores_.values()), atol=0.5)
    np.testing.assert_allclose(side.coef_, exact.coef_, atol=1e-2 * np.abs(exact.coef_).max())


def test_many_columns_of_fewer_features_than_rows_go_by_the_gram_matrix(monkeypatch):
    X, t = correlated(1500, 750, 4)
    features = torch.from_numpy(X.astype(np.float32))
    Cs = [1e-5, 1e-4, 1e-3]
    few = dense.Dense(features, True)
    alone = few.path(Cs, t, 1e-4, 100, decide=True)
    assert not few.by_gram
    assert few._other is None
    monkeypatch.setattr(prepared, "MANY", 1)
    many = dense.Dense(features, True)
    found = many.path(Cs, t, 1e-4, 100, decide=True)
    assert many._other is not None
    assert many._other.prepared._directions
    for C in Cs:
        assert found[C].converged
        np.testing.assert_allclose(found[C].objective, alone[C].objective, rtol=1e-4)
        np.testing.assert_allclose(np.asarray(found[C].decision), np.asarray(alone[C].decision), atol=0.1)
        np.testing.assert_allclose(found[C].weights, alone[C].weights, atol=0.02 * np.abs(alone[C].weights).max())
    none = dense.Dense(torch.from_numpy(X[:, :500].astype(np.float32)), True)
    none.path(Cs[:1], t, 1e-4, 100)
    assert none._other is None
    hard = dense.Dense(features, True)
    hard.path([0.6 * dense.HARD / hard.prepared.largest], t, 1e-3, 300)
    assert hard._other is None  # badly scaled for their C: in weights, however many columns
    tall = dense.Dense(torch.from_numpy(np.concatenate([X, X], 1)[:, :1200].astype(np.float32)), True)
    assert tall.by_gram
    tall.path([0.6 * dense.HARD / tall.prepared.largest], t, 1e-3, 300)
    assert tall._other is not None
    assert tall._other._other is None
