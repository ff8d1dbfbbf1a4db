"""How a classifier is judged: fits on label draws, accuracy on the whole test set, and what to say of it."""

from __future__ import annotations

import inspect
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

from dcgan_features.data.utils.distributed import ALONE, Processes
from dcgan_features.eval.l2svm.validation import Features

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
    processes: Processes = ALONE,
    unlabelled: npt.NDArray[np.int64] | None = None,
    validation: tuple[Features, npt.ArrayLike] | None = None,
) -> Evaluation:
    """Fit a fresh clone of `classifier` on each draw of labelled rows and score it on the test set.

    X (n, d), y (n,) : the training set. X_test, y_test : the test set, which no fit sees.
    draws : arrays of row indices of X; None: one fit on all rows.
    unlabelled : indices of the rows of X that a classifier whose `semi_supervised` is True gets besides those of the
        draw, labelled -1. Others do not get them.
    validation : rows and labels for a classifier whose `fit` takes them as `X_validation` and `y_validation`.
    A classifier with a `random_state` gets the number of the draw.
    progress : called with (fits done, fits in all).
    processes : those that share the fits, given the same arguments. Draws are dealt out, and each is fitted as one
        process would; the rows of a single fit are shared if the classifier takes `sharded`.
    """
    labels, truth = np.asarray(y), np.asarray(y_test)
    if len(labels) != len(X) or len(truth) != len(X_test):
        raise ValueError(f"{len(X)} training rows with {len(labels)} labels, {len(X_test)} test rows with {len(truth)}")
    begun = time.perf_counter()
    count = 1 if draws is None else len(draws)
    found: dict[int, tuple[npt.NDArray[Any], dict[str, Any]]] = {}
    if draws is None and processes.count > 1 and "sharded" in classifier.get_params():
        own = slice(*(len(labels) * rank // processes.count for rank in (processes.rank, processes.rank + 1)))
        found[0] = _judged(clone(classifier).set_params(sharded=True), X[own], labels[own], X_test, {})
        if progress:
            progress(1, 1)
    else:
        with processes.together():
            for number in range(processes.rank, count, processes.count):
                fresh = clone(classifier)
                if "random_state" in fresh.get_params():
                    fresh.set_params(random_state=number)
                rows, own_labels = _training_rows(
                    fresh, X, labels, None if draws is None else draws[number], unlabelled
                )
                found[number] = _judged(fresh, rows, own_labels, X_test, _validation(fresh, validation))
                if progress:
                    progress(min(number + processes.count, count), count)
    found = {number: item for part in processes.gather(found) for number, item in part.items()}
    predictions = tuple(found[number][0] for number in range(count))
    scores = tuple(float((predicted == truth).mean()) * 100 for predicted in predictions)
    chosen = tuple(found[number][1] for number in range(count))
    return Evaluation(scores, chosen, predictions, time.perf_counter() - begun)


def _training_rows(
    classifier: Any,
    X: Features,
    labels: npt.NDArray[Any],
    draw: npt.NDArray[np.int64] | None,
    unlabelled: npt.NDArray[np.int64] | None,
) -> tuple[Features, npt.NDArray[Any]]:
    """What a classifier is fitted to: the draw, and where it learns from rows without labels these too, marked -1."""
    if draw is None:
        return X, labels
    if unlabelled is None or not getattr(classifier, "semi_supervised", False):
        return _rows(X, draw), labels[draw]
    chosen = np.union1d(draw, unlabelled)
    own = np.full(len(labels), -1, np.int64)
    own[draw] = labels[draw]
    return X if len(chosen) == len(labels) else _rows(X, chosen), own[chosen]


def _validation(classifier: Any, validation: tuple[Features, npt.ArrayLike] | None) -> dict[str, Any]:
    """The arguments by which a classifier's `fit` takes validation rows, if it does."""
    if validation is None or "X_validation" not in inspect.signature(classifier.fit).parameters:
        return {}
    return dict(zip(("X_validation", "y_validation"), validation, strict=True))


def _judged(
    classifier: Any, X: Features, labels: npt.NDArray[Any], X_test: Features, validation: dict[str, Any]
) -> tuple[npt.NDArray[Any], dict[str, Any]]:
    """Predictions of the test set by the classifier fitted to X, and what it chose."""
    fitted = classifier.fit(X, labels, **validation)
    chosen = {"C": fitted.C_, "scores": dict(fitted.scores_)} if hasattr(fitted, "C_") else {}
    return fitted.predict(X_test), chosen


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
