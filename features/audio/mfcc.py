"""Statistics of mel-frequency cepstral coefficients: the baseline of speech and sound."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from dcgan_features.data.utils.checks import check_counts
from dcgan_features.data.utils.formats.sound import Sound, sound_library
from dcgan_features.data.utils.identity import known_as

_WIDTH = 9  # frames over which a slope is taken: librosa's


@known_as("features.audio.MfccStatistics")
class MfccStatistics(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Mean and standard deviation over time of MFCC and of their first and second slopes.

    A sound of whatever length becomes `segments` x 6 x `coefficients` numbers: for each of the segments, which follow
    one another and are equally long, the means, then the standard deviations, of the coefficients, of their slopes
    (deltas) and of the slopes of these. With one segment all order in time is left out. The numbers are of very
    different sizes: put scikit-learn's `StandardScaler` behind it.

    Davis & Mermelstein, IEEE ASSP 1980, by librosa: frames of `window` seconds each `hop` seconds, logarithms of
    `bands` mel bands within 80 dB of the largest, type II cosine transform.

    Parameters
    ----------
    rate : int, default 8000
        Samples a second of the sounds.
    coefficients : int, default 20
        The first of them, loudness included.
    segments : int, default 1
        Parts of equal length that have statistics of their own.
    bands : int, default 40
        Mel bands.
    window, hop : float, default 0.025 and 0.01
        Seconds.

    Attributes
    ----------
    n_features_out_ : int.

    Examples
    --------
    >>> import numpy as np
    >>> from dcgan_features.features.audio import MfccStatistics
    >>> sounds = [np.random.default_rng(n).normal(size=4000).astype(np.float32) for n in range(3)]
    >>> MfccStatistics().fit_transform(sounds).shape
    (3, 120)
    """

    def __init__(
        self,
        rate: int = 8000,
        coefficients: int = 20,
        segments: int = 1,
        bands: int = 40,
        window: float = 0.025,
        hop: float = 0.01,
    ) -> None:
        self.rate = rate
        self.coefficients = coefficients
        self.segments = segments
        self.bands = bands
        self.window = window
        self.hop = hop

    def fit(self, sounds: Iterable[Sound], y: object = None) -> Self:
        """Check the parameters; nothing is learned. `sounds` and `y` are ignored.

        Raises ValueError for parameters that do not go together.
        """
        check_counts(rate=self.rate, coefficients=self.coefficients, segments=self.segments, bands=self.bands)
        if not 0 < self.hop <= self.window:
            raise ValueError(f"hop={self.hop!r} must be above 0 and at most window={self.window!r}")
        if self.coefficients > self.bands:
            raise ValueError(f"coefficients={self.coefficients} are more than bands={self.bands}")
        self.n_features_out_ = 6 * self.coefficients * self.segments
        return self

    def transform(self, sounds: Iterable[Sound]) -> NDArray[np.float32]:
        """The numbers of each sound, float (samples,): float32 (n, n_features_out_).

        Raises ValueError for no sounds, and for samples that are not finite.
        """
        check_is_fitted(self, "n_features_out_")
        library = sound_library("librosa")
        rows = [self._of(np.asarray(sound, np.float32), library) for sound in sounds]
        if not rows:
            raise ValueError("there are no sounds: give at least one")
        return np.stack(rows).astype(np.float32)

    def _of(self, sound: Sound, library: Any) -> NDArray[np.float64]:
        if sound.ndim != 1 or not len(sound) or not np.isfinite(sound).all():
            raise ValueError(f"a sound must be finite samples (samples,), not of shape {sound.shape}")
        samples = max(round(self.window * self.rate), 2)
        n_fft = 1 << (samples - 1).bit_length()  # a power of two, of which the window is the middle
        sound = np.pad(sound, (0, max(n_fft - len(sound), 0)))  # one that is shorter than a frame
        coefficients = library.feature.mfcc(
            y=sound, sr=self.rate, n_mfcc=self.coefficients, n_fft=n_fft, win_length=samples,
            hop_length=max(round(self.hop * self.rate), 1), n_mels=self.bands,
        )  # fmt: skip
        slopes = [library.feature.delta(coefficients, width=_WIDTH, order=order, mode="nearest") for order in (1, 2)]
        stacked = np.concatenate([coefficients, *slopes]).astype(np.float64)  # (3 x coefficients, frames)
        edges = np.linspace(0, stacked.shape[1], self.segments + 1)
        parts = [stacked[:, int(low) : max(int(high), int(low) + 1)] for low, high in itertools.pairwise(edges)]
        return np.concatenate([value for part in parts for value in (part.mean(1), part.std(1))])
