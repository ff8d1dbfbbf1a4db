"""Folders of pictures made ready for training: decoded once, what cannot be read listed and passed over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dcgan_features.data import LOADERS
from dcgan_features.data.picture_cache import Unreadable, UnreadablePictures, cached_folder
from dcgan_features.data.utils.cli import progress
from dcgan_features.data.utils.distributed import is_first
from dcgan_features.data.utils.files import home_path, write_json

_SHOWN = 3  # unreadable files named on screen


@dataclass
class Prepared:
    """Sources as `data.training_images` takes them, the folders among them replaced by arrays in the cache.

    folders : how many there were. files : of each source, the path of each of its images where it was a folder, else
    None.
    notes : what to say about them on screen.
    """

    sources: list[str] = field(default_factory=list)
    folders: int = 0
    files: list[list[str] | None] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def only_folders(self) -> bool:
        """Whether there is nothing else among the sources."""
        return self.folders == len(self.sources)


def prepare_folders(sources: Sequence[str], size: int, unreadable: float, out: Path) -> Prepared:
    """Decode the folders among `sources`, or find them decoded; see `data.picture_cache.cached_folder`.

    size, unreadable : as there. out : folder in which `unreadable.json` lists the files that were passed over, with
    the reason for each; it is removed where there are none.
    Raises `InputError` as `cached_folder` does, with the list written all the same.
    """
    prepared = Prepared()
    found: list[tuple[Path, Unreadable]] = []
    try:
        for source in sources:
            root = home_path(source, "give the path in full")
            if source in LOADERS or not root.is_dir():
                prepared.sources.append(source)
                prepared.files.append(None)
                continue
            try:
                pictures = cached_folder(root, size, unreadable, progress=progress, output=out)
            except UnreadablePictures as error:
                found += [(root, one) for one in error.unreadable]
                raise
            found += [(root, one) for one in pictures.unreadable]
            prepared.folders += 1
            prepared.sources.append(str(pictures.array))
            prepared.files.append([str(root / file) for file in pictures.files])
            prepared.notes += pictures.remarks
            if pictures.unreadable:
                prepared.notes.append(_note(root, pictures.unreadable, out))
    finally:
        if is_first():
            _write(out / "unreadable.json", found)
    return prepared


def _note(root: Path, unreadable: list[Unreadable], out: Path) -> str:
    shown = "; ".join(map(str, unreadable[:_SHOWN]))
    more = "; ..." if len(unreadable) > _SHOWN else ""
    count = f"{len(unreadable):,} file{'s' if len(unreadable) > 1 else ''}"
    return f"{count} of {root} cannot be read and will be left out, listed in {out / 'unreadable.json'}: {shown}{more}"


def _write(path: Path, found: list[tuple[Path, Unreadable]]) -> None:
    if found:
        write_json(path, [{"path": str(root / one.path), "reason": one.reason} for root, one in found])
    elif path.is_file():
        path.unlink()
