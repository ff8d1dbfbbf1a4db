"""How a classifier is judged: fits on label draws, accuracy on the whole test set, and what to say of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import ClassifierMixin, clone
from torch import Tensor

from eval.inputs import Features

NORMAL_QUANTILE = 1.959963984540054  # 97.5% of the standard normal distribution lies below it


@dataclass(frozen=True)
class Evaluation:
    """What came of judging one classifier.

    scores : accuracy on the test set in percent, one a draw.
    chosen : what each fit chose inside its labelled set: {"C": ..., "scores": {C: held-out accuracy in percent}}; an
        empty dict for classifiers that choose nothing.
    predictions : the predicted labels of the test set, (n_test,), one array a draw.
    seconds : wall time of all fits and predictions.
    """

    scores: tuple[float, ...]
    chosen: tuple[dict[str, Any], ...]
    predictions: tuple[npt.NDArray[Any], ...]
    seconds: float

    @property
    def mean(self) -> float:
        """Mean accuracy over the draws, in percent."""
        return float(np.mean(self.scores))

    @property
    def sd(self) -> float | None:
        """Standard deviation over the draws (n - 1 below), in percentage points; None for a single one."""
        return float(np.std(self.scores, ddof=1)) if len(self.scores) > 1 else None

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval, in percent, for the test sample: what another test set of this size could show."""
        return wilson_interval(self.mean, len(self.predictions[0]))


def evaluate(
    classifier: ClassifierMixin,
    X: Features,
    y: npt.ArrayLike,
    X_test: Features,
    y_test: npt.ArrayLike,
    draws: Sequence[npt.NDArray[np.int64]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Fit a fresh clone of `classifier` on each draw of labelled rows and score it on the test set.

    X (n, d), y (n,) : the training set. X_test, y_test : the test set, which no fit sees.
    draws : arrays of row indices of X; None: one fit on all rows.
    progress : called with (fits done, fits in all).
    """
    labels, truth = np.asarray(y), np.asarray(y_test)
    if len(labels) != len(X) or len(truth) != len(X_test):
        raise ValueError(f"{len(X)} training rows with {len(labels)} labels, {len(X_test)} test rows with {len(truth)}")
    begun = time.perf_counter()
    scores, chosen, predictions = [], [], []
    count = 1 if draws is None else len(draws)
    for number in range(count):
        if draws is None:
            fitted = clone(classifier).fit(X, labels)
        else:
            fitted = clone(classifier).fit(_rows(X, draws[number]), labels[draws[number]])
        predicted = fitted.predict(X_test)
        predictions.append(predicted)
        scores.append(float((predicted == truth).mean()) * 100)
        chosen.append({"C": fitted.C_, "scores": dict(fitted.scores_)} if hasattr(fitted, "C_") else {})
        if progress:
            progress(number + 1, count)
    return Evaluation(tuple(scores), tuple(chosen), tuple(predictions), time.perf_counter() - begun)


def wilson_interval(percent: float, size: int) -> tuple[float, float]:
    """95% interval, in percent, of a proportion observed on `size` cases (Wilson, 1927)."""
    p, z2 = percent / 100, NORMAL_QUANTILE**2
    centre = (p + z2 / (2 * size)) / (1 + z2 / size)
    half = NORMAL_QUANTILE / (1 + z2 / size) * math.sqrt(p * (1 - p) / size + z2 / (4 * size**2))
    return 100 * (centre - half), 100 * (centre + half)


def _rows(features: Features, chosen: npt.NDArray[np.int64]) -> Features:
    if isinstance(features, Tensor):
        return features[torch.from_numpy(chosen)]
    return features[chosen]
