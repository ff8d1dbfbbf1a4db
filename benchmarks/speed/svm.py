"""How fast the L2-SVM is on this machine, against LIBLINEAR and over the number of rows.

Ratios are taken within one run.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.svm import LinearSVC
from torch import Tensor

from dcgan_features.benchmarks.config.images import labelled
from dcgan_features.benchmarks.records.environment import describe_device
from dcgan_features.benchmarks.speed.product_rate import ProductRate
from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.eval import L2SVM, l2svm_path
from dcgan_features.features import RandomDiscriminator

PATH = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2)  # the C of the authors' SVHN search
SMALL_ROWS, SMALL_LAYERS = 4_000, (0, 1, 2, 3)  # 12,288 features
LARGE_DIMENSIONS = 28_672
TARGET_SECONDS = 5.0  # for 50,000 rows on a GPU
_CPU = torch.device("cpu")
Progress = Callable[[str], None]


def stand_in_features(rows: int) -> tuple[Tensor, npt.NDArray[np.int64]]:
    """Features (rows, 12,288) in bfloat16 of stand-in images, from the paper's network untrained, and labels."""
    images = labelled(stand_in(n_train=rows, n_test=10))
    extractor = RandomDiscriminator(network="paper-32", layers=SMALL_LAYERS)
    extractor.fit(images.train_images[:1280])
    return torch.as_tensor(extractor.transform(images.train_images)), images.train_labels


def large_problem(rows: int, dimensions: int) -> tuple[Tensor, npt.NDArray[np.int64]]:
    """A seeded problem of any size whose spectrum decays like that of real features, (rows, dimensions) bfloat16.

    A power-law mixture of 2,048 latent factors, rectified like a discriminator's maps; ten classes from noisy
    linear functions of the factors. Row i does not depend on `rows`.
    """
    features, labels, done = torch.empty(rows, dimensions, dtype=torch.bfloat16), np.empty(rows, dtype=np.int64), 0
    for block, own in large_problem_blocks(rows, dimensions):
        features[done : done + len(own)], labels[done : done + len(own)] = block, own
        done += len(own)
    return features, labels


def large_problem_blocks(rows: int, dimensions: int) -> Iterator[tuple[Tensor, npt.NDArray[np.int64]]]:
    """The rows and labels of `large_problem`, 1,250 at a time."""
    factors = 2_048
    generator = torch.Generator().manual_seed(0)
    strength = torch.arange(1, factors + 1).float().rsqrt()
    mixing = torch.randn(factors, dimensions, generator=generator) * strength[:, None]
    mixing = (mixing / mixing.norm(dim=0)).bfloat16()
    judge = torch.randn(factors, 10, generator=generator) * strength[:, None]
    for start in range(0, rows, 1_250):
        generator.manual_seed(1 + start)
        latent = torch.randn(1_250, factors, generator=generator)
        count = min(1_250, rows - start)
        mixed = (latent.bfloat16() @ mixing)[:count]
        features = torch.nn.functional.leaky_relu(mixed.float() + 0.5, 0.2).bfloat16()
        scores = latent @ judge + 2.0 * torch.randn(1_250, 10, generator=generator)
        yield features, scores.argmax(1)[:count].numpy()


def objective(
    weights: npt.NDArray[Any], intercepts: npt.NDArray[Any], X: Tensor, y: npt.NDArray[Any], C: float
) -> float:
    """The sum over the classes of the L2-SVM's objective, in float64. weights (k, d), intercepts (k,)."""
    whole = np.concatenate([weights, intercepts[:, None]], 1).astype(np.float64)
    decision = np.concatenate(
        [X[i : i + 1_000].double().numpy() @ whole[:, :-1].T + whole[:, -1] for i in range(0, len(X), 1_000)]
    )
    slack = np.maximum(0, 1 - np.where(y[:, None] == np.arange(len(whole)), 1, -1) * decision)
    return float(0.5 * (whole**2).sum() + C * (slack**2).sum())


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def _product_rates(device: torch.device) -> dict[str, ProductRate]:
    return {dtype: ProductRate(dtype, device) for dtype in ("float32", "bfloat16")}


def _in_figures(rates: dict[str, ProductRate]) -> dict[str, float]:
    return {f"{dtype}_product_gflops": rate.gflops for dtype, rate in rates.items()}


def against_liblinear(say: Progress, device: torch.device = _CPU) -> dict[str, Any]:
    """One fit, and a path of seven, against `LinearSVC` on 4,000 x 12,288 features of stand-in images.

    device : of ours; LIBLINEAR computes on the CPU. Features lie in the machine's memory before either.
    """
    X, y = stand_in_features(SMALL_ROWS)
    dense = X.float().numpy()
    own_seconds, own, rates = [], L2SVM(PATH[0], device=str(device)), _product_rates(device)
    for _ in range(3):
        for rate in rates.values():
            rate.time()
        own_seconds.append(_timed(partial(own.fit, X, y))[0])
    say(f"L2SVM(C={PATH[0]:g}): {np.median(own_seconds):.2f} s")
    path_seconds, path = _timed(partial(l2svm_path, X, y, PATH, device=str(device)))
    say(f"l2svm_path of {len(PATH)}: {path_seconds:.2f} s")
    fits = []
    for C, ours in zip(PATH, path, strict=True):
        seconds, theirs = _timed(partial(LinearSVC(C=C).fit, dense, y))
        goal = objective(theirs.coef_, theirs.intercept_, X, y, C)
        ratio = objective(ours.coef_, ours.intercept_, X, y, C) / goal
        fits.append({"C": C, "seconds": seconds, "objective": goal, "path_objective_over_liblinear": ratio})
        say(f"LinearSVC(C={C:g}): {seconds:.1f} s; our objective is {ratio:.6f} of its")
    single = objective(own.coef_, own.intercept_, X, y, PATH[0])
    return {
        "problem": f"{SMALL_ROWS:,} x {X.shape[1]:,}, 10 classes, bfloat16: untrained paper-32, stand-in images",
        "device": describe_device(device),
        "fit_seconds": float(np.median(own_seconds)),
        "fit_times_faster": fits[0]["seconds"] / float(np.median(own_seconds)),
        "fit_objective_over_liblinear": single / fits[0]["objective"],
        "path_seconds": path_seconds,
        "path_times_faster": sum(fit["seconds"] for fit in fits) / path_seconds,
        **_in_figures(rates),
        "liblinear": fits,
    }


def over_rows(
    say: Progress, device: torch.device = _CPU, rows: tuple[int, ...] = (6_250, 12_500, 25_000, 50_000)
) -> dict[str, Any]:
    """One fit at C = 1e-4 for growing n at d = 28,672, on synthetic features; the last is the size of CIFAR-10.

    device : of the solver. Features lie in the machine's memory before each fit.
    """
    X, y = large_problem(max(rows), LARGE_DIMENSIONS)
    rates = _product_rates(device)
    if device.type == "cuda":
        L2SVM(PATH[0], device=str(device)).fit(X[: rows[0]], y[: rows[0]])  # the first use of a library takes its time
    fits = []
    for count in rows:
        seconds, fitted = _timed(partial(L2SVM(PATH[0], device=str(device)).fit, X[:count], y[:count]))
        fits.append(
            {
                "rows": count,
                "seconds": seconds,
                "newton_steps": fitted.n_iter_,
                "products": fitted.n_products_,
                "relative_gap": float((fitted.duality_gap_ / fitted.objective_).max()),
            }
        )
        for rate in rates.values():
            rate.time()
        say(f"{count:,} x {LARGE_DIMENSIONS:,}: {seconds:.1f} s, {fitted.n_products_} passes")
    # What a fit cannot do without: in every pass, for every class, two products with every feature of every row.
    last = fits[-1]
    useful = last["products"] * 4 * last["rows"] * LARGE_DIMENSIONS * 10 / last["seconds"] / 1e9
    growth = fits[-1]["seconds"] / fits[0]["seconds"] / (rows[-1] / rows[0])
    return {
        "problem": f"d = {LARGE_DIMENSIONS:,}, 10 classes, C = {PATH[0]:g}, bfloat16, synthetic",
        "device": describe_device(device),
        "fits": fits,
        "over_linear": growth,
        "threads": torch.get_num_threads(),
        "gflops_of_the_last": useful,
        **_in_figures(rates),
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        **({} if device.type == "cpu" else {"peak_device_gib": torch.cuda.max_memory_allocated(device) / 2**30}),
    }


def verdict(measured: dict[str, Any], device: torch.device) -> str:
    """Whether the last and largest fit of `over_rows` meets the target, in a sentence; empty where there is none."""
    if device.type == "cpu":
        return ""
    last = measured["fits"][-1]
    met = "met" if last["seconds"] < TARGET_SECONDS else "missed"
    return f"Target for {last['rows']:,} rows on a GPU: under {TARGET_SECONDS:g} s; {met}."
