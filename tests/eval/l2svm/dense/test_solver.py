"""The dense solver's parts against NumPy, and its precision, weights and ways against each other."""

import multiprocessing
import threading
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_info

from dcgan_features.eval import L2SVM
from dcgan_features.eval.l2svm import matrices
from dcgan_features.eval.l2svm.dense import beginning, lapack, prepared, systems
from dcgan_features.eval.l2svm.dense import solver as dense
from dcgan_features.eval.l2svm.dense.pivoting import Best, minimise, shortened_steps
from dcgan_features.eval.l2svm.dense.solver import Dense
from dcgan_features.eval.l2svm.dense.systems import GramSystem, LeastSquares, System, WeightSystem, Work
from dcgan_features.eval.l2svm.threads import as_tasks, single_threaded_blas

RNG = np.random.default_rng(0)


def problem(rows, dimensions, classes=3):
    generator = np.random.default_rng(1)
    X = generator.normal(size=(rows, dimensions)) + 0.5
    y = generator.integers(0, classes, rows)
    y[:classes] = np.arange(classes)
    return X, y


def targets(y):
    return np.where(y == np.unique(y)[:, None], 1.0, -1.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_factors_solutions_and_squares_are_numpys(dtype):
    rows = RNG.normal(size=(30, 12)).astype(dtype)
    square = np.zeros((12, 12), dtype)
    lapack.add_square(square, rows, 1.0)
    lapack.add_square(square, rows[:3], -1.0)
    expected = rows[3:].T @ rows[3:]
    np.testing.assert_allclose(np.tril(square), np.tril(expected), atol=1e-4)
    right = RNG.normal(size=(2, 12)).astype(dtype)
    solution = right.copy()
    assert lapack.cholesky(square)
    lapack.cholesky_solve(square, solution)
    np.testing.assert_allclose(
        solution, np.linalg.solve(expected, right.T).T, rtol=1e-2 if dtype == np.float32 else 1e-9
    )
    assert not lapack.cholesky(-np.eye(3, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("intercept", [True, False])
def test_products_of_whole_matrices(dtype, intercept, monkeypatch):
    monkeypatch.setattr(matrices, "_CONVERTED", 1 << 12)  # several parts
    monkeypatch.setattr(matrices, "_COLUMNS", 100)
    features = torch.randn(300, 700, generator=torch.Generator().manual_seed(0)).to(dtype)
    X = features.double().numpy()
    gram = matrices.gram_matrix(features, intercept, np.float64)
    np.testing.assert_allclose(gram, X @ X.T + intercept)
    np.testing.assert_array_equal(gram, gram.T)
    b = RNG.normal(size=(2, 300))
    weights, decision = matrices.combined(features, intercept, b, True)
    assert decision is not None
    np.testing.assert_allclose(weights, np.c_[b @ X, b.sum(1) * intercept], atol=1e-9)
    np.testing.assert_allclose(decision, b @ (X @ X.T + intercept), atol=1e-7)
    np.testing.assert_array_equal(matrices.converted(features, np.float64, intercept)[:, :700], X)


@pytest.mark.parametrize("by_gram", [True, False])
def test_descent_comes_near_the_minimum_of_features_with_a_common_mean(by_gram):
    X, y = problem(700, 900 if by_gram else 300)
    X += 3
    t, C = targets(y), 1e-4
    system: Any
    if by_gram:
        system = GramSystem(X @ X.T, float((X**2).sum()))
    else:
        system = WeightSystem(X, float((X**2).sum()), float((X**2).sum(1).max()))
    states = beginning.begin(system, beginning.Deflation(system), t, None, C, 1e-4)
    for target, state in zip(t, states, strict=True):
        best, exact = Best(target, C), Best(target, C)
        best.offer(system, state)
        f = state.point @ system.gram if by_gram else X @ state.point
        np.testing.assert_allclose(state.f, f, atol=1e-8)
        assert minimise(system, exact, 1e-10, 100, None, Work()).within(1e-10)
        assert best.objective <= 1.01 * exact.objective


@pytest.mark.parametrize("by_gram", [True, False])
@pytest.mark.parametrize("C", [1e-3, 10.0])
def test_features_without_outstanding_directions_are_descended_on_as_they_are(by_gram, C):
    X = np.random.default_rng(2).normal(size=(300, 320 if by_gram else 120))
    t = np.where(X[:, :2].T + X[:, 2] > 0, 1.0, -1.0)
    energy = float((X**2).sum())
    system: Any = GramSystem(X @ X.T, energy) if by_gram else WeightSystem(X, energy, float((X**2).sum(1).max()))
    deflation = beginning.Deflation(system)
    assert deflation.places.shape == (300, 0)
    for target, state in zip(t, beginning.begin(system, deflation, t, None, C, 1e-4), strict=True):
        best = Best(target, C)
        assert minimise(system, best, 1e-9, 100, None, Work()).within(1e-9)
        assert best.state is not None
        wrong = state.inside != (target * best.state.f < 1)
        assert wrong.mean() < 0.1


@pytest.mark.parametrize("C", [1e-3, 0.1, 100.0])
def test_conjugate_steps_come_to_the_minimum_without_an_exact_step(C):
    X = np.random.default_rng(3).normal(size=(300, 500))
    t = np.where(X[:, :2].T + X[:, 2] > 0, 1.0, -1.0)
    t[1, ::7] = 0
    m = np.random.default_rng(4).random(t.shape) + 0.5
    system = GramSystem(X @ X.T, float((X**2).sum()))
    deflation = beginning.Deflation(system)
    assert deflation.places.shape == (300, 0)
    for target, weights, state in zip(t, m, beginning.begin(system, deflation, t, m, C, 1e-6), strict=True):
        best, work = Best(target, C, weights), Work()
        assert minimise(system, best, 1e-6, 100, state, work).within(1e-6)
        assert work.steps == 0
        np.testing.assert_allclose(state.f, system.gram @ state.point, atol=1e-8)
        assert not state.point[target == 0].any()


@pytest.mark.parametrize("bfloat16", [False, True])
def test_directions_may_be_multiplied_in_bfloat16(bfloat16, monkeypatch):
    monkeypatch.setattr(systems, "fast_bfloat16", lambda: bfloat16)
    X = np.random.default_rng(5).normal(size=(400, 450)).astype(np.float32)
    t = np.where(X[:, :2].T + X[:, 2] > 0, 1.0, -1.0)
    system = GramSystem(X @ X.T, float((X**2).sum()))
    v = np.random.default_rng(6).normal(size=(2, 400)).astype(np.float32)
    exact = v.astype(np.float64) @ system.gram
    error = np.abs(system.rough_products(v) - exact).max() / np.abs(exact).max()
    assert (1e-4 < error < 1e-2) if bfloat16 else error < 1e-5
    assert system.rough_products(v).dtype == np.float32
    before = torch.get_num_threads()
    for target, state in zip(t, beginning.begin(system, beginning.Deflation(system), t, None, 1.0, 1e-4), strict=True):
        best, work = Best(target, 1.0), Work()
        assert minimise(system, best, 1e-4, 100, state, work).within(1e-4)
        assert work.steps == 0  # what is rounded only shows the way: no exact step makes up for it
        np.testing.assert_allclose(state.f, system.gram @ state.point, atol=1e-3)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("weighted", [False, True])
def test_a_path_goes_from_the_coefficients_of_one_c_to_the_next(weighted, monkeypatch):
    generator = np.random.default_rng(8)
    X = generator.normal(size=(640, 700)).astype(np.float32)
    t = np.where(X[:, :3].T + X[:, 3] + generator.normal(size=640) > 0, 1.0, -1.0)
    t[1, ::5] = 0
    m = generator.random(t.shape) + 0.5 if weighted else None
    Cs = [1e-4, 1e-3, 0.1, 100.0]
    begun = []

    def begin(system, deflation, t, m, C, tol, last=None):
        begun.append((C, last is not None))
        return beginning.begin(system, deflation, t, m, C, tol, last)

    monkeypatch.setattr(dense, "begin", begin)
    path = dense.Dense(torch.from_numpy(X), True).path(Cs, t, 1e-4, 100, m=m)
    assert begun == [(1e-4, False), (1e-3, True), (0.1, True), (100.0, True)]
    for C in Cs:
        alone = dense.Dense(torch.from_numpy(X), True).path([C], t, 1e-4, 100, m=m)[C]
        assert path[C].converged
        assert alone.converged
        np.testing.assert_allclose(path[C].objective, alone.objective, rtol=1e-4)
        assert (path[C].gap <= 1e-4 * path[C].objective).all()
        far = np.linalg.norm(path[C].weights - alone.weights) / np.linalg.norm(alone.weights)
        assert far < 0.02


def test_what_the_gram_matrix_rounds_is_undone_without_another_in_float64(monkeypatch):
    generator = np.random.default_rng(3)
    X = (generator.normal(size=(700, 800)) + 10).astype(np.float32)
    t = np.where(X[:, :2].T - 10 + 0.5 * generator.normal(size=(2, 700)) > 0, 1.0, -1.0)
    t[1, ::5] = 0
    exact = dense.Dense(torch.from_numpy(X.astype(np.float64)), True).path([1.0], t, 1e-9, 100)[1.0]
    corrected, again, missed = dense.Dense._corrected, dense.Dense._again, []

    def refuse(self, columns, **settings):
        raise AssertionError

    def counted(self, columns, **settings):
        missed.append(len(columns))
        corrected(self, columns, **settings)

    monkeypatch.setattr(dense.Dense, "_again", refuse)
    monkeypatch.setattr(dense.Dense, "_corrected", counted)
    found = dense.Dense(torch.from_numpy(X), True).path([1.0], t, 1e-5, 100)[1.0]
    assert missed == [2]
    assert found.converged
    np.testing.assert_allclose(found.objective, exact.objective, rtol=1e-5)
    np.testing.assert_allclose(found.weights, exact.weights, atol=0.01 * np.abs(exact.weights).max())

    monkeypatch.setattr(dense.Dense, "_again", again)
    assert dense.Dense(torch.from_numpy(X), True).path([1.0], t, 1e-5, 1)[1.0].steps == 1
    monkeypatch.setattr(dense.Dense, "_corrected", lambda self, columns, **settings: None)
    assert dense.Dense(torch.from_numpy(X), True).path([1.0], t, 1e-5, 100)[1.0].converged


def test_a_large_c_begins_with_the_rows_of_a_smaller_one():
    X, y = problem(700, 900)
    X += 3
    t = targets(y)
    gram = X @ X.T
    system = GramSystem(gram, float(gram.trace()))
    deflation = beginning.Deflation(system)
    assert len(deflation.basis)
    states = {C: beginning.begin(system, deflation, t, None, C, 1e-4) for C in (1.0, 100.0)}
    for one, other in zip(*states.values(), strict=True):
        np.testing.assert_array_equal(one.point, other.point)


def test_the_three_systems_have_one_minimum_with_weights_too():
    X, y = problem(60, 25, 2)
    t, m, C = targets(y)[0], RNG.random(60) + 0.1, 3.0
    energy, largest = float((X**2).sum()), float((X**2).sum(1).max())
    made: list[System] = [
        GramSystem(X @ X.T, energy),
        WeightSystem(X, energy, largest),
        LeastSquares(X, energy, largest),
    ]
    found = [minimise(system, Best(t, C, m), 1e-11, 200, None, Work()) for system in made]
    assert all(best.within(1e-11) for best in found)
    np.testing.assert_allclose([best.objective for best in found], found[0].objective, rtol=1e-9)
    shortened = Best(t, C, m)
    shortened_steps(made[1], shortened, made[1].zero(), 1e-11, 200, Work())
    assert shortened.objective == pytest.approx(found[0].objective, rel=1e-9)


def test_rows_added_and_taken_away_give_the_matrix_of_the_rows():
    X, _ = problem(80, 10)
    system, work = WeightSystem(X.astype(np.float32), 1.0, 1.0), Work()
    for _ in range(6):
        inside = RNG.random(80) < RNG.random()
        square = system._square(inside, None, work)
        np.testing.assert_allclose(np.tril(square), np.tril(X[inside].T @ X[inside]), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [(90, 12), (40, 120)])
def test_weights_of_rows_and_classes_are_linearsvcs(shape):
    X, y = problem(*shape)
    weight = RNG.integers(0, 4, len(y)).astype(float)
    by_class = {0: 2.0, 1: 0.5, 2: 1.0}
    ours = L2SVM(0.2, tol=1e-9, class_weight=by_class).fit(X, y, weight)
    theirs = LinearSVC(C=0.2, tol=1e-10, max_iter=1_000_000, class_weight=by_class).fit(X, y, weight)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-3 * np.abs(theirs.coef_).max())
    svc = ours.to_linear_svc()
    np.testing.assert_allclose(svc.decision_function(X), ours.decision_function(X), atol=1e-9)


@pytest.mark.parametrize("shape", [(800, 900), (900, 200)])
def test_without_numba_the_solution_is_the_same(shape, monkeypatch):
    X, y = problem(*shape)
    with_it = L2SVM(0.01, tol=1e-9).fit(X, y)
    for module in (systems, prepared):
        monkeypatch.setattr(module, "compiled", lambda rows: None)
    np.testing.assert_allclose(L2SVM(0.01, tol=1e-9).fit(X, y).coef_, with_it.coef_, atol=1e-6)


def test_scales_at_which_the_hessian_has_no_digits():
    generator = np.random.default_rng(1)
    X = generator.uniform(0, 65_535, (2_000, 100))
    y = (X[:, 0] + 2e4 * generator.normal(size=2_000) > 32_000).astype(int)
    huge = generator.normal(size=(300, 40)) * 1e6
    for features, labels, C in ((X, y, 100.0), (huge, (huge[:, 0] > 0).astype(int), 1.0)):
        ours = L2SVM(C, tol=1e-6).fit(features, labels)
        assert (ours.duality_gap_ <= 1e-6 * ours.objective_).all()


def fit_in_child(queue):
    X, y = problem(800, 900)
    queue.put(L2SVM(0.01).fit(X, y).coef_)


def test_a_fit_in_a_forked_child_ends():
    X, y = problem(800, 900)
    expected = L2SVM(0.01).fit(X, y).coef_
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    with single_threaded_blas():  # as if another thread were computing while the process forks
        child = context.Process(target=fit_in_child, args=(queue,))
        child.start()
    np.testing.assert_allclose(queue.get(timeout=300), expected, atol=1e-6)
    child.join(60)
    assert child.exitcode == 0


def test_threads_that_fit_at_once_leave_blas_as_it_was():
    before = [each["num_threads"] for each in threadpool_info()]
    X, y = problem(200, 30)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(L2SVM(0.1).fit(X, y).coef_)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(each, answers[0]) for each in answers)
    assert [each["num_threads"] for each in threadpool_info()] == before
    assert as_tasks([3, 1, 2], lambda part: 2 * part) == [6, 2, 4]


def test_what_is_no_device_or_no_float32_default_changes_nothing():
    X, y = problem(60, 10)
    plain = L2SVM(0.1).fit(X.astype(np.float32), y).coef_
    torch.set_default_dtype(torch.float64)
    try:
        again = L2SVM(0.1).fit(X.astype(np.float32), y).coef_
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_array_equal(plain, again)
    for device in ("cuba", "mps:7"):
        with pytest.raises(ValueError, match="device"):
            L2SVM(device=device).fit(X, y)


def test_which_problems_are_dense():
    assert Dense.fits(4_000, 30_000)
    assert Dense.fits(50_000, 2_048)
    assert not Dense.fits(50_000, 28_672)


@pytest.mark.parametrize(
    ("rows", "dimensions", "by_gram"),
    [(500, 500, True), (500, 400, False), (800, 500, True), (800, 400, False), (9000, 9000, False), (5000, 4500, True)],
)
def test_somewhat_more_rows_than_features_are_solved_by_the_gram_matrix(rows, dimensions, by_gram):
    solved = Dense(torch.zeros(rows, dimensions), True)
    assert solved.by_gram == by_gram
    assert Dense.fits(rows, dimensions) == (rows < 9000)
    assert not Dense.fits(prepared.GRAM_ROWS + 1, prepared.WEIGHTS + 1)


@pytest.mark.parametrize("C", [1e-4, 1e-2, 10.0])
def test_the_gram_matrix_of_more_rows_than_features_has_the_same_minimum(C):
    X, y = problem(800, 500)
    X = (X + 2).astype(np.float32)
    t = targets(y)
    by_rows = Dense(torch.from_numpy(X), True).path([C], t, 1e-5, 200)[C]
    by_weights = Dense(torch.from_numpy(X), True, by_gram=False).path([C], t, 1e-5, 200)[C]
    assert by_rows.converged
    assert by_weights.converged
    np.testing.assert_allclose(by_rows.objective, by_weights.objective, rtol=1e-5)
    np.testing.assert_allclose(by_rows.weights, by_weights.weights, atol=0.01 * np.abs(by_weights.weights).max())


def test_badly_scaled_rows_are_not_solved_by_the_gram_matrix_where_they_are_more_than_the_features():
    X, y = problem(800, 500)
    t, features = targets(y), torch.from_numpy(X.astype(np.float32))
    solved = Dense(features, True)
    largest = float((X**2).sum(1).max())
    assert solved.prepared.largest == pytest.approx(largest, rel=1e-5)
    assert solved.path([0.4 * dense.HARD / largest], t, 1e-3, 100)
    assert solved._other is None
    found = solved.path([0.6 * dense.HARD / largest], t, 1e-3, 200)
    assert solved._other is not None
    assert not solved._other.by_gram
    assert all(outcome.converged for outcome in found.values())
    low = Dense(features[:400], True)
    assert low.path([0.6 * dense.HARD / largest], t[:, :400], 1e-3, 200)
    assert low._other is None
