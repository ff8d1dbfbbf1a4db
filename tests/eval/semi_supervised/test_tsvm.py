"""The transductive machine against exhaustive labelling, scipy's optimiser, finite differences and the exact kernel."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import approx_fprime, minimize
from sklearn.datasets import make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import rbf_kernel

from dcgan_features.eval.semi_supervised.nystroem import GaussianMap, choose_gamma
from dcgan_features.eval.semi_supervised.tsvm import TSVM, SmoothLoss


def objective(weights, intercept, X, targets, regularisation, weight, balance_weight=0.0, share=0.5):
    """The objective of one column as the class's docstring states it; `targets` are 0 where there is no label."""
    values, free = X @ weights + intercept, targets == 0
    hinge = np.logaddexp(0, 20 * (1 - targets * values))[~free].mean() / 20
    total = hinge + regularisation * weights @ weights
    if free.any():
        total += weight * np.exp(-3 * values[free] ** 2).mean()
        total += balance_weight * (np.tanh(2 * values[free]).mean() - (2 * share - 1)) ** 2
    return total


def constrained(weights, X, targets, *arguments, share=0.5):
    """The same with the intercept that gives unlabelled rows, or all, the mean 2 p - 1."""
    free = targets == 0
    centre = X[free].mean(0) if free.any() else X.mean(0)
    return objective(weights, 2 * share - 1 - centre @ weights, X, targets, *arguments)


def ten_points(seed):
    """Two clouds of five, two labels in each: y in {0, 1, -1}."""
    random = np.random.default_rng(seed)
    clouds = [random.normal([centre, 0], [0.6, 1.5], (5, 2)) for centre in (-1.5, 1.5)]
    y = np.array([0, 0, -1, -1, -1, 1, 1, -1, -1, -1])
    return np.concatenate(clouds).astype(np.float32), y


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("balance_weight", [None, 1.0])
def test_ten_points_against_every_labelling(seed, balance_weight):
    X, y = ten_points(seed)
    targets, exact = np.array([0, -1, 1])[y + 1], X.astype(float)

    def goal(vector):
        if balance_weight is None:
            return constrained(vector[:2], exact, targets, 0.01, 1.0)
        return objective(vector[:2], vector[2], exact, targets, 0.01, 1.0, balance_weight)

    found = []
    for signs in product([-1, 1], repeat=6):
        full = targets.copy()
        full[targets == 0] = signs
        start = minimize(lambda v, full=full: objective(v[:2], v[2], exact, full, 0.01, 0), np.zeros(3)).x
        found.append(minimize(goal, start))
    best = min(found, key=lambda result: result.fun)
    assert max(result.fun for result in found) > 1.2 * best.fun  # there are poor local minima, too
    machine = TSVM(0.01, balance_weight=balance_weight, balance="uniform", tol=1e-5).fit(X, y)
    reached = goal(np.append(machine.coef_[0], machine.intercept_))
    assert machine.objective_[0] == pytest.approx(reached, rel=1e-5)
    assert reached == pytest.approx(best.fun, rel=1e-3)
    intercept = -exact[targets == 0].mean(0) @ best.x[:2] if balance_weight is None else best.x[2]
    np.testing.assert_array_equal(machine.predict(X) == 1, exact @ best.x[:2] + intercept > 0)


@pytest.mark.parametrize("pull", [0.0, 0.7])
def test_derivatives_equal_finite_differences(pull):
    random = np.random.default_rng(0)
    targets = torch.from_numpy(random.choice([-1.0, 1.0], (4, 3)))
    loss = SmoothLoss(targets, 0.8, torch.tensor([-0.8, 0.0, 0.3], dtype=torch.float64), pull)
    decision = random.normal(size=(11, 3))
    value, slopes = loss(torch.from_numpy(decision))
    for column in range(3):

        def one(values, column=column):
            changed = decision.copy()
            changed[:, column] = values
            return loss(torch.from_numpy(changed))[0][column].item()

        assert value[column].item() == pytest.approx(one(decision[:, column]))
        np.testing.assert_allclose(slopes[:, column], approx_fprime(decision[:, column], one, 1e-7), atol=1e-6)


def clouds(rows, classes, labelled, seed=0, spread=1.0):
    random = np.random.default_rng(seed)
    truth = np.arange(rows) % classes
    X = (random.normal(size=(classes, 6)) * 2)[truth] + random.normal(size=(rows, 6)) * spread
    y = np.where(np.arange(rows) < labelled, truth, -1)
    return X.astype(np.float32), y, truth


@pytest.mark.parametrize("balance_weight", [None, 0.0])
def test_without_unlabelled_rows_it_is_the_supervised_optimum(balance_weight):
    X, y, _ = clouds(60, 3, 60, spread=2.0)
    exact = X.astype(float)
    machine = TSVM(0.01, balance_weight=balance_weight, tol=1e-6, max_iter=500).fit(X, y)
    for label in range(3):
        targets = np.where(y == label, 1, -1)
        if balance_weight is None:
            found = minimize(lambda w, t=targets: constrained(w, exact, t, 0.01, 0, share=1 / 3), np.zeros(6), tol=1e-9)
        else:
            found = minimize(lambda v, t=targets: objective(v[:6], v[6], exact, t, 0.01, 0), np.zeros(7), tol=1e-9)
            assert machine.intercept_[label] == pytest.approx(found.x[6], abs=1e-3)
        assert machine.objective_[label] == pytest.approx(found.fun, rel=1e-5)
        np.testing.assert_allclose(machine.coef_[label], found.x[:6], atol=2e-3)


def test_the_mean_of_decision_values_is_held():
    X, y, _ = clouds(120, 3, 30)
    values = TSVM(0.01, balance_weight=None, balance=(0.2, 0.5, 0.3)).fit(X, y).decision_function(X[y == -1])
    np.testing.assert_allclose(values.mean(0), [-0.6, 0.0, -0.4], atol=1e-5)


def test_a_heavy_balance_weight_brings_the_expected_share_to_one_side():
    X, y, truth = clouds(400, 2, 20, spread=3.0)
    keep = (truth == 0) | (np.arange(400) % 4 == 1) | (y >= 0)
    X, y = X[keep], y[keep]
    share = (truth[keep][y == -1] == 1).mean()
    machine = TSVM(0.01, balance=(1 - share, share), balance_weight=100.0).fit(X, y)
    sides = np.tanh(2 * machine.decision_function(X[y == -1]))
    assert sides.mean() == pytest.approx(2 * share - 1, abs=0.02)
    uniform = TSVM(0.01, balance="uniform", balance_weight=100.0).fit(X, y)
    assert np.tanh(2 * uniform.decision_function(X[y == -1])).mean() == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_all_classes_at_once_equal_one_class_at_a_time(kernel):
    X, y, _ = clouds(150, 4, 40)
    settings = {"kernel": kernel, "n_components": 50, "balance_weight": 1.0, "tol": 1e-4}
    together = TSVM(0.01, **settings).fit(X, y)
    for label in range(4):
        one = np.where(y == -1, -1, (y == label).astype(int))
        alone = TSVM(0.01, **settings).fit(X, one)
        np.testing.assert_allclose(alone.objective_[0], together.objective_[label], rtol=1e-4)
        np.testing.assert_allclose(alone.coef_[0], together.coef_[label], atol=0.02 * np.abs(together.coef_).max())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("balance_weight", [None, 1.0])
def test_two_moons_with_few_labels(seed, balance_weight):
    X, truth = make_moons(300, noise=0.08, random_state=seed)
    y = np.full(300, -1)
    for label in (0, 1):
        y[np.flatnonzero(truth == label)[:3]] = label
    settings = {"kernel": "rbf", "gamma": 10.0, "n_components": 100, "balance_weight": balance_weight}
    supervised = TSVM(0.01, 0.0, **settings).fit(X, y)
    transductive = TSVM(0.01, 1.0, **settings).fit(X, y)
    assert (supervised.predict(X) == truth).mean() < 0.88
    assert (transductive.predict(X) == truth).mean() > 0.99


def test_the_gaussian_map_with_all_rows_is_the_kernel():
    X = np.random.default_rng(0).normal(size=(60, 4))
    X[7] = X[3]  # a row twice: one direction fewer
    mapped = GaussianMap(torch.from_numpy(X), 0.3)
    features = mapped(torch.from_numpy(X))
    assert mapped.dimensions < 60
    np.testing.assert_allclose(features @ features.T, rbf_kernel(X, gamma=0.3), atol=1e-5)
    some = GaussianMap(torch.from_numpy(X[:20]), 0.3)(torch.from_numpy(X))
    np.testing.assert_allclose(some[:20] @ some.T, rbf_kernel(X[:20], X, gamma=0.3), atol=1e-5)


def test_heuristics_for_gamma():
    X = np.random.default_rng(0).normal(size=(50, 4)) * 3
    squares = ((X[:, None] - X[None]) ** 2).sum(2)[np.triu_indices(50, 1)]
    rows, random = torch.from_numpy(X), np.random.RandomState(0)
    assert choose_gamma("scale", rows, random) == pytest.approx(1 / (4 * X.var()))
    assert choose_gamma("median", rows, random) == pytest.approx(1 / np.median(squares), rel=0.02)
    assert choose_gamma(0.25, rows, random) == 0.25
    assert choose_gamma("median", torch.ones(5, 2), random) == 1.0


def test_seeds_and_half_precision():
    X, y, _ = clouds(80, 3, 20)
    settings: dict[str, Any] = {"kernel": "rbf", "n_components": 15, "max_iter": 50}
    first, again, other = (TSVM(random_state=seed, **settings).fit(X, y).decision_function(X) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3
    half = torch.from_numpy(X).bfloat16()
    np.testing.assert_array_equal(TSVM(0.01).fit(half, y).predict(half), TSVM(0.01).fit(half.float(), y).predict(half))


def test_labels_of_any_kind_and_the_order_of_rows():
    X, y, truth = clouds(90, 3, 30)
    names = np.array(["a", "b", "c"])[truth]
    assert set(TSVM(0.01).fit(X, names).predict(X)) == {"a", "b", "c"}
    order = np.random.default_rng(0).permutation(90)
    # To a fine tolerance, since where a coarse one is met depends on rounding, too, which differs between machines.
    shuffled = TSVM(0.01, tol=1e-6).fit(X[order], y[order]).decision_function(X)
    np.testing.assert_allclose(shuffled, TSVM(0.01, tol=1e-6).fit(X, y).decision_function(X), atol=0.05)


def test_a_machine_cut_short_says_so():
    X, y, _ = clouds(90, 3, 30)
    with pytest.warns(ConvergenceWarning, match="after 1 iterations"):
        TSVM(1e-4, max_iter=1).fit(X, y)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"regularisation": 0}, "regularisation"),
        ({"unlabelled_weight": -1}, "unlabelled_weight"),
        ({"balance_weight": -1}, "balance_weight"),
        ({"kernel": "cubic"}, "kernel='cubic'"),
        ({"gamma": "large"}, "gamma='large'"),
        ({"n_components": 0}, "n_components=0"),
        ({"balance": "guess"}, "balance='guess'"),
        ({"balance": (0.5, 0.6)}, "2 numbers above 0"),
        ({"annealing": (0, 0.5)}, "annealing"),
        ({"max_iter": 0}, "max_iter=0"),
    ],
)
def test_what_cannot_be_used_is_refused(settings, said):
    X, y, _ = clouds(20, 2, 10)
    with pytest.raises(ValueError, match=said):
        TSVM(**settings).fit(X, y)
