"""How far a classifier's probabilities can be believed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

BINS = 15


def calibration_error(truth: npt.NDArray[Any], classes: npt.NDArray[Any], shares: npt.NDArray[np.float64]) -> float:
    """Expected calibration error in percentage points.

    Predictions are put into 15 bins of equal width by the probability of the class predicted; the error is the mean
    over the bins, weighted by their sizes, of |accuracy - mean probability| (Guo et al., On Calibration of Modern
    Neural Networks, ICML 2017, equation 3).

    truth : (n,) labels. classes : (k,). shares : (n, k), each row summing to 1. Raises ValueError for other shapes.
    """
    if shares.ndim != 2 or shares.shape != (len(truth), len(classes)) or not len(truth):
        raise ValueError(f"probabilities of shape {shares.shape} for {len(truth)} images and {len(classes)} classes")
    confidence, right = shares.max(1), classes[shares.argmax(1)] == truth
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, right - confidence, BINS)
    return float(100 * np.abs(gaps).sum() / len(truth))
