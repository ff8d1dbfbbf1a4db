"""The study's recordings, their spectrograms, and the networks that are trained on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dcgan_features.benchmarks.config.components import find
from dcgan_features.benchmarks.config.schema import Training, Weights
from dcgan_features.benchmarks.config.weights import StoredWeights, TrainedWeights, locate, prepare
from dcgan_features.benchmarks.speech.study import SYNTHETIC, Study
from dcgan_features.data.audio import Fold, Recordings, spoken_digits, write_synthetic_digits
from dcgan_features.data.audio.spoken_digits import SPLIT
from dcgan_features.data.dataset import Dataset, Images
from dcgan_features.data.utils.cli import Advance, progress
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import keep_array, kept_array
from dcgan_features.data.utils.formats.sound import Sound as SoundArray
from dcgan_features.data.utils.hashing import digest_of
from dcgan_features.features.audio import LogMelSpectrogram, MfccStatistics

OWN, SPEAKERS = "own", "speakers"


def load_recordings(study: Study, data_root: Path | None, store: Path) -> Recordings:
    """The recordings that the study names; synthetic ones are written into the store first.

    Raises `InputError` where they are absent or cannot be used.
    """
    if study.source == SYNTHETIC:
        return write_synthetic_digits(store / "synthetic-digits", study.per_speaker, rate=study.sound.rate)
    return spoken_digits(data_root, study.sound.rate)


@dataclass(frozen=True)
class Parts:
    """What all rows share. store : folder of spectrograms and networks, found again by content."""

    study: Study
    recordings: Recordings
    store: Path

    @cached_property
    def log_mel(self) -> LogMelSpectrogram:
        """The spectrogram that the study describes, for its length of sound."""
        made: LogMelSpectrogram = find(self.study.log_mel(), "features.audio", "spectrogram").build({})
        return made.fit_length(round(self.study.sound.seconds * self.study.sound.rate))

    @cached_property
    def moved(self) -> NDArray[np.uint8]:
        """Spectrograms of all recordings, moved by each of the shifts: uint8 (shifts, n, height, width, 1)."""
        return np.stack([self._spectrograms(shift) for shift in self.study.shifts])

    @cached_property
    def images(self) -> Images:
        """Spectrograms of all recordings, uint8 (n, height, width, 1)."""
        return self._spectrograms(0.0)

    def of_recordings(self, extractor: MfccStatistics) -> NDArray[np.float32]:
        """What an extractor that learns nothing makes of all recordings, as long as they are: float32 (n, d)."""
        settings = [self.recordings.digest, extractor.get_params()]
        path = self.store / "recordings" / f"{digest_of(settings)[:24]}.npy"
        width = extractor.fit(()).n_features_out_
        return self._kept(path, np.dtype(np.float32), (width,), lambda: self.recordings.sounds(), extractor, "MFCC")

    def folds(self, split: str) -> tuple[Fold, ...]:
        """The folds of a split: of the own one a single one; of the speakers one for each."""
        return (self.recordings.fold(SPLIT),) if split == OWN else self.recordings.leave_one_group_out()

    def network(self, split: str, fold: Fold, train: bool = True) -> StoredWeights | TrainedWeights:
        """The discriminator that has learnt from the recordings that the fold trains on, and from no others.

        train : train it unless it is there.
        """
        images = np.concatenate(self.moved[:, fold.train])
        presentations = self.study.images.own if split == OWN else self.study.images.speakers
        recipe = {**self.study.recipe, "images": presentations}
        name = self.recordings.title if split == OWN else f"{self.recordings.title} without {fold.name}"
        weights = Weights(train=Training(recipe=recipe))
        source = locate(weights, self.study.name, self.store, self.store, Dataset(name, images), self.store)
        if train:
            prepare(source, images, torch.device("cpu"))
        return source

    def _spectrograms(self, shift: float) -> Images:
        sound = self.study.sound
        settings = [self.recordings.digest, sound.model_dump(), self.log_mel.get_params(), shift]
        path = self.store / "spectrograms" / f"{digest_of(settings)[:24]}.npy"
        shape = (self.log_mel.bands, self.log_mel.frames, 1)

        def windows() -> Iterator[SoundArray]:
            return self.recordings.windows(sound.seconds, sound.placement, shift)

        return self._kept(path, np.dtype(np.uint8), shape, windows, self.log_mel, f"spectrograms, moved by {shift:g} s")

    def _kept(
        self,
        path: Path,
        dtype: np.dtype[Any],
        shape: tuple[int, ...],
        sounds: Callable[[], Iterator[SoundArray]],
        transformer: LogMelSpectrogram | MfccStatistics,
        what: str,
    ) -> NDArray[Any]:
        """What a transformer makes of each recording's sound, (n, *shape), from the store where it has it."""
        whole = (len(self.recordings), *shape)
        found = kept_array(path, dtype, whole)
        if found is None:
            with progress(len(self.recordings), what) as advance:
                keep_array(path, _each(sounds(), transformer, advance), dtype, whole)
            found = kept_array(path, dtype, whole)
        if found is None:
            raise InputError(f"{path} changed while it was being written; run the same command again")
        return found


def _each(
    sounds: Iterator[SoundArray], transformer: LogMelSpectrogram | MfccStatistics, advance: Advance
) -> Iterator[NDArray[Any]]:
    for sound in sounds:
        yield transformer.transform([sound])
        advance()
