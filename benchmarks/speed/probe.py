"""Races of the L2-SVM and the logistic probe against scikit-learn's, at equal objective, alone and beside other work.

What two solvers take is compared within one run, one after the other. LinearSVC is run by its dual and its primal
method where both are affordable, and the faster counts.
"""

from __future__ import annotations

import multiprocessing
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.svm import LinearSVC

from dcgan_features.benchmarks.records.environment import environment
from dcgan_features.benchmarks.speed.campaign import objectives
from dcgan_features.benchmarks.speed.svm import PATH, large_problem
from dcgan_features.data.utils.formats import read_sealed, write_sealed
from dcgan_features.eval import L2SVM, L2SVMCV, LogisticProbe, l2svm_path

Array = npt.NDArray[Any]
PARTS = {  # seconds
    "digits": 20.0, "gaussian": 20.0, "folds": 120.0, "relu": 120.0, "real": 420.0, "logistic": 300.0, "grid": 700.0
}  # fmt: skip
Progress = Callable[[str], None]

CS = (1e-4, 1e-3, 1e-2, 1.0)
GRID_CS = (1e-3, 1e-1, 10.0)
DIGITS_CS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
FOLDS_CS = (1e-5, 1e-4, 1e-3, 1e-2)
FOLDS_SHAPES = ((2_000, 4_000, 10), (2_000, 1_500, 10))
# (rows, features, classes) of the grid, each Gaussian and relu-like.
SHAPES = (
    (200, 20, 2), (200, 100, 2), (200, 1_000, 2), (200, 5_000, 10), (200, 30_000, 2), (500, 20, 2), (500, 50, 10),
    (500, 200, 5), (500, 2_000, 2), (500, 2_000, 20), (1_000, 20, 2), (1_000, 64, 10), (1_000, 300, 2),
    (1_000, 1_000, 10), (1_000, 4_000, 2), (2_000, 30, 2), (2_000, 64, 10), (2_000, 500, 2), (2_000, 2_000, 10),
    (2_000, 500, 100), (5_000, 20, 2), (5_000, 100, 10), (5_000, 500, 2), (5_000, 1_000, 10), (5_000, 100, 100),
    (10_000, 50, 2), (10_000, 200, 10), (20_000, 50, 10), (50_000, 20, 2), (50_000, 100, 5),
    (2_000, 1_500, 10),
)  # fmt: skip


def gaussian(rows: int, dimensions: int, classes: int, seed: int = 0) -> tuple[Array, Array]:
    """Independent normal features (rows, dimensions) float32 and labels that some of them partly tell."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, dimensions)).astype(np.float32)
    judge = rng.normal(size=(min(dimensions, 50), classes))
    scores = X[:, : len(judge)] @ judge
    return X, (scores + scores.std() * rng.normal(size=scores.shape)).argmax(1)


def relu_like(rows: int, dimensions: int, classes: int, seed: int = 0) -> tuple[Array, Array]:
    """Rectified mixtures of factors with a decaying spectrum, correlated and of positive mean, float32, and labels."""
    rng = np.random.default_rng(seed)
    count = min(512, max(dimensions // 2, 8))
    strength = (1 / np.sqrt(np.arange(1, count + 1))).astype(np.float32)
    mixing = rng.normal(size=(count, dimensions)).astype(np.float32) * strength[:, None]
    mixing /= np.linalg.norm(mixing, axis=0)
    latent = rng.normal(size=(rows, count)).astype(np.float32)
    X = latent @ mixing + 0.5
    X = np.where(X > 0, X, 0.2 * X).astype(np.float32)
    scores = latent @ (rng.normal(size=(count, classes)) * strength[:, None])
    return X, (scores + 0.7 * scores.std() * rng.normal(size=scores.shape)).argmax(1)


GRID = [(kind, *shape) for shape in SHAPES for kind in (gaussian, relu_like)]


def _spin() -> None:
    while True:
        pass


@contextmanager
def busy_neighbour() -> Iterator[None]:
    """A process that keeps one core busy."""
    process = multiprocessing.get_context("spawn").Process(target=_spin, daemon=True)
    process.start()
    time.sleep(1.0)
    try:
        yield
    finally:
        process.terminate()
        process.join()


def timed(work: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """The shortest time of a work, and what it returned last."""
    least, result = np.inf, None
    for _ in range(repeats):
        begun = time.perf_counter()
        result = work()
        least = min(least, time.perf_counter() - begun)
    return least, result


def _liblinear(X: Array, y: Array, C: float, ways: Sequence[bool], repeats: int) -> tuple[float, float, float]:
    """Seconds and objective of the faster way at LIBLINEAR's default tolerance, and the least objective of all."""
    wide, runs = X.astype(np.float64), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for dual in ways:
            seconds, fitted = timed(partial(LinearSVC(C=C, dual=dual).fit, wide, y), repeats)
            whole = np.concatenate([fitted.coef_, fitted.intercept_[:, None]], 1)
            runs.append((seconds, float(objectives(whole, wide, y, C).sum())))
    seconds, objective = min(runs)
    return seconds, objective, min(run[1] for run in runs)


def one_fit(X: Array, y: Array, C: float, ways: Sequence[bool], repeats: int = 1) -> dict[str, Any]:
    """One L2SVM fit against LinearSVC. Ours comes at a tolerance at which its objective is not above the other's."""
    theirs, goal, _ = _liblinear(X, y, C, ways, repeats)
    for tol in (1e-3, 1e-4, 1e-5, 1e-6):
        seconds, fitted = timed(partial(L2SVM(C, tol=tol).fit, X, y), max(repeats, 2))
        if float(fitted.objective_.sum()) <= goal * (1 + 1e-5):
            break
    return {
        "C": C, "seconds": seconds, "liblinear_seconds": theirs, "times_faster": theirs / seconds, "tol": tol,
        "objective_over_liblinear": float(fitted.objective_.sum()) / goal,
    }  # fmt: skip


def large(name: str, X: Array, y: Array, say: Progress, liblinear: bool = True) -> dict[str, Any]:
    """Fits at four C and a path of seven, alone and beside a busy process, and LinearSVC by its dual method."""
    L2SVM(1e-3).fit(X[:700], y[:700])  # compiled code is loaded once
    figures: dict[str, Any] = {"problem": f"{name}, {X.shape[0]:,} x {X.shape[1]:,}", "fits": []}
    for C in CS:
        seconds, fitted = timed(partial(L2SVM(C).fit, X, y), 2)
        fit = {"C": C, "seconds": seconds, "gap": float((fitted.duality_gap_ / fitted.objective_).max())}
        if liblinear:
            theirs, goal, _ = _liblinear(X, y, C, (True,), 1)
            fit |= {
                "liblinear_seconds": theirs,
                "times_faster": theirs / seconds,
                "objective_over_liblinear": float(fitted.objective_.sum()) / goal,
            }
        figures["fits"].append(fit)
        say(f"{name}: {fit}")
    figures["slowest_over_fastest"] = max(f["seconds"] for f in figures["fits"]) / min(
        f["seconds"] for f in figures["fits"]
    )
    figures["path_seconds"] = timed(lambda: l2svm_path(X, y, PATH))[0]
    if liblinear:
        # LinearSVC at the seven C, from those measured: its time grows with C, so the next smaller one is taken.
        known = {fit["C"]: fit["liblinear_seconds"] for fit in figures["fits"]}
        figures["liblinear_path_seconds_at_least"] = sum(known[max(c for c in known if c <= C)] for C in PATH)
        figures["path_times_faster_at_least"] = figures["liblinear_path_seconds_at_least"] / figures["path_seconds"]
    with busy_neighbour():
        beside = [timed(partial(L2SVM(C).fit, X, y), 2)[0] for C in CS]
    figures["beside_a_busy_process_over_alone"] = [
        each / fit["seconds"] for each, fit in zip(beside, figures["fits"], strict=True)
    ]
    say(f"{name}: path {figures['path_seconds']:.2f} s, beside {figures['beside_a_busy_process_over_alone']}")
    return figures


def digits(say: Progress) -> dict[str, Any]:
    """A grid of five C and five folds on scikit-learn's digits, by both and by L2SVMCV; alone and beside other work."""
    X, y = load_digits(return_X_y=True)
    folds = StratifiedKFold(5)

    def search(estimator: Any) -> Any:
        return GridSearchCV(estimator, {"C": list(DIGITS_CS)}, cv=folds).fit(X, y)

    def race() -> dict[str, float]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return {
                "LinearSVC": timed(lambda: search(LinearSVC()), 2)[0],
                "L2SVM": timed(lambda: search(L2SVM()), 2)[0],
                "L2SVMCV": timed(lambda: L2SVMCV(DIGITS_CS, cv=folds).fit(X, y), 2)[0],
            }

    alone = race()
    with busy_neighbour():
        beside = race()
    say(f"digits: {alone}; beside a busy process {beside}")
    return {"alone": alone, "beside": beside}


def folds(say: Progress) -> list[dict[str, Any]]:
    """Four C and five folds on relu-like features: L2SVMCV against GridSearchCV over LinearSVC's faster way."""
    figures = []
    for rows, dimensions, classes in FOLDS_SHAPES:
        X, y = relu_like(rows, dimensions, classes)
        L2SVM(1e-3).fit(X[:700], y[:700])  # compiled code is loaded once
        splits = StratifiedKFold(5)
        seconds, ours = timed(partial(L2SVMCV(FOLDS_CS, cv=splits).fit, X, y), 2)
        ways = (True, False) if rows > dimensions else (True,)
        searches = [GridSearchCV(LinearSVC(dual=dual), {"C": list(FOLDS_CS)}, cv=splits) for dual in ways]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            runs = [timed(partial(search.fit, X, y)) for search in searches]
        least, theirs = min(runs, key=lambda run: run[0])
        scores = 100 * theirs.cv_results_["mean_test_score"] - [ours.scores_[C] for C in FOLDS_CS]
        figures.append(
            {
                "rows": rows, "dimensions": dimensions, "classes": classes, "seconds": seconds,
                "liblinear_seconds": least, "times_faster": least / seconds,
                "largest_difference_of_scores": float(np.abs(scores).max()),
            }
        )  # fmt: skip
        say(f"folds: {figures[-1]}")
    return figures


def grid(say: Progress, kept: Path) -> dict[str, Any]:
    """Shapes and C against the faster of LinearSVC's two ways.

    kept : file of the finished shapes, which a grid that was interrupted goes on from if the code is still the same.
    """
    code = environment()
    before = read_sealed(kept) if kept.exists() else {}
    fits: list[dict[str, Any]] = before["fits"] if before.get("code") == code else []
    done = {(fit["kind"], fit["rows"], fit["dimensions"], fit["classes"]) for fit in fits}
    for kind, rows, dimensions, classes in GRID:
        if (kind.__name__, rows, dimensions, classes) in done:
            continue
        shape = {"kind": kind.__name__, "rows": rows, "dimensions": dimensions, "classes": classes}
        X, y = kind(rows, dimensions, classes)
        L2SVM(GRID_CS[0], tol=1e-3).fit(X, y)  # compiled code and libraries are loaded once
        repeats = 5 if rows * dimensions * classes < 1e6 else 1
        # The other way takes many times as long where the shape is large and lopsided.
        small = rows * dimensions * classes <= 2e6
        ways = (True, False) if small else ((True,) if rows <= dimensions else (False,))
        here = [{**shape, **one_fit(X, y, C, ways, repeats)} for C in GRID_CS]
        fits += here
        write_sealed(kept, {"code": code, "fits": fits})
        times = ", ".join(f"{fit['times_faster']:.1f}" for fit in here)
        say(f"{len(fits) // len(GRID_CS)} of {len(GRID)}: {kind.__name__} {rows:,} x {dimensions:,}, {times}")
    faster = np.array([fit["times_faster"] for fit in fits])
    return {
        "fits": fits,
        "median_times_faster": float(np.median(faster)),
        "least_times_faster": float(faster.min()),
        "slower": int((faster < 1).sum()),
    }


def logistic(say: Progress) -> list[dict[str, Any]]:
    """LogisticProbe against LogisticRegression (lbfgs) at equal loss, on features with a constant column.

    `..._from_exact`: the largest difference of a coefficient from LogisticRegression's in float64, tolerance 1e-9.
    """
    figures = []
    for rows, dimensions in ((4_000, 12_288), (50_000, 2_048)):
        features, y = large_problem(rows, dimensions)
        X = np.concatenate([features.float().numpy(), np.ones((rows, 1), np.float32)], 1)
        for C in (1e-3,):
            seconds, ours = timed(partial(LogisticProbe(C, fit_intercept=False).fit, X, y))
            theirs, fitted = timed(partial(LogisticRegression(C=C, fit_intercept=False, max_iter=2_000).fit, X, y))
            exact = LogisticRegression(C=C, fit_intercept=False, max_iter=20_000, tol=1e-9).fit(X.astype(np.float64), y)
            own, goal = (_logistic_objective(each.coef_, X, y, C) for each in (ours, fitted))
            figures.append(
                {
                    "rows": rows, "dimensions": dimensions, "C": C, "seconds": seconds, "sklearn_seconds": theirs,
                    "times_faster": theirs / seconds, "objective_over_sklearn": own / goal,
                    "largest_difference": float(np.abs(ours.coef_ - fitted.coef_).max()),
                    "largest_difference_from_exact": float(np.abs(ours.coef_ - exact.coef_).max()),
                    "sklearn_difference_from_exact": float(np.abs(fitted.coef_ - exact.coef_).max()),
                }
            )  # fmt: skip
            say(f"logistic: {figures[-1]}")
    return figures


def _logistic_objective(W: Array, X: Array, y: Array, C: float) -> float:
    total = 0.0
    for start in range(0, len(X), 2_000):
        f = X[start : start + 2_000].astype(np.float64) @ W.T.astype(np.float64)
        top = f.max(1, keepdims=True)
        total += float(
            (np.log(np.exp(f - top).sum(1)) + top[:, 0] - f[np.arange(len(f)), y[start : start + 2_000]]).sum()
        )
    return 0.5 * float((W.astype(np.float64) ** 2).sum()) + C * total


def real_features(data_root: Path) -> tuple[Array, Array]:
    """Features (4,000, 28,672) float32 of the network `paper-32` for 400 training pictures a class, and the labels."""
    from dcgan_features.data import load
    from dcgan_features.features import DiscriminatorFeatures
    from dcgan_features.gan import weights_file

    dataset = load("cifar10", data_root, download=False)
    assert dataset.train_labels is not None
    labels, rng = np.asarray(dataset.train_labels), np.random.default_rng(0)
    chosen = np.concatenate([rng.permutation(np.flatnonzero(labels == each))[:400] for each in np.unique(labels)])
    chosen = rng.permutation(chosen)
    extractor = DiscriminatorFeatures(Path(weights_file.__file__).parent / "weights" / "paper-32.safetensors")
    return np.asarray(extractor.fit_transform(dataset.train_images[chosen]), np.float32), labels[chosen]


def races(say: Progress, features: tuple[Array, Array] | None, parts: Sequence[str], kept: Path) -> dict[str, Any]:
    """The named parts: "relu", "gaussian", "real" (given features), "digits", "folds", "grid", "logistic".

    kept : file of the grid's finished shapes.
    """
    measured: dict[str, Any] = {}
    if "digits" in parts:
        measured["digits"] = digits(say)
    if "folds" in parts:
        measured["folds"] = folds(say)
    if "gaussian" in parts:
        measured["gaussian"] = large("Gaussian", *gaussian(2_000, 2_000, 10), say)
    if "relu" in parts:
        X, y = large_problem(4_000, 12_288)
        measured["relu"] = large("relu-like", X.float().numpy(), y, say)
    if "real" in parts and features is not None:
        measured["real"] = large("CIFAR-10 features of paper-32", *features, say)
    if "logistic" in parts:
        measured["logistic"] = logistic(say)
    if "grid" in parts:
        measured["grid"] = grid(say, kept)
    return measured
