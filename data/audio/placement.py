"""Sounds of one length: padded with silence, or cropped."""

from __future__ import annotations

import numpy as np

from dcgan_features.data.utils.checks import check_choice, check_counts
from dcgan_features.data.utils.formats.sound import Sound

PLACES = ("start", "centre", "energy")


def placed(sound: Sound, length: int, place: str = "energy", shift: int = 0) -> Sound:
    """A window of `length` samples of a sound, with silence (0) wherever the sound has ended or not begun.

    sound : float32 (samples,).
    place : "start" begins with the sound; "centre" has its middle in the middle; "energy" has in the middle its centre
        of energy, the mean position of the squared samples, so that silence recorded before or after a word moves it
        little (that of a silent sound is its middle).
    shift : samples by which the window lies later, so that what it shows moves to the left; negative: earlier.

    Returns float32 (length,). Raises ValueError for other values of `place` or a length below 1.
    """
    check_choice("place", place, PLACES)
    check_counts(length=length)
    middle = len(sound) / 2
    if place == "energy":
        power = np.square(sound, dtype=np.float64)
        total = float(power.sum())
        middle = float(power @ np.arange(len(sound))) / total if total > 0 else middle
    begin = shift if place == "start" else round(middle - length / 2) + shift
    window = np.zeros(length, np.float32)
    first, last = max(begin, 0), min(begin + length, len(sound))
    if first < last:
        window[first - begin : last - begin] = sound[first:last]
    return window
