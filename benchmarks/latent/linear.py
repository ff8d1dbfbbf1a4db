"""How linear each factor is in z: what a linear model from z says of the judged factor, out of sample.

Beside it a non-linear model of z, which bounds from below what z says of the factor at all, and the linear model fitted
to permuted values, which says what chance gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import RidgeClassifierCV, RidgeCV
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

from dcgan_features.benchmarks.latent.classifier import FACTORS, Judgement
from dcgan_features.benchmarks.latent.measure import Measure, Randomness, resampled, share

PART = "linearity"
LINEAR, NON_LINEAR, PERMUTED = "linear in z", "non-linear in z", "linear, values permuted"
SHAPE = "shape: right, cross-validated"
_FOLDS, _HIDDEN, _PENALTIES = 5, 64, (1.0, 10.0, 100.0, 1000.0, 10000.0)
_FEWEST = 100  # images; factors of which the judge is sure on fewer are left out


def r2(truth: NDArray[Any], predicted: NDArray[Any]) -> float:
    """1 - residual over total sum of squares, over all columns together. truth, predicted : (n, ...)."""
    return float(1 - ((truth - predicted) ** 2).sum() / ((truth - truth.mean(0)) ** 2).sum())


def measure_linearity(latent: NDArray[np.float32], judgement: Judgement, rng: Randomness) -> list[Measure]:
    """For each factor, on the images of which the judge is sure: accuracy for the shape, R² for the others.

    latent : (n, latent_size). A hue is the point on the unit circle, two values of which R² takes the sum of squares.
    """
    measures: list[Measure] = []
    for factor in FACTORS:
        rows = np.flatnonzero(judgement.sure[factor])
        z, values = latent[rows], judgement.of(factor)[rows]
        if factor == "shape":
            counts = np.bincount(values)
            kept = counts[values] >= 2 * _FOLDS  # a class of a few images cannot be cross-validated
            z, values = z[kept], values[kept]
            if len(values) >= _FEWEST:
                measures.append(share(PART, SHAPE, "most frequent shape", values == counts.argmax()))
        elif factor == "hue":
            values = np.stack([np.cos(2 * np.pi * values), np.sin(2 * np.pi * values)], 1)
        if len(values) < _FEWEST:
            continue
        for how, model, target in (
            (LINEAR, _linear, values),
            (NON_LINEAR, _non_linear, values),
            (PERMUTED, _linear, values[rng.permutation(len(values))]),
        ):
            measures.append(_measured(factor, how, model, z, target, rng))
    return measures


def _measured(
    factor: str,
    how: str,
    model: Callable[[bool], Any],
    z: NDArray[np.float32],
    values: NDArray[Any],
    rng: Randomness,
) -> Measure:
    folds = (StratifiedKFold if factor == "shape" else KFold)(_FOLDS, shuffle=True, random_state=0)
    predicted = cross_val_predict(model(factor == "shape"), z, values, cv=folds)
    if factor == "shape":
        return share(PART, SHAPE, how, predicted == values)
    return resampled(PART, f"{factor}: R², cross-validated", how, [values, predicted], r2, rng)


def _linear(classify: bool) -> Any:
    if classify:
        return RidgeClassifierCV(alphas=_PENALTIES)
    return RidgeCV(alphas=_PENALTIES)


def _non_linear(classify: bool) -> Any:
    settings = {
        "hidden_layer_sizes": (_HIDDEN,),
        "alpha": 1.0,
        "early_stopping": True,
        "tol": 1e-3,
        "random_state": 0,
    }
    if classify:
        return MLPClassifier(**settings)
    return TransformedTargetRegressor(MLPRegressor(**settings), transformer=StandardScaler())
