"""Probes of many rows and features on one device, against what else computes there: made for a GPU, in a few minutes.

All solve the same problem on the same device in one run. What another library lacks, or where it fails, is written down
in its place.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dcgan_features.benchmarks.records.environment import describe_device
from dcgan_features.benchmarks.speed.svm import LARGE_DIMENSIONS, PATH, large_problem, objective
from dcgan_features.eval import L2SVM, LogisticProbe, l2svm_path

ROWS, WARM_ROWS = 50_000, 2_000
LONG_PATH = tuple(np.geomspace(1e-6, 1e-2, 45).tolist())
TARGETS = {"fit": 1.0, "path_of_7": 4.0, "path_of_45": 15.0}  # seconds for ROWS x LARGE_DIMENSIONS on a GPU
EQUAL = 1e-4  # relative difference of objectives up to which two solvers are done alike
MOST_SECONDS = 60.0  # that another solver of the L2-SVM gets
BLOCK = 4_096  # rows whose products are made at once
_LOGISTIC_C = 1e-4
Progress = Callable[[str], None]
Labels = npt.NDArray[np.int64]


def large(say: Progress, device: torch.device, rows: int = ROWS, dimensions: int = LARGE_DIMENSIONS) -> dict[str, Any]:
    """One C, seven and 45 by `L2SVM`, the first by other solvers too, and one logistic fit; seconds and objectives.

    Our features lie in the machine's memory, in bfloat16, before each fit; the others are given them on the device, in
    float32, as they need them, and that they get there is not timed.
    """
    X, y = large_problem(rows, dimensions)
    our_device = str(device)
    L2SVM(PATH[0], device=our_device).fit(X[:WARM_ROWS], y[:WARM_ROWS])  # a library's first use takes its time
    seconds, fitted = _timed(partial(L2SVM(PATH[0], device=our_device).fit, X, y), device)
    measured: dict[str, Any] = {
        "problem": f"{rows:,} x {dimensions:,}, 10 classes, bfloat16, synthetic",
        "device": describe_device(device),
        "fit": {"C": PATH[0], "seconds": seconds, **_ends(fitted)},
    }
    say(f"L2SVM: {measured['fit']}")
    for name, Cs in (("path_of_7", PATH), ("path_of_45", LONG_PATH)):
        seconds, path = _timed(partial(l2svm_path, X, y, Cs, device=our_device), device)
        ends = [_ends(each) for each in path]
        measured[name] = {
            "least_C": Cs[0], "most_C": Cs[-1], "seconds": seconds,
            "passes": sum(end["passes"] for end in ends),
            "relative_gap": max(end["relative_gap"] for end in ends),
        }  # fmt: skip
        say(f"l2svm_path: {measured[name]}")
    wide, labels = X.to(device, torch.float32), torch.from_numpy(y).to(device)
    goal = objective(fitted.coef_, fitted.intercept_, X, y, PATH[0])
    measured["lbfgs"] = _attempt(lambda: lbfgs(wide, labels, PATH[0], goal, device), say, "torch L-BFGS")
    measured["cuml_linear_svc"] = _attempt(lambda: _cuml_svc(wide, y, X, goal), say, "cuML's LinearSVC")
    logistic = LogisticProbe(_LOGISTIC_C, device=our_device)
    seconds, fitted = _timed(partial(logistic.fit, X, y), device)
    measured["logistic"] = {"C": _LOGISTIC_C, "seconds": seconds, **_ends(fitted)}
    say(f"LogisticProbe: {measured['logistic']}")
    goal = float(logistic.objective_.sum())
    wide = torch.cat([wide, torch.ones_like(wide[:, :1])], 1)
    measured["logistic_of_scikit_learn"] = _attempt(
        lambda: _scikit_learn(wide, labels, goal, device), say, "scikit-learn's LogisticRegression"
    )
    measured["logistic_of_cuml"] = _attempt(lambda: _cuml_logistic(wide, y, goal), say, "cuML's LogisticRegression")
    if device.type == "cuda":
        measured["peak_device_gib"] = torch.cuda.max_memory_allocated(device) / 2**30
    return measured


def verdicts(measured: dict[str, Any]) -> list[str]:
    """A sentence for each target."""
    return [
        f"Target of {name.replace('_', ' ')}: under {target:g} s; "
        f"{'met' if measured[name]['seconds'] < target else 'missed'} with {measured[name]['seconds']:.2f} s."
        for name, target in TARGETS.items()
    ]


def lbfgs(X: Tensor, y: Tensor, C: float, goal: float, device: torch.device) -> dict[str, Any]:
    """`torch.optim.LBFGS` on the L2-SVM's primal, all classes at once, until it is as good as `goal`, or time is up.

    X : (n, d) float32. y : (n,), 0 to 9.
    """
    weights = torch.zeros(X.shape[1] + 1, 10, device=device)
    optimiser = torch.optim.LBFGS([weights], max_iter=5, history_size=20, line_search_fn="strong_wolfe")
    calls = 0

    def closure() -> Tensor:
        nonlocal calls
        calls += 1
        value, gradient = 0.5 * weights.double().square().sum(), weights.clone()
        for start in range(0, len(X), BLOCK):
            rows = X[start : start + BLOCK]
            targets = torch.where(y[start : start + BLOCK, None] == torch.arange(10, device=device), 1.0, -1.0)
            slack = (1 - targets * (rows @ weights[:-1] + weights[-1])).clamp_(min=0)
            value = value + C * slack.double().square().sum()
            slope = -2 * C * targets * slack
            gradient[:-1] += rows.T @ slope
            gradient[-1] += slope.sum(0)
        weights.grad = gradient
        return value.float()

    begun, reached = time.perf_counter(), float("inf")
    while reached > goal * (1 + EQUAL) and time.perf_counter() - begun < MOST_SECONDS:
        before = reached
        optimiser.step(closure)  # type: ignore[no-untyped-call]
        reached = float(closure())
        if not reached < before:
            break
    seconds = time.perf_counter() - begun
    return {"C": C, "seconds": seconds, "evaluations": calls, "objective_over_ours": reached / goal}


def _scikit_learn(X: Tensor, y: Tensor, goal: float, device: torch.device) -> dict[str, Any]:
    """Its array-API path: L-BFGS with the products on the device; X has a column of ones.

    SCIPY_ARRAY_API=1 must stand in the environment, as the script has it, or scikit-learn says so.
    """
    import sklearn
    from sklearn.linear_model import LogisticRegression

    with sklearn.config_context(array_api_dispatch=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=_LOGISTIC_C, fit_intercept=False, solver="lbfgs", max_iter=1_000)
        seconds, _ = _timed(lambda: model.fit(X, y), device)
    weights = torch.as_tensor(model.coef_, device=device)
    return {"seconds": seconds, "objective_over_ours": _logistic_objective(weights, X, y) / goal}


def _logistic_objective(weights: Tensor, X: Tensor, y: Tensor) -> float:
    losses = sum(
        float(torch.nn.functional.cross_entropy(X[i : i + BLOCK] @ weights.T, y[i : i + BLOCK], reduction="sum"))
        for i in range(0, len(X), BLOCK)
    )
    return 0.5 * float(weights.double().square().sum()) + _LOGISTIC_C * losses


def _cuml_svc(wide: Tensor, y: Labels, X: Tensor, goal: float) -> dict[str, Any]:
    import cupy
    from cuml.svm import LinearSVC

    model = LinearSVC(C=PATH[0], penalty="l2", loss="squared_hinge", penalized_intercept=True, max_iter=10_000)
    seconds, _ = _timed(lambda: model.fit(cupy.from_dlpack(wide), cupy.asarray(y)), wide.device)
    coef, intercept = cupy.asnumpy(model.coef_).reshape(10, -1), cupy.asnumpy(model.intercept_).reshape(10)
    return {"seconds": seconds, "objective_over_ours": objective(coef, intercept, X, y, PATH[0]) / goal}


def _cuml_logistic(X: Tensor, y: Labels, goal: float) -> dict[str, Any]:
    import cupy
    from cuml.linear_model import LogisticRegression

    model = LogisticRegression(C=_LOGISTIC_C, fit_intercept=False, max_iter=10_000)
    seconds, _ = _timed(lambda: model.fit(cupy.from_dlpack(X), cupy.asarray(y)), X.device)
    weights = torch.from_numpy(cupy.asnumpy(model.coef_).reshape(10, -1)).to(X)
    labels = torch.from_numpy(y).to(X.device)
    return {"seconds": seconds, "objective_over_ours": _logistic_objective(weights, X, labels) / goal}


def _attempt(work: Callable[[], dict[str, Any]], say: Progress, name: str) -> dict[str, Any]:
    try:
        result = work()
    except ImportError as error:
        result = {"absent": str(error).splitlines()[0]}
    except Exception as error:  # another library's failure is a finding, and no reason to lose the others
        result = {"failed": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
    say(f"{name}: {result}")
    return result


def _ends(fitted: L2SVM | LogisticProbe) -> dict[str, Any]:
    gap = float((fitted.duality_gap_ / fitted.objective_).max())
    return {"steps": fitted.n_iter_, "passes": float(fitted.n_products_), "relative_gap": gap}


def _timed(work: Callable[[], Any], device: torch.device) -> tuple[float, Any]:
    def finish() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    finish()
    begun = time.perf_counter()
    result = work()
    finish()
    return time.perf_counter() - begun, result
