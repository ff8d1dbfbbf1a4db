"""Recordings of one's own: a folder of WAV or FLAC files, or a CSV file that lists them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from dcgan_features.data.audio.recordings import Recordings, fold_of
from dcgan_features.data.labelled.folders import Listed
from dcgan_features.data.labelled.labels import encode_labels
from dcgan_features.data.labelled.lists import list_csv
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.raw import printable

SUFFIXES = (".wav", ".flac")
SPLIT = "test"


def sound_folder(root: Path | str, rate: int, names: str | None = None) -> Recordings:
    """All WAV and FLAC files below a folder, sorted by path; hidden ones are passed over.

    rate : samples a second wanted; files of other rates are resampled when they are read.
    names : a regular expression with the group `label`, and perhaps the group `group`, that must match each file's name
        whole, without its suffix: r"(?P<label>\\d)_(?P<group>\\w+)_\\d+". None: the label is the name of the subfolder
        of `root` that a file lies in.

    Raises `InputError` for a folder without such files, for a name that does not match, for a file beside the
    subfolders, and for fewer than two labels.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise InputError(f"{printable(folder)} is not a folder; check the path")
    files = [
        file
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and file.is_file()
    ]
    if not files:
        raise InputError(
            f"{printable(folder)} holds no WAV or FLAC files, nor do its subfolders; give a folder that does"
        )
    groups = None
    if names is None:
        beside = next((file for file in files if file.parent == folder), None)
        if beside is not None:
            raise InputError(
                f"{printable(beside)} lies beside the folders that name the labels; move it into one of them, or say "
                "by a regular expression how names give labels"
            )
        labels = [file.relative_to(folder).parts[0] for file in files]
    else:
        labels, groups = _from_names(files, names)
    return _recordings(Listed(files, labels, None, groups, f"the folder {folder.resolve().name}"), folder.name, rate)


def sound_list(file: Path | str, rate: int) -> Recordings:
    """The files that a CSV lists, as `data.labelled.lists.list_csv` reads it: path, label, perhaps split and group.

    Where there is a split it is the fold "test". Raises `InputError` for a list that cannot be used, and for files that
    are neither WAV nor FLAC.
    """
    listed = list_csv(Path(file))
    for path in listed.files:
        if path.suffix.lower() not in SUFFIXES:
            raise InputError(f"{printable(file)} lists {printable(path)}, which is neither .wav nor .flac; convert it")
    return _recordings(listed, Path(file).stem, rate)


def _from_names(files: list[Path], names: str) -> tuple[list[str], list[str] | None]:
    try:
        pattern = re.compile(names)
    except re.error as error:
        raise InputError(f"'{names}' is not a regular expression ({error}); correct it") from None
    if "label" not in pattern.groupindex:
        raise InputError(f"'{names}' has no group named label; write (?P<label>...) around it")
    found = [pattern.fullmatch(file.stem) for file in files]
    matched = [match for match in found if match is not None]
    if len(matched) < len(files):
        wrong = next(file for file, match in zip(files, found, strict=True) if match is None)
        raise InputError(
            f"the name of {printable(wrong)} does not match '{names}'; rename it, or change the expression"
        )
    labels = [match["label"] for match in matched]
    return labels, [match["group"] for match in matched] if "group" in pattern.groupindex else None


def _recordings(listed: Listed, name: str, rate: int) -> Recordings:
    labels, _, classes = encode_labels(listed.labels, listed.labels, listed.note)
    folds = () if listed.test is None else (fold_of(SPLIT, np.array(listed.test)),)
    groups = () if listed.groups is None else tuple(listed.groups)
    return Recordings(name, tuple(listed.files), labels, classes, rate, groups, folds, note=listed.note)
