"""Pictures of any size, brought to one form and kept on disk in the order that a comparison wants, memory-mapped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from dcgan_features.data.dataset import Images
from dcgan_features.data.folder import decoded
from dcgan_features.data.picture_cache import Progress, cache_folder, silent
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path, sha256_file, writing
from dcgan_features.data.utils.formats import map_array, read_sealed, write_sealed
from dcgan_features.data.utils.locks import locked

Fit = Literal["crop", "pad", "stretch"]
FITS: tuple[Fit, ...] = ("crop", "pad", "stretch")
FORMAT = 1
_TOGETHER = 32  # pictures decoded at a time where they are decoded at full size


@dataclass(frozen=True)
class Form:
    """What pictures are brought to: size x size pixels.

    fit : "crop" takes the largest square in the middle, "pad" adds black at the sides, "stretch" changes proportions.
    Resizing is bicubic. size : None leaves pictures as they are, and all must be of one size.
    """

    size: int | None = None
    fit: Fit = "crop"

    def __post_init__(self) -> None:
        if self.size is not None and not 1 <= self.size <= 4096:
            raise InputError(f"pictures cannot be resized to {self.size} pixels; give a size from 1 to 4096")
        if self.fit not in FITS:
            raise InputError(f"'{self.fit}' is no way to fit pictures; choose among {', '.join(FITS)}")

    def apply(self, picture: Image.Image) -> Image.Image:
        """The picture in this form."""
        if self.size is None:
            return picture
        side = (self.size, self.size)
        if self.fit == "crop":
            return ImageOps.fit(picture, side, Image.Resampling.BICUBIC)
        if self.fit == "pad":
            return ImageOps.pad(picture, side, Image.Resampling.BICUBIC)
        return picture.resize(side, Image.Resampling.BICUBIC)

    def words(self) -> str:
        """The form as a note has it."""
        return "" if self.size is None else f", {self.fit} to {self.size}x{self.size}"


def pictures_of_files(files: Sequence[Path], form: Form, name: str, progress: Progress = silent) -> Images:
    """The pictures of files in their order, uint8 RGB (n, height, width, 3), memory-mapped from the picture cache.

    They are decoded again when a file was changed (size or modification time). name : of the cache's entry.
    Raises `InputError` for a file that cannot be read, and without a size for pictures of unequal sizes.
    """
    listing = hashlib.sha256(f"{FORMAT} {form}\n".encode())
    for file in files:
        try:
            found = file.stat()
        except OSError as error:
            raise InputError(f"{file} cannot be read ({error.strerror}); check the path") from None
        listing.update(f"{file.resolve()}\0{found.st_size} {found.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return _cached(name, listing.hexdigest(), len(files), lambda: _decoded(files, form), progress)


def pictures_of(
    count: int,
    pictures: Callable[[], Iterable[Image.Image]],
    form: Form,
    name: str,
    key: str,
    progress: Progress = silent,
) -> Images:
    """As `pictures_of_files`, of `count` pictures in memory. key : what tells them from others of that name."""

    def rows() -> Iterator[Images]:
        first: tuple[int, ...] | None = None
        for number, picture in enumerate(pictures()):
            row = np.asarray(form.apply(picture.convert("RGB")))
            if first is not None and row.shape != first:
                raise _unequal(f"picture {number} of {name}", row.shape, "the first", first)
            first = row.shape
            yield row

    digest = hashlib.sha256(f"{FORMAT} {form} {name} {key}".encode()).hexdigest()
    return _cached(name, digest, count, rows, progress)


def _decoded(files: Sequence[Path], form: Form) -> Iterator[Images]:
    first: tuple[int, ...] | None = None
    # Only "crop" is what the decoder can do by itself, and may then read large JPEG files at a fraction of their size.
    own = form.size if form.fit == "crop" else None
    step = len(files) if own is not None else _TOGETHER
    for start in range(0, len(files), step):
        part = files[start : start + step]
        for file, picture in zip(part, decoded(part, own), strict=True):
            if isinstance(picture, str):
                raise InputError(f"{file} cannot be read as a picture ({picture}); repair or remove it")
            row = picture if own is not None else np.asarray(form.apply(Image.fromarray(picture)))
            if first is not None and row.shape != first:
                raise _unequal(str(file), row.shape, str(files[0]), first)
            first = row.shape
            yield row


def _unequal(name: str, shape: tuple[int, ...], other: str, first: tuple[int, ...]) -> InputError:
    return InputError(
        f"{name} is {shape[1]}x{shape[0]} pixels but {other} {first[1]}x{first[0]}; give a size to which all are "
        f"brought "
        "(--size 32)"
    )


def _cached(name: str, digest: str, count: int, rows: Callable[[], Iterable[Images]], progress: Progress) -> Images:
    place = cache_folder() / f"labelled-{name[:60]}-{digest[:16]}"
    array, note = place / "images.npy", place / "images.json"
    with writing(f"the cache of pictures, {place.parent} (set PICTURE_CACHE to another folder)"):
        place.mkdir(parents=True, exist_ok=True)
        with locked(place / ".lock"):
            if not _is_whole(array, note, digest, count):
                note.unlink(missing_ok=True)
                with atomic_path(array) as temporary:
                    _write(temporary, count, rows(), name, progress)
                write_sealed(note, {"digest": digest, "count": count, "pixels": sha256_file(array)})
            return map_array(array)


def _is_whole(array: Path, note: Path, digest: str, count: int) -> bool:
    try:
        return read_sealed(note) == {"digest": digest, "count": count, "pixels": sha256_file(array)}
    except InputError:
        return False


def _write(file: Path, count: int, rows: Iterable[Images], name: str, progress: Progress) -> None:
    images: np.memmap[tuple[int, ...], np.dtype[np.uint8]] | None = None
    with progress(count, f"reading the pictures of {name}") as advance:
        for number, row in enumerate(rows):
            if images is None:
                images = np.lib.format.open_memmap(file, "w+", np.dtype(np.uint8), (count, *row.shape))
            images[number] = row
            advance(1)
    assert images is not None
    images.flush()
