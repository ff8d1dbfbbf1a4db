"""Which files of a folder are pictures, and which are left out and why; none of them is opened."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.raw import printable

# Formats that Pillow recognises without being able to decode them, or only by running another program.
_UNREADABLE = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
_OPENED_AS = {"MPO": "JPEG"}  # by the plugin of another format
# Files by which a folder is known as one that a command of this project wrote: its pictures are samples.
_OF_A_RUN = {"checkpoint.safetensors", "weights.safetensors", ".lock", "near-duplicates.json"}
_KINDS_SHOWN = 4


@dataclass(frozen=True)
class Listed:
    """Pictures under `root`, sorted by path.

    left_out : how many other files there are, by kind: a suffix such as ".heic", or "without a suffix".
    runs : subfolders that a training wrote, whose pictures are left out.
    """

    root: Path
    files: list[Path]
    left_out: dict[str, int]
    runs: list[Path]

    def remarks(self) -> list[str]:
        """What is left out, a line each for other kinds of files and for folders of runs."""
        lines = []
        if self.left_out:
            kinds = sorted(self.left_out.items(), key=lambda item: (-item[1], item[0]))
            shown = ", ".join(f"{count:,} {kind}" for kind, count in kinds[:_KINDS_SHOWN])
            others = sum(count for _, count in kinds[_KINDS_SHOWN:])
            text = f"{shown}{f', {others:,} of other kinds' if others else ''}"
            lines.append(f"in {printable(self.root)} files of other kinds than pictures are left out: {text}")
        if self.runs:
            named = ", ".join(printable(run.relative_to(self.root)) for run in self.runs[:_KINDS_SHOWN])
            more = ", ..." if len(self.runs) > _KINDS_SHOWN else ""
            lines.append(f"in {printable(self.root)} what trainings wrote is left out: {named}{more}")
        return lines


def readable_formats() -> list[str]:
    """The formats that Pillow decodes by itself."""
    Image.init()
    return [kind for kind in Image.OPEN if kind not in _UNREADABLE]


def list_pictures(root: Path, denied: Callable[[OSError], None] | None = None, output: Path | None = None) -> Listed:
    """The files under `root` that have a picture's suffix; subfolders are followed, linked ones too, each once.

    denied : told of subfolders that cannot be listed. None: they are an `InputError`, as are a `root` that is no
    folder and one without pictures. output : a folder that is being written to, which is left out, as all are that a
    training has written. Files and folders whose names begin with a dot are hidden, and passed over.
    """
    if not root.is_dir():
        raise InputError(f"{printable(root)} is not a folder; check the path")
    if output is not None and output.resolve() == root.resolve():
        raise InputError(
            f"{printable(output)} is the folder of the pictures themselves; choose another one for the output"
        )
    formats = set(readable_formats())
    suffixes = {
        suffix
        for suffix, kind in Image.registered_extensions().items()
        if kind in formats or _OPENED_AS.get(kind) in formats
    }

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename} cannot be read ({error.strerror}); change its permissions") from error

    files: list[Path] = []
    runs: list[Path] = []
    left_out: Counter[str] = Counter()
    seen: set[tuple[int, int]] = set()
    for parent, subfolders, names in os.walk(root, onerror=denied or refuse, followlinks=True):
        here = Path(parent)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        own = here != root and (_OF_A_RUN.intersection(names) or (output is not None and _same(here, output)))
        if own or not _is_new(here, seen):
            subfolders[:] = []
            runs += [here] if own else []
            continue
        for name in names:
            if name.startswith("."):
                continue
            suffix = Path(name).suffix.lower()
            if suffix in suffixes:
                files.append(here / name)
            else:
                left_out[printable(suffix) or "without a suffix"] += 1
    if not files:
        listed = Listed(root, [], dict(left_out), runs)
        besides = "".join(f"; {remark}" for remark in listed.remarks())
        raise InputError(
            f"{printable(root)} holds no pictures, nor do its subfolders; give a folder of PNG, JPEG or like "
            f"files{besides}"
        )
    return Listed(root, sorted(files, key=lambda file: file.relative_to(root).parts), dict(left_out), runs)


def _is_new(folder: Path, seen: set[tuple[int, int]]) -> bool:
    """Whether a folder was not listed yet, under whatever name: links may lead in a circle."""
    try:
        found = folder.stat()
    except OSError:
        return True
    key = (found.st_dev, found.st_ino)
    if key in seen and found.st_ino:
        return False
    seen.add(key)
    return True


def _same(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:
        return False
