"""The study's recordings, their spectrograms, and the networks that are trained on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

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
from dcgan_features.data.utils.hashing import digest_of
from dcgan_features.features.audio import LogMelSpectrogram

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
        dtype, shape = np.dtype(np.uint8), (len(self.recordings), self.log_mel.bands, self.log_mel.frames, 1)
        found = kept_array(path, dtype, shape)
        if found is None:
            with progress(len(self.recordings), f"spectrograms, moved by {shift:g} s") as advance:
                keep_array(path, self._made(shift, advance), dtype, shape)
            found = kept_array(path, dtype, shape)
        if found is None:
            raise InputError(f"{path} changed while it was being written; run the same command again")
        return found

    def _made(self, shift: float, advance: Advance) -> Iterator[Images]:
        sound = self.study.sound
        for window in self.recordings.windows(sound.seconds, sound.placement, shift):
            yield self.log_mel.transform([window])
            advance()
