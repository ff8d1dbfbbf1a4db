"""Labelled pictures as a user keeps them: `train/CLASS/*` and `test/CLASS/*`, or `CLASS/*` alone."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from dcgan_features.data.listing import list_pictures
from dcgan_features.data.utils.errors import InputError

log = logging.getLogger(__name__)

TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "testing", "val", "valid", "validation")


@dataclass(frozen=True)
class Listed:
    """Pictures with their labels, in order.

    labels : as written, one a file. test : whether each is a test image; None where no split is given.
    groups : as written, one a file; None where there are none. note : what was found, in words.
    """

    files: list[Path]
    labels: list[str]
    test: list[bool] | None
    groups: list[str] | None
    note: str


def list_folder(root: Path) -> Listed:
    """The pictures of a folder, labelled by the names of its subfolders.

    Raises `InputError` for a folder without class folders, with pictures beside them, with an empty class, with a
    single class, and with a part that has classes which the other lacks.
    """
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; check the path")
    subfolders = _subfolders(root)
    train = [path for path in subfolders if path.name.lower() in TRAIN_NAMES]
    test = [path for path in subfolders if path.name.lower() in TEST_NAMES]
    if not train and not test:
        files, labels = _classes(root)
        return Listed(files, labels, None, None, f"the folder {root.resolve().name}")
    if not train or not test:
        have, lack = (train[0].name, "test") if train else (test[0].name, "train")
        raise InputError(
            f"{root} has a folder {have} but none named {lack}; add it, or give the folder of the classes, which are "
            f"then "
            "split"
        )
    official = [path for path in test if path.name.lower() in TEST_NAMES[:2]]
    chosen = official or test
    if len(chosen) > 1 or len(train) > 1:
        names = ", ".join(path.name for path in (chosen if len(chosen) > 1 else train))
        raise InputError(f"{root} has several folders for one part ({names}); leave one of them")
    parts = [_classes(train[0]), _classes(chosen[0])]
    missing = sorted(set(parts[1][1]) - set(parts[0][1]))
    if missing:
        raise InputError(
            f"{chosen[0]} has the class {missing[0]}, which {train[0]} has not; add training pictures of it, or "
            f"remove it"
        )
    files = [file for part in parts for file in part[0]]
    labels = [label for part in parts for label in part[1]]
    split = [number > 0 for number, part in enumerate(parts) for _ in part[0]]
    note = f"the folder {root.resolve().name}, its parts {train[0].name} and {chosen[0].name}"
    return Listed(files, labels, split, None, note)


def _subfolders(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except PermissionError:
        raise InputError(f"{root} may not be read; change its permissions") from None


def _classes(root: Path) -> tuple[list[Path], list[str]]:
    """The pictures below `root`, and for each the name of the subfolder that it is in."""
    folders = _subfolders(root)
    if not folders:
        raise InputError(
            f"{root} has no subfolders, which would name the classes; sort the pictures into them, or give a CSV file "
            f"of "
            "paths and labels"
        )
    listed = list_pictures(root)
    for remark in listed.remarks():
        log.warning(remark)
    files = listed.files
    labels = []
    for file in files:
        parts = file.relative_to(root).parts
        if len(parts) == 1:
            raise InputError(f"{file} lies beside the class folders; move it into one of them, or elsewhere")
        labels.append(parts[0])
    empty = [path.name for path in folders if path.name not in set(labels)]
    if empty:
        raise InputError(f"{root / empty[0]} holds no pictures; add some, or remove the folder")
    if len(folders) < 2:
        raise InputError(f"{root} has the class {folders[0].name} alone; a classifier needs two at least")
    return files, labels
