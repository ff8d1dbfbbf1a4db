"""ESC-50: 2,000 environmental sounds of 5 s in 50 classes, with its five folds, in its official layout.

Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015. `meta/esc50.csv` lists the files of
`audio/`; recordings cut from one longer recording are in the same fold.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from dcgan_features.data.audio.recordings import Recordings, fold_of
from dcgan_features.data.download import chosen_root
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_text

RATE = 44_100
FOLDERS = ("ESC-50-master", "ESC-50")
_LIST = "meta/esc50.csv"
_COLUMNS = ("filename", "fold", "target", "category", "src_file")


def esc50(root: Path | str | None = None, rate: int = RATE) -> Recordings:
    """All recordings; the folds "fold 1" to "fold 5" each test on one part and train on the four others.

    root : folder that holds `ESC-50-master` or `ESC-50`, or that folder itself. rate : samples a second wanted.
    The group of a recording is the one that it was cut from (`src_file`).
    Raises `InputError` when it is not there, when the list says something else than the official one does, or when
    files that it names are absent.
    """
    chosen = chosen_root(root)
    folder = next((chosen / name for name in FOLDERS if (chosen / name / _LIST).is_file()), chosen)
    listed = folder / _LIST
    if not listed.is_file():
        raise InputError(f"ESC-50 is not in {chosen}: pass --data-root with the folder that holds {FOLDERS[0]}")
    lines = list(csv.DictReader(io.StringIO(read_text(listed), newline="")))
    missing = [name for name in _COLUMNS if not lines or lines[0].get(name) is None]
    if missing:
        raise InputError(f"{listed} has no column '{missing[0]}'; restore the official file")
    names: dict[int, str] = {}
    for number, line in enumerate(lines, 2):
        if not (line["target"] or "").isdecimal() or not (line["fold"] or "").isdecimal():
            raise InputError(
                f"{listed}, line {number}: target and fold must be whole numbers; restore the official file"
            )
        if names.setdefault(int(line["target"]), line["category"]) != line["category"]:
            raise InputError(
                f"{listed}, line {number}: the target {line['target']} has two names; restore the official file"
            )
        if not (folder / "audio" / line["filename"]).is_file():
            raise InputError(
                f"{folder / 'audio' / line['filename']} is missing, which {listed.name} lists; unpack it again"
            )
    targets = sorted(names)
    parts = np.array([int(line["fold"]) for line in lines])
    if len(set(parts.tolist())) < 2:
        raise InputError(f"{listed} has the fold {parts[0]} alone; restore the official file")
    return Recordings(
        name="ESC-50",
        files=tuple(folder / "audio" / line["filename"] for line in lines),
        labels=np.searchsorted(targets, [int(line["target"]) for line in lines]).astype(np.int64),
        classes=tuple(names[target] for target in targets),
        rate=rate,
        groups=tuple(line["src_file"] for line in lines),
        folds=tuple(fold_of(f"fold {part}", parts == part) for part in sorted(set(parts.tolist()))),
        note=f"ESC-50, {len(lines):,} recordings, its {len(set(parts.tolist()))} folds",
    )
