"""Rows held by several processes against the same rows in one."""

import itertools
import os
import signal
import warnings

import numpy as np
import pytest
from torch import distributed

from dcgan_features.data.utils.distributed import ProcessLost
from dcgan_features.eval import L2SVM, L2SVMCV
from dcgan_features.eval.l2svm import primal
from dcgan_features.eval.l2svm.dense.solver import Dense
from dcgan_features.eval.l2svm.primal import WeightSpace
from tests.processes import in_processes, results

CLASSES = ["ant", "bee", "cat", "dog"]
CS = (1e-3, 1e-2, 1e-1)
RANK = 10
PATIENT = 4  # features for which a conjugate step is waited
HELD = np.arange(3, 150, 4)


def problem(dimensions, rows=150):
    """Rows in the order of their classes, so that a process's rows lack some of them."""
    generator = np.random.default_rng(0)
    index = np.sort(generator.integers(0, len(CLASSES), rows))
    X = generator.normal(size=(rows, dimensions))
    X[:, : len(CLASSES)] += np.eye(len(CLASSES))[index]
    return X, np.array(CLASSES)[index]


def uneven(rows, count):
    """Rows of each process: the first has one row, the others ever more."""
    bounds = np.concatenate([[0, 1], np.linspace(1, rows**0.5, count)[1:] ** 2]).round().astype(int)
    return [slice(start, stop) for start, stop in itertools.pairwise(bounds)]


def fit(classifier, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = classifier.fit(X, y)
    learnt = (fitted.coef_, fitted.intercept_, fitted.objective_, fitted.duality_gap_)
    return fitted.classes_.tolist(), learnt, getattr(fitted, "scores_", None)


TASKS = {
    "more rows than features": (20, "float64", L2SVM(0.1, tol=1e-12)),
    "fewer, for which one process makes the Gram matrix": (400, "float64", L2SVM(0.1, tol=1e-12)),
    "single precision": (20, "float32", L2SVM(0.1)),
    "badly conditioned, the Hessian made": (20, "float64", L2SVM(1000.0, tol=1e-12)),
    "two classes, no intercept": (20, "float64", L2SVM(0.1, tol=1e-12, fit_intercept=False)),
    "C chosen by folds": (20, "float64", L2SVMCV(CS, tol=1e-12)),
    "C chosen on a holdout": (20, "float64", L2SVMCV(CS, holdout=HELD, tol=1e-12)),
}


def task(name):
    dimensions, dtype, classifier = TASKS[name]
    X, y = problem(dimensions)
    if name.startswith("two"):
        y = np.where(y == "dog", y, "ant")
    return X.astype(dtype), y, classifier


def solve(rank, count, names):
    answers, shapes = {}, []
    reduce = distributed.all_reduce

    def noted(tensor):
        shapes.append(tuple(tensor.shape))
        return reduce(tensor)

    distributed.all_reduce = noted  # type: ignore[assignment]
    for name in names:
        X, y, classifier = task(name)
        own = uneven(len(y), count)[rank]
        shapes.clear()
        solution = fit(classifier.set_params(sharded=True), X[own], y[own])
        exchanged = [shape for shape in shapes if shape[0] == X.shape[1] + 1 and shape[1] < RANK]
        made_exact = any(shape[-2:] == (X.shape[1] + 1,) * 2 for shape in shapes)
        assert made_exact or not name.startswith("badly")
        answers[name] = (*solution, len(exchanged), classifier.n_products_ + 0.5 * (classifier.n_iter_ + 1))
    return answers


@pytest.mark.parametrize(("count", "names"), [(2, list(TASKS)), (4, ["more rows than features"])])
def test_the_solution_is_that_of_one_process(count, names, monkeypatch):
    monkeypatch.setattr(primal, "WEIGHT_RANK", RANK)
    monkeypatch.setattr(primal, "FEATURES_A_STEP", PATIENT)
    monkeypatch.setattr(primal, "BLOCK_BYTES", 4096)  # several blocks in a process
    everyones = results(in_processes(count, solve, count, names))
    assert len(np.unique(problem(20)[1][uneven(150, count)[0]])) == 1
    for name in names:
        X, y, classifier = task(name)
        with monkeypatch.context() as context:
            if classifier.tol > 1e-6 or name.startswith(
                "C chosen"
            ):  # within so much another solution is another solver's
                context.setattr(Dense, "fits", staticmethod(lambda rows, dimensions: False))
            classes, alone, scores = fit(classifier.set_params(sharded=False), X, y)
        for answers in everyones:
            found_classes, found, found_scores, exchanged, passes = answers[name]
            assert found_classes == classes
            assert found_scores == pytest.approx(scores)
            np.testing.assert_allclose(found[0], alone[0], rtol=0, atol=1e-5 * np.abs(alone[0]).max(), err_msg=name)
            np.testing.assert_allclose(found[1], alone[1], rtol=0, atol=1e-5 * np.abs(alone[0]).max(), err_msg=name)
            np.testing.assert_allclose(found[2], alone[2], rtol=1e-5, err_msg=name)
            for theirs, first in zip(found, everyones[0][name][1], strict=True):
                np.testing.assert_array_equal(theirs, first, err_msg=name)
            if scores is None:
                assert exchanged == passes  # X w and X' u of one pass share an exchange, a gradient has its own


def refusals(rank):
    X, y = problem(20)
    own = uneven(len(y), 2)[rank]
    X, y = X[own], y[own]
    damaged = np.where((rank == 1) & (np.arange(len(X)) == 5)[:, None], np.nan, X)
    messages = []
    for bad in (
        (damaged, y),
        (X[:, : 19 + rank], y),
        (X, np.full(len(y), "ant")),
        (X[: len(X) * rank], y[: len(y) * rank]),
    ):
        with pytest.raises(ValueError, match=r"\w") as error:
            L2SVM(sharded=True).fit(*bad)
        messages.append(str(error.value))
    return messages


def test_what_one_process_cannot_use_all_refuse():
    first, second = results(in_processes(2, refusals))
    assert "NaN" in second[0]
    assert "NaN" in first[0]
    assert "(process 1 of 2)" in first[0]
    assert first[1:3] == second[1:3]
    assert "in the order of ranks X has 19 features of torch.float64, 20 features of torch.float64" in first[1]
    assert "one class only" in first[2]
    assert "0 sample" in first[3]
    assert "(process 0 of 2)" in second[3]


def be_killed(rank):
    """Rank 1 is killed in its third product with the data."""
    X, y = problem(20)
    own = uneven(len(y), 2)[rank]
    hessian, calls = WeightSpace.hessian, []

    def counted(space, *arguments):
        calls.append(1)
        if rank == 1 and len(calls) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return hessian(space, *arguments)

    WeightSpace.hessian = counted  # type: ignore[method-assign]
    L2SVM(1000.0, sharded=True, tol=1e-12).fit(X[own], y[own])


def test_a_killed_process_ends_the_fit_of_the_others():
    first, second = in_processes(2, be_killed)
    assert second is None
    assert isinstance(first, ProcessLost)
    assert "another process is gone, killed perhaps or out of memory" in str(first)


def test_shards_need_processes():
    X, y = problem(20)
    with pytest.raises(ValueError, match="start the program with torchrun"):
        L2SVM(sharded=True).fit(X, y)
