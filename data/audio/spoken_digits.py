"""The Free Spoken Digit Dataset: 3,000 recordings of ten digits by six speakers, in its published layout.

Zohar Jackson and others, github.com/Jakobovski/free-spoken-digit-dataset, release 1.0.10 and its like: WAV files named
`{digit}_{speaker}_{index}.wav`, 8,000 samples a second. Its README makes the recordings with indices 0 to 4 the test
set (300), all others the training set (2,700).
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np

from dcgan_features.data.audio.recordings import Recordings, fold_of
from dcgan_features.data.download import chosen_root
from dcgan_features.data.utils.errors import InputError

CLASSES = tuple("0123456789")
RATE = 8000
FOLDERS = ("spoken-digits", "free-spoken-digit-dataset/recordings", "recordings")
SPLIT = "test"
_TEST = 5  # indices below it are the test set's
_NAME = re.compile(r"(\d)_([A-Za-z0-9-]+)_(\d+)\.wav")


def spoken_digits(root: Path | str | None = None, rate: int = RATE) -> Recordings:
    """All recordings, with the digit as the label and the speaker as the group; its own split is the fold "test".

    root : folder that holds `spoken-digits`, or a clone `free-spoken-digit-dataset`, or the recordings themselves.
        None: the environment variable DATA_ROOT, or ~/.cache/dcgan-features.

    Raises `InputError` when they are not there, when a file has another name, and when a digit lacks a speaker's test
    or training recordings.
    """
    chosen = chosen_root(root)
    folder = next((chosen / name for name in FOLDERS if (chosen / name).is_dir()), chosen)
    files = sorted(folder.glob("*.wav")) if folder.is_dir() else []
    if not files:
        raise InputError(
            f"the spoken digits are not in {chosen}: pass --data-root with the folder that holds {FOLDERS[0]}, or use "
            "--preset demo, which needs no data"
        )
    return digits_in(folder, files, rate)


def digits_in(folder: Path, files: list[Path], rate: int = RATE, synthetic: bool = False) -> Recordings:
    """The recordings among `files` of a folder, which must all be named as the data set's are."""
    named = [_NAME.fullmatch(file.name) for file in files]
    found = [match.groups() for match in named if match is not None]
    if len(found) < len(files):
        wrong = next(file for file, match in zip(files, named, strict=True) if match is None)
        raise InputError(f"{wrong} is not named DIGIT_SPEAKER_INDEX.wav as spoken digits are; move it elsewhere")
    speakers = tuple(speaker for _, speaker, _ in found)
    is_test = np.array([int(index) < _TEST for _, _, index in found])
    _check_complete(folder, [(digit, speaker) for digit, speaker, _ in found], is_test.tolist())
    count = len(set(speakers))
    return Recordings(
        name="synthetic digits" if synthetic else "spoken digits",
        files=tuple(files),
        labels=np.array([int(digit) for digit, _, _ in found], np.int64),
        classes=CLASSES,
        rate=rate,
        groups=speakers,
        folds=(fold_of(SPLIT, is_test),),
        synthetic=synthetic,
        note=f"{'synthetic tones' if synthetic else 'Free Spoken Digit Dataset'}, {len(files):,} recordings of "
        f"{count} speakers, its own split: {int(is_test.sum()):,} to test on",
    )


def _check_complete(folder: Path, found: list[tuple[str, str]], is_test: list[bool]) -> None:
    """Every speaker has training and test recordings of every digit."""
    counts = Counter(zip(found, is_test, strict=True))
    for speaker in sorted({speaker for _, speaker in found}):
        for digit in CLASSES:
            for test, part in ((True, "test"), (False, "training")):
                if not counts[(digit, speaker), test]:
                    raise InputError(
                        f"{folder} has no {part} recording of the digit {digit} by {speaker}; unpack the data set again"
                    )
