"""How far predicted frames are from the true ones, frame by frame: squared error, SSIM and PSNR.

Pixels are scaled to 0..1. The squared error is summed over a frame's pixels, the convention of Moving MNIST's tables.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Values = NDArray[np.float64]
SIGMA, RADIUS = 1.5, 5  # the window of 11 x 11 pixels
C1, C2 = 0.01**2, 0.03**2  # of a range of 1
MOST_DECIBELS = 100.0  # of frames that are equal


def squared_errors(truth: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> Values:
    """The sum over pixels of the squared differences, 0..1 each; (n, frames) of uint8 (n, frames, h, w, channels)."""
    difference = (truth.astype(np.float32) - predicted.astype(np.float32)) / 255
    errors: Values = np.square(difference).sum((2, 3, 4), dtype=np.float64)
    return errors


def peak_ratios(truth: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> Values:
    """The peak signal-to-noise ratio in decibels, at most 100; shapes as above."""
    mean = squared_errors(truth, predicted) / np.prod(truth.shape[2:])
    with np.errstate(divide="ignore"):
        ratios: Values = np.minimum(-10 * np.log10(mean), MOST_DECIBELS)
    return ratios


def similarities(truth: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> Values:
    """Structural similarity, -1..1; shapes as above, channels apart and averaged.

    Wang, Bovik, Sheikh & Simoncelli, IEEE Transactions on Image Processing 13 (2004), section III.B: a Gaussian window
    of 11 x 11 pixels and standard deviation 1.5, K1 = 0.01, K2 = 0.03; the mean over all windows within the frame.
    Raises ValueError for frames smaller than a window.
    """
    if min(truth.shape[2:4]) <= 2 * RADIUS:
        raise ValueError(f"SSIM needs frames of at least {2 * RADIUS + 1} pixels, not {truth.shape[2:4]}")
    x, y = (frames.astype(np.float32) / 255 for frames in (truth, predicted))
    mean_x, mean_y = _windowed(x), _windowed(y)
    # the variances may come out below 0 by rounding, by far less than C2
    variance_x = _windowed(x * x) - mean_x**2
    variance_y = _windowed(y * y) - mean_y**2
    covariance = _windowed(x * y) - mean_x * mean_y
    alike = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    alike /= (mean_x**2 + mean_y**2 + C1) * (variance_x + variance_y + C2)
    inside = alike[:, :, RADIUS:-RADIUS, RADIUS:-RADIUS]
    similar: Values = inside.mean((2, 3, 4), dtype=np.float64)
    return similar


def _windowed(values: NDArray[Any]) -> NDArray[Any]:
    """Weighted means of the windows around each pixel."""
    found: NDArray[Any] = gaussian_filter(values, (0, 0, SIGMA, SIGMA, 0), radius=(0, 0, RADIUS, RADIUS, 0))
    return found
