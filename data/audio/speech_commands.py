"""Speech Commands, version 2: 105,829 recordings of 35 words, 1 s at most, in its official layout.

Warden, Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition, arXiv 1804.03209: a folder a word, files
`{speaker}_nohash_{number}.wav`; `testing_list.txt` and `validation_list.txt` name files, all others are the training
set. `_background_noise_` holds no words.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dcgan_features.data.audio.recordings import Recordings, fold_of
from dcgan_features.data.download import chosen_root
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_text

RATE = 16_000
FOLDERS = ("SpeechCommands/speech_commands_v0.02", "speech_commands_v0.02")
SPLIT, VALIDATION = "test", "validation"
_LISTS = {SPLIT: "testing_list.txt", VALIDATION: "validation_list.txt"}
_HASH = "_nohash_"


def speech_commands(root: Path | str | None = None, rate: int = RATE) -> Recordings:
    """All recordings, with the word as the label and the speaker as the group.

    root : folder that holds `speech_commands_v0.02`, or that folder itself. rate : samples a second wanted.
    The fold "test" trains on all that neither list names and tests on the testing list; the fold "validation" trains on
    the same and tests on the validation list.
    Raises `InputError` when it is not there, or when a list names a file that is absent, or one that the other names.
    """
    chosen = chosen_root(root)
    folder = next((chosen / name for name in FOLDERS if (chosen / name).is_dir()), chosen)
    if not (folder / _LISTS[SPLIT]).is_file() or not (folder / _LISTS[VALIDATION]).is_file():
        raise InputError(
            f"Speech Commands is not in {chosen}: pass --data-root with the folder that holds {FOLDERS[1]}, in which "
            f"{_LISTS[SPLIT]} and {_LISTS[VALIDATION]} lie"
        )
    files = sorted(file for file in folder.glob("*/*.wav") if not file.parent.name.startswith(("_", ".")))
    number = {f"{file.parent.name}/{file.name}": index for index, file in enumerate(files)}
    is_in = {part: np.zeros(len(files), bool) for part in _LISTS}
    for part, name in _LISTS.items():
        for line, written in enumerate(read_text(folder / name).split("\n"), 1):
            if not written.strip():
                continue
            if written.strip() not in number:
                raise InputError(f"{folder / name}, line {line}: {written.strip()} does not exist; unpack it again")
            is_in[part][number[written.strip()]] = True
    both = is_in[SPLIT] & is_in[VALIDATION]
    if both.any():
        raise InputError(f"{files[int(both.argmax())]} is on both lists of {folder}; restore the official ones")
    is_train = ~is_in[SPLIT] & ~is_in[VALIDATION]
    classes = sorted({file.parent.name for file in files})
    return Recordings(
        name="Speech Commands",
        files=tuple(files),
        labels=np.searchsorted(classes, [file.parent.name for file in files]).astype(np.int64),
        classes=tuple(classes),
        rate=rate,
        groups=tuple(file.stem.partition(_HASH)[0] for file in files),
        folds=tuple(fold_of(part, is_in[part], is_train) for part in _LISTS),
        note=f"Speech Commands version 2, {len(files):,} recordings of {len(classes)} words, its own lists",
    )
