"""SSIM, squared error and PSNR beside a computation pixel by pixel."""

import numpy as np
import pytest

from dcgan_features.benchmarks.video.metrics import peak_ratios, similarities, squared_errors


@pytest.fixture
def frames():
    random = np.random.default_rng(0)
    truth = random.integers(0, 256, (2, 2, 15, 14, 1), dtype=np.uint8)
    return truth, np.clip(truth + random.normal(0, 40, truth.shape), 0, 255).astype(np.uint8)


def brute_force_ssim(x, y):
    """Wang et al. 2004, equation 13, window by window in float64, for one frame of 0..255."""
    offsets = np.arange(11) - 5
    weights = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    found = []
    for top in range(x.shape[0] - 10):
        for left in range(x.shape[1] - 10):
            a, b = (image[top : top + 11, left : left + 11].astype(float) for image in (x, y))
            mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
            variances = (weights * (a - mean_a) ** 2).sum() + (weights * (b - mean_b) ** 2).sum()
            covariance = (weights * (a - mean_a) * (b - mean_b)).sum()
            c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            above = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
            found.append(above / ((mean_a**2 + mean_b**2 + c1) * (variances + c2)))
    return np.mean(found)


def test_ssim_is_that_of_brute_force(frames):
    truth, predicted = frames
    found = similarities(truth, predicted)
    for clip, frame in np.ndindex(2, 2):
        expected = brute_force_ssim(truth[clip, frame, :, :, 0], predicted[clip, frame, :, :, 0])
        assert found[clip, frame] == pytest.approx(expected, abs=1e-5)
    np.testing.assert_allclose(similarities(truth, truth), 1, atol=1e-6)
    with pytest.raises(ValueError, match="at least 11 pixels"):
        similarities(truth[:, :, :10], truth[:, :, :10])


def test_channels_count_apart(frames):
    truth, predicted = frames
    both = similarities(np.concatenate([truth, truth], 4), np.concatenate([predicted, truth], 4))
    np.testing.assert_allclose(both, (similarities(truth, predicted) + 1) / 2, atol=1e-6)


def test_squared_errors_are_sums_over_pixels_of_0_to_1(frames):
    truth, predicted = frames
    expected = ((truth.astype(float) - predicted) ** 2).sum((2, 3, 4)) / 255**2
    np.testing.assert_allclose(squared_errors(truth, predicted), expected, rtol=1e-5)
    np.testing.assert_allclose(peak_ratios(truth, predicted), -10 * np.log10(expected / (15 * 14)), rtol=1e-5)
    black, white = np.zeros_like(truth), np.full_like(truth, 255)
    np.testing.assert_allclose(squared_errors(black, white), 15 * 14)
    np.testing.assert_allclose(peak_ratios(black, black), 100)
