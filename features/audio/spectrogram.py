"""Log-mel spectrograms as images, and images as sound again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from dcgan_features.data.utils.checks import check_counts, check_positive
from dcgan_features.data.utils.formats.sound import Sound, sound_library
from dcgan_features.data.utils.identity import known_as
from dcgan_features.features.base import Images, check_images

_WHITE = 255


@known_as("features.audio.LogMelSpectrogram")
class LogMelSpectrogram(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Sounds of one length to images: uint8 (n, bands, frames, 1), high frequencies on top, time to the right.

    A pixel is the power in one mel band and frame, in decibels below the largest of its own image: 255 is 0 dB, 0 is
    -`range_db` dB or less, and between them one grey level is `range_db` / 255 dB. So loudness is left out, and what is
    `range_db` below the loudest is silence. Short-time Fourier transform with a Hann window, mel bands (Slaney's scale
    and area normalisation), both librosa's; frame t is centred on sample t * hop, hop being the sounds' length over
    `frames`.

    Parameters
    ----------
    rate : int, default 8000
        Samples a second of the sounds.
    bands, frames : int, default 32
        Height and width of the images. Networks take square ones.
    window : int, default 512
        Samples that a frame sees.
    low : float, default 50.0
        Hz, where the lowest band begins; the highest ends at `rate` / 2.
    range_db : float, default 60.0
        Decibels from white to black.
    iterations : int, default 64
        Of Griffin & Lim's algorithm, in `inverse_transform`.
    seed : int, default 0
        Of the phases with which these iterations begin.

    Attributes
    ----------
    n_samples_ : int, samples of each sound.
    hop_ : int, samples from a frame to the next.

    Examples
    --------
    >>> import numpy as np
    >>> from dcgan_features.features.audio import LogMelSpectrogram
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(5120) / 8000).astype(np.float32)
    >>> LogMelSpectrogram(rate=8000).fit_transform(tone[None]).shape
    (1, 32, 32, 1)
    """

    def __init__(
        self,
        rate: int = 8000,
        bands: int = 32,
        frames: int = 32,
        window: int = 512,
        low: float = 50.0,
        range_db: float = 60.0,
        iterations: int = 64,
        seed: int = 0,
    ) -> None:
        self.rate = rate
        self.bands = bands
        self.frames = frames
        self.window = window
        self.low = low
        self.range_db = range_db
        self.iterations = iterations
        self.seed = seed

    def fit(self, sounds: Iterable[Sound], y: object = None) -> Self:
        """Note the length of the sounds, each (samples,); nothing is learned. `y` is ignored.

        Raises ValueError for parameters that do not go together, and for a length that `frames` does not divide.
        """
        first = next(iter(sounds), None)
        if first is None:
            raise ValueError("there are no sounds: give at least one")
        return self.fit_length(len(first))

    def fit_length(self, samples: int) -> Self:
        """The same from the number of samples alone."""
        check_counts(
            rate=self.rate, bands=self.bands, frames=self.frames, window=self.window, iterations=self.iterations
        )
        check_positive("low", self.low)
        check_positive("range_db", self.range_db)
        if self.low >= self.rate / 2:
            raise ValueError(f"low={self.low!r} must be below half the rate, {self.rate / 2:g} Hz")
        if samples < self.frames or samples % self.frames:
            raise ValueError(f"sounds of {samples} samples do not divide into frames={self.frames} equal steps")
        self.n_samples_, self.hop_ = samples, samples // self.frames
        if self.hop_ > self.window:
            raise ValueError(
                f"window={self.window} is shorter than a step of {self.hop_} samples: sound would be left out"
            )
        return self

    def fit_transform(self, sounds: Iterable[Sound], y: object = None, **_: Any) -> Images:
        """`fit` and `transform` in one pass over sounds that may be read only once."""
        kept = list(sounds)
        return self.fit(kept).transform(kept)

    def transform(self, sounds: Iterable[Sound]) -> Images:
        """Images of the sounds, float (samples,) each: uint8 (n, bands, frames, 1).

        Raises ValueError for sounds of another length, or whose samples are not finite.
        """
        check_is_fitted(self, "n_samples_")
        library = sound_library("librosa")
        images = [self._image(np.asarray(sound, np.float32), library) for sound in sounds]
        if not images:
            raise ValueError("there are no sounds: give at least one")
        return np.stack(images)[..., None]

    def _image(self, sound: Sound, library: Any) -> Images:
        if sound.shape != (self.n_samples_,):
            raise ValueError(f"sounds have {self.n_samples_} samples, not the shape {sound.shape}")
        if not np.isfinite(sound).all():
            raise ValueError("a sound has samples that are not finite")
        power = library.feature.melspectrogram(
            y=sound, sr=self.rate, n_fft=self.window, hop_length=self.hop_, n_mels=self.bands, fmin=self.low,
            center=True, power=2.0,
        )[:, : self.frames]  # fmt: skip
        if power.max() <= 0:  # silence has no largest power
            return np.zeros((self.bands, self.frames), np.uint8)
        decibels = library.power_to_db(power, ref=np.max, amin=power.max() * 1e-12, top_db=None)
        levels = np.clip(1 + decibels / self.range_db, 0, 1) * _WHITE
        image: Images = np.rint(levels[::-1]).astype(np.uint8)
        return image

    def inverse_transform(self, images: Images) -> Sound:
        """Sounds whose spectrograms are near the images: float32 (n, samples), the largest sample of each 0.9.

        What a spectrogram does not hold is found by librosa: the power between mel bands by non-negative least squares,
        the phase by Griffin & Lim's iterations (Signal estimation from modified short-time Fourier transform, IEEE
        ASSP 1984) in their fast form (Perraudin et al., 2013). Black is taken for silence.
        """
        check_is_fitted(self, "n_samples_")
        images = check_images(images)
        if images.shape[1:] != (self.bands, self.frames, 1):
            raise ValueError(f"images must have the shape {(self.bands, self.frames, 1)}, not {images.shape[1:]}")
        library = sound_library("librosa")
        sounds = np.zeros((len(images), self.n_samples_), np.float32)
        for sound, image in zip(sounds, images, strict=True):
            levels = image[::-1, :, 0].astype(np.float64)
            decibels = (levels / _WHITE - 1) * self.range_db
            power = np.where(levels > 0, 10 ** (decibels / 10), 0.0).astype(np.float32)
            if not power.any():
                continue
            magnitudes = library.feature.inverse.mel_to_stft(
                power, sr=self.rate, n_fft=self.window, power=2.0, fmin=self.low
            )
            magnitudes = np.pad(
                magnitudes, ((0, 0), (0, 1)), mode="edge"
            )  # the frame at the end, which images leave out
            made = library.griffinlim(
                magnitudes, n_iter=self.iterations, hop_length=self.hop_, n_fft=self.window, length=self.n_samples_,
                random_state=self.seed,
            )  # fmt: skip
            sound[:] = 0.9 * made / max(float(np.abs(made).max()), 1e-12)
        return sounds
