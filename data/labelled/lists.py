"""Labelled pictures listed in a CSV file: path, label, and if there are any split and group."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from dcgan_features.data.labelled.folders import TEST_NAMES, TRAIN_NAMES, Listed
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_text

ONE, SEVERAL = "label", "labels"


def has_several(file: Path) -> bool:
    """Whether the header of a CSV file names the column `labels`, of several classes a picture, and not `label`."""
    names = [name.strip().lower() for name in _rows(file)[0]]
    return SEVERAL in names and ONE not in names


def list_csv(file: Path, label: str = ONE) -> Listed:
    """The pictures in a CSV file: its header has `path` and `label`, and perhaps `split` (train or test) and `group`.

    label : the name of that column. Paths are relative to the file's folder. All of a group is to be on one side of the
    split. Other columns are passed over. Raises `InputError`, naming the line, for what is missing, given twice or
    contradicts itself.
    """
    rows = _rows(file)
    header, lines = rows[0], rows[1:]
    names = [name.strip().lower() for name in header]
    for needed in ("path", label):
        if names.count(needed) != 1:
            found = ", ".join(header) or "nothing"
            raise InputError(f"{file}: its first line must name the columns path and {label} once each, not {found}")
    if not lines:
        raise InputError(f"{file} lists no pictures; give a line to each")
    columns = {name: names.index(name) for name in ("path", label, "split", "group") if name in names}
    content: dict[str, list[str]] = {name: [] for name in columns}
    for number, line in enumerate(lines, 2):
        if len(line) != len(header):
            raise InputError(
                f"{file}, line {number}: {len(line)} columns where the first line has {len(header)}; put text with "
                "commas into quotation marks"
            )
        for name, place in columns.items():
            value = line[place].strip()
            if not value and name not in ("group", SEVERAL):
                raise InputError(f"{file}, line {number}: the {name} is empty; give it, or leave the line out")
            content[name].append(value)
    files = [(file.parent / path).expanduser() for path in content["path"]]
    _check_files(file, files)
    split = (
        [_side(file, number, word) for number, word in enumerate(content["split"], 2)] if "split" in columns else None
    )
    groups = content.get("group")
    if groups is not None:  # a picture without a group is one of its own
        groups = [group or f"\0{number}" for number, group in enumerate(groups)]
        if split is not None:
            _check_groups(file, groups, split)
    if (split is not None and all(split)) or (split is not None and not any(split)):
        raise InputError(f"{file}: all pictures are on one side of the split; name both train and test, or neither")
    return Listed(files, content[label], split, groups, f"the list {file.name}")


def _rows(file: Path) -> list[list[str]]:
    text = read_text(file)
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        rows = [
            row
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
            if any(cell.strip() for cell in row)
        ]
    except csv.Error as error:
        raise InputError(f"{file} is not CSV ({error}); save it again") from None
    if not rows:
        raise InputError(f"{file} is empty; give a line 'path,label' and a line to each picture")
    return rows


def _check_files(file: Path, files: list[Path]) -> None:
    seen: dict[Path, int] = {}
    for number, path in enumerate(files, 2):
        if not path.is_file():
            raise InputError(f"{file}, line {number}: {path} does not exist; paths are relative to the list's folder")
        before = seen.setdefault(path.resolve(), number)
        if before != number:
            raise InputError(f"{file}, line {number}: {path} is on line {before} too; list each picture once")


def _side(file: Path, number: int, word: str) -> bool:
    if word.lower() in TRAIN_NAMES:
        return False
    if word.lower() in TEST_NAMES:
        return True
    raise InputError(f"{file}, line {number}: the split '{word}' is neither train nor test; write one of these")


def _check_groups(file: Path, groups: list[str], split: list[bool]) -> None:
    side: dict[str, tuple[bool, int]] = {}
    for number, (group, test) in enumerate(zip(groups, split, strict=True), 2):
        before, line = side.setdefault(group, (test, number))
        if before != test:
            raise InputError(
                f"{file}, line {number}: the group {group} is on the other side of the split in line {line}; put all "
                f"of "
                "it on one side"
            )
