"""The L2-SVM on random problems of every kind that is hard, against LIBLINEAR both ways and L-BFGS.

Scales from 1e-8 to 1e8 a column and overall, offsets, duplicate and constant columns, equal rows of unlike labels, ties
on the margin, few rows and many, C from 1e-8 to 1e8, 2 to 50 classes, float64, float32 and bfloat16.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from dcgan_features.eval import L2SVM

Array = npt.NDArray[Any]

TOLERANCE = 5e-7  # of our fits
ALLOWED = 1e-6  # by which an objective may be above the best of the others
CERTAIN = 1e12  # 2 C max|x|^2 below which the certificate must be within ALLOWED


@dataclass(frozen=True)
class Judged:
    """One problem's outcome.

    hardness : 2 C max|x|^2. excess : our objective over the best of the others', less 1. gap : certified, relative.
    warned : whether a `ConvergenceWarning` said that the tolerance was not reached.
    """

    seed: int
    rows: int
    dimensions: int
    classes: int
    dtype: str
    C: float
    hardness: float
    excess: float
    gap: float
    steps: int
    warned: bool

    @property
    def passed(self) -> bool:
        """Whether the objective is not worse, or a warning said so, and certified where it has to be."""
        right = self.excess <= ALLOWED or self.warned
        return right and (self.gap <= ALLOWED or self.hardness >= CERTAIN)


def draw(seed: int, most: int = 240) -> tuple[Array, Array, float, str]:
    """A problem: X (n, d) float64 of values that the dtype holds, y (n,), C, and the dtype's name."""
    rng = np.random.default_rng(seed)

    def size(low: int, high: int) -> int:
        return int(np.exp(rng.uniform(np.log(low), np.log(high))))

    rows, dimensions = size(12, most), size(2, most)
    classes = min(2 + int(rng.integers(0, 2)) * size(1, 48), rows // 4)
    latent = rng.normal(size=(rows, max(classes, 2)))
    X = rng.normal(size=(rows, dimensions)) + (latent @ rng.normal(size=(latent.shape[1], dimensions))) * rng.random()
    if rng.random() < 0.15:
        X = np.round(X)  # ties
    separable = rng.random() < 0.5
    y = latent.argmax(1) if separable else rng.integers(0, latent.shape[1], rows)
    y = y % classes
    y[:classes] = np.arange(classes)
    if rng.random() < 0.6:
        X = X * 10.0 ** (rng.uniform(-1, 1, dimensions) * rng.choice([2, 4, 8]))
    if rng.random() < 0.3:
        X = X + np.abs(X).mean(0) * 10.0 ** rng.uniform(0, 3)
    if rng.random() < 0.2:
        X[:, rng.integers(dimensions)] = X[:, rng.integers(dimensions)]
    if rng.random() < 0.2:
        X[:, rng.integers(dimensions)] = rng.choice([0.0, 1.0, 1e3])
    if rng.random() < 0.2:
        X[rng.integers(rows, size=rows // 4)] = X[rng.integers(rows, size=rows // 4)]
    if rng.random() < 0.6:
        X = X * 10.0 ** (rng.uniform(-1, 1) * rng.choice([2, 4, 8]))
    dtype = str(rng.choice(["float64", "float64", "float32", "bfloat16"]))
    kept = torch.from_numpy(X).to(getattr(torch, dtype)).double().numpy()
    return kept, y, float(10.0 ** (rng.uniform(-1, 1) * rng.choice([2, 4, 8]))), dtype


def judge(seed: int, most: int = 240) -> Judged:
    """Solve one problem by all of them."""
    X, y, C, dtype = draw(seed, most)
    given: Any = torch.from_numpy(X).to(getattr(torch, dtype))
    ours = L2SVM(C, tol=TOLERANCE)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        ours.fit(given if dtype == "bfloat16" else given.numpy(), y)
    warned = any(issubclass(each.category, ConvergenceWarning) for each in said)
    best = np.minimum.reduce([objectives(weights, X, y, C) for weights in others(X, y, C)])
    reached = ours.objective_
    if dtype == "float64":
        own = np.concatenate([ours.coef_, ours.intercept_[:, None]], 1)
        reached = np.maximum(reached, objectives(own, X, y, C))
    lengths = (X.astype(np.float64) ** 2).sum(1) + 1
    rows, dimensions = X.shape
    return Judged(
        seed, rows, dimensions, len(np.unique(y)), dtype, C, float(2 * C * lengths.max()),
        float((reached / best).max() - 1), float((ours.duality_gap_ / ours.objective_).max()), ours.n_iter_, warned,
    )  # fmt: skip


def objectives(weights: Array, X: Array, y: Array, C: float) -> Array:
    """The objective of each class at weights (k, d + 1), in float64, (k,)."""
    targets = _targets(y)
    slack = np.maximum(0, 1 - targets * (weights[:, :-1] @ X.T + weights[:, -1:]))
    values: Array = 0.5 * (weights**2).sum(1) + C * (slack**2).sum(1)
    return values


def others(X: Array, y: Array, C: float) -> list[Array]:
    """The weights (k, d + 1) that LIBLINEAR finds, by its dual and its primal method, and those of L-BFGS."""
    found = []
    for dual in (True, False):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = LinearSVC(C=C, dual=dual, tol=1e-10, max_iter=5_000 if dual else 500, random_state=0).fit(X, y)
        found.append(np.concatenate([fitted.coef_, fitted.intercept_[:, None]], 1))
    whole = np.concatenate([X, np.ones((len(X), 1))], 1)

    def loss(w: Array, t: Array) -> tuple[float, Array]:
        slack = np.maximum(0, 1 - t * (whole @ w))
        return float(0.5 * w @ w + C * slack @ slack), w - 2 * C * (whole.T @ (t * slack))

    with np.errstate(all="ignore"):
        settings = {"maxiter": 2_000, "ftol": 1e-15, "gtol": 1e-10}
        columns = [
            minimize(loss, np.zeros(whole.shape[1]), (t,), "L-BFGS-B", jac=True, options=settings).x
            for t in _targets(y)
        ]
    found.append(np.stack(columns))
    return found


def _targets(y: Array) -> Array:
    classes = np.unique(y)
    columns = classes[1:] if len(classes) == 2 else classes
    return np.where(y == columns[:, None], 1.0, -1.0)


def judge_all(seeds: Sequence[int], say: Callable[[str], None]) -> dict[str, Any]:
    """Judge the problems of these seeds, and count."""
    judged = []
    for number, seed in enumerate(seeds, 1):
        judged.append(judge(seed))
        if not judged[-1].passed or number % 50 == 0:
            say(f"{number} of {len(seeds)}: {judged[-1]}")
    easy = [each for each in judged if each.hardness < CERTAIN]
    return {
        "problems": len(judged),
        "passed": sum(each.passed for each in judged),
        "warned": sum(each.warned for each in judged),
        "below_certain": len(easy),
        "certified_of_those": sum(each.gap <= ALLOWED for each in easy),
        "largest_excess_without_warning": max((each.excess for each in judged if not each.warned), default=0.0),
        "largest_excess": max(each.excess for each in judged),
        "median_steps": float(np.median([each.steps for each in judged])),
        "most_steps": max(each.steps for each in judged),
        "failed_or_warned": [asdict(each) for each in judged if not each.passed or each.warned],
    }
