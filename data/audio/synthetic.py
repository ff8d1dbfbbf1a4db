"""Synthetic sound: tones and chirps in place of spoken digits, for demonstrations and tests.

Each class is a glide between two pitches, with a pause in its middle or not; each speaker has a pitch, a speed, a
timbre and a noise of its own. So it is hard where spoken digits are: across speakers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.audio.recordings import Recordings
from dcgan_features.data.audio.spoken_digits import RATE, digits_in
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats.sound import write_sound
from dcgan_features.data.utils.random_streams import uniform

SPEAKERS = ("alto", "bass", "soprano", "tenor")
_PITCH = (1.25, 0.8, 1.5, 1.0)  # of the speakers, as factors
_SPEED = (1.0, 1.3, 0.8, 1.1)
_CLASSES = 10
_GLIDES = ((300, 300), (300, 600), (600, 300), (600, 600), (450, 900))  # Hz; the other five have a pause besides


def write_synthetic_digits(folder: Path, per_speaker: int = 12, seed: int = 0, rate: int = RATE) -> Recordings:
    """Write ten synthetic "digits" of four "speakers" into a folder, named as spoken digits are, and return them.

    per_speaker : recordings of each digit by each speaker, at least 6, of which the first five are the test set.
    Raises `InputError` for fewer, and where the folder cannot be written.
    """
    if per_speaker < 6:
        raise InputError(f"{per_speaker} recordings a digit and speaker leave none to train on; give at least 6")
    files = []
    for digit in range(_CLASSES):
        for number, speaker in enumerate(SPEAKERS):
            for index in range(per_speaker):
                file = folder / f"{digit}_{speaker}_{index}.wav"
                write_sound(file, synthetic_digit(digit, number, index, seed, rate), rate)
                files.append(file)
    return digits_in(folder, sorted(files), rate, synthetic=True)


def synthetic_digit(digit: int, speaker: int, index: int, seed: int = 0, rate: int = RATE) -> NDArray[np.float64]:
    """One synthetic recording, float64 (samples,), -1..1. speaker : its number. index : of the recording."""
    draws = uniform((8,), seed, digit, speaker, index)
    seconds = 0.4 * _SPEED[speaker] * (0.85 + 0.3 * draws[0])
    count = round(seconds * rate)
    time = np.arange(count) / count
    low, high = _GLIDES[digit % len(_GLIDES)]
    pitch = _PITCH[speaker] * (0.95 + 0.1 * draws[1]) * (low + (high - low) * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    sound = sum(np.sin(k * phase) * (0.3 + 0.5 * speaker / 3) ** (k - 1) for k in range(1, 5))
    envelope = np.sin(np.pi * time) ** 0.5
    if digit >= len(_GLIDES):
        envelope = envelope * (np.abs(time - 0.5) > 0.12)
    noise = 2 * uniform((count,), seed, digit, speaker, index, 1) - 1
    sound = sound * envelope * (0.2 + 0.1 * draws[2]) + 0.002 * (1 + speaker) * noise
    before, after = (round(0.1 * draw * rate) for draw in draws[3:5])
    return np.pad(sound, (before, after))
