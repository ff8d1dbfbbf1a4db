"""Where classifiers go wrong: which classes are taken for which, and which images only one of two gets right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


def confusion(truth: npt.NDArray[Any], predicted: npt.NDArray[Any], classes: int) -> npt.NDArray[np.float64]:
    """Percent of each true class (row) that is taken for each class (column), (classes, classes).

    truth : (n,), 0..classes-1. predicted : (draws, n); the draws are averaged. The row of an absent class is 0.
    """
    counts = np.zeros((classes, classes))
    np.add.at(counts, (np.broadcast_to(truth, predicted.shape), predicted), 1)
    percent: npt.NDArray[np.float64] = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return percent


@dataclass(frozen=True)
class Disagreement:
    """Two classifiers image by image, n test images.

    first, second : share of its fits in which each gets an image right, (n,).
    only_first, only_second : indices of the images that one gets right in most fits and the other in fewer than half,
    the clearest first. mistaken_first, mistaken_second : the wrong class that each says most often, (n,).
    """

    first: npt.NDArray[np.float64]
    second: npt.NDArray[np.float64]
    only_first: npt.NDArray[np.int64]
    only_second: npt.NDArray[np.int64]
    mistaken_first: npt.NDArray[np.int64]
    mistaken_second: npt.NDArray[np.int64]


def disagreement(
    truth: npt.NDArray[Any], first: Sequence[npt.NDArray[Any]], second: Sequence[npt.NDArray[Any]], classes: int
) -> Disagreement:
    """Which images two classifiers differ in.

    truth : (n,), 0..classes-1. first, second : predictions under each protocol, (draws, n); protocols weigh the same.
    """
    one, other = _shares(truth, first, classes), _shares(truth, second, classes)
    right, wrong = one[np.arange(len(truth)), truth], other[np.arange(len(truth)), truth]
    return Disagreement(
        first=right,
        second=wrong,
        only_first=_only(right, wrong),
        only_second=_only(wrong, right),
        mistaken_first=_mistaken(truth, one),
        mistaken_second=_mistaken(truth, other),
    )


def _shares(truth: npt.NDArray[Any], predictions: Sequence[npt.NDArray[Any]], classes: int) -> npt.NDArray[np.float64]:
    """The share of fits that say each class of each image, (n, classes)."""
    shares = np.zeros((len(truth), classes))
    for predicted in predictions:
        for draw in predicted:
            shares[np.arange(len(truth)), draw] += 1 / (len(predicted) * len(predictions))
    return shares


def _only(better: npt.NDArray[np.float64], worse: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    found = np.flatnonzero((better > 0.5) & (worse < 0.5))
    order = np.argsort(worse[found] - better[found], kind="stable")
    return np.asarray(found[order], dtype=np.int64)


def _mistaken(truth: npt.NDArray[Any], shares: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    others = shares.copy()
    others[np.arange(len(truth)), truth] = -1
    return np.asarray(others.argmax(1), dtype=np.int64)
