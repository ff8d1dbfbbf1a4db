import numpy as np
import pytest
from scipy import fft, signal

from dcgan_features.features.audio import MfccStatistics

RATE = 8000


def noise(samples, seed=0):
    return np.random.default_rng(seed).normal(size=samples).astype(np.float32)


def coefficients_by_hand(sound, count=20, bands=40, window=200, hop=80, size=256):
    """MFCC by scipy: Hann window in the middle of 256 samples, mel power in dB, cosine transform."""
    from tests.features.audio.test_spectrogram import mel

    padded = np.pad(sound, size // 2)
    frames = np.stack([padded[at : at + size] for at in range(0, len(sound) + 1, hop)])
    hann = np.pad(signal.windows.hann(window, sym=False), (size - window) // 2)
    power = np.abs(np.fft.rfft(frames * hann)) ** 2
    edges = np.linspace(0, mel(RATE / 2), bands + 2)
    hertz = np.where(edges < 15, edges * 200 / 3, 1000 * 6.4 ** ((edges - 15) / 27))
    bins = np.arange(size // 2 + 1) * RATE / size
    weights = np.stack(
        [np.interp(bins, hertz[i : i + 3], [0, 1, 0], 0, 0) * 2 / (hertz[i + 2] - hertz[i]) for i in range(bands)]
    )
    decibels = 10 * np.log10(np.maximum(weights @ power.T, 1e-10))
    return fft.dct(np.maximum(decibels, decibels.max() - 80), axis=0, norm="ortho")[:count]


def test_means_and_deviations_of_coefficients_and_slopes_by_hand():
    sound = noise(4000) * np.linspace(0.1, 1, 4000).astype(np.float32)
    found = MfccStatistics().fit([sound]).transform([sound])[0]
    coefficients = coefficients_by_hand(sound)
    slopes = signal.savgol_filter(coefficients, 9, 1, deriv=1, axis=1, mode="nearest")
    second = signal.savgol_filter(coefficients, 9, 2, deriv=2, axis=1, mode="nearest")
    stacked = np.concatenate([coefficients, slopes, second])
    assert np.allclose(found, np.concatenate([stacked.mean(1), stacked.std(1)]), rtol=1e-3, atol=2e-3)


def test_segments_have_statistics_of_their_own():
    """What is turned round in time has the same means of MFCC in one segment, and others in two."""
    rising = noise(8000) * np.linspace(0.01, 1, 8000).astype(np.float32)
    one, two = MfccStatistics().fit(()), MfccStatistics(segments=2).fit(())
    forth, back = one.transform([rising, rising[::-1]])[:, :20]
    assert np.allclose(forth, back, atol=1.0)
    forth, back = two.transform([rising, rising[::-1]])[:, :20]
    assert np.abs(forth - back).max() > 20
    assert two.n_features_out_ == 240
    assert np.allclose(forth, two.transform([rising])[0, :20], atol=1e-3)


def test_sounds_of_all_lengths_give_numbers():
    found = MfccStatistics(segments=3).fit(()).transform([noise(samples) for samples in (1, 50, 700, 20_000)])
    assert found.shape == (4, 360)
    assert np.isfinite(found).all()


def test_wrong_parameters_and_sounds():
    for settings, message in (
        ({"coefficients": 41}, "more than bands=40"),
        ({"hop": 0.1}, "hop=0.1 must be above 0"),
        ({"segments": 0}, "segments=0"),
    ):
        with pytest.raises(ValueError, match=message):
            MfccStatistics(**settings).fit(())
    flat, absent = np.zeros((2, 2), np.float32), np.full(9, np.nan, np.float32)
    for sounds, message in (([], "no sounds"), ([flat], r"shape \(2, 2\)"), ([absent], "finite")):
        with pytest.raises(ValueError, match=message):
            MfccStatistics().fit(()).transform(sounds)
