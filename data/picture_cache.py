"""A folder of pictures of any size and format, decoded once into an array on disk that is memory-mapped from then on.

One entry of the cache is a folder with `<name>.npy`, the images; `<name>.json`, what they were made from; a lock; and
while pictures are being decoded, or after the process was killed, `decoding.part` and `decoding.json`, from which the
next command goes on. The JSON is written last and deleted first, so that an array that has one is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from PIL import __version__ as pillow_version

from dcgan_features.data.dataset import Images
from dcgan_features.data.folder import decoded
from dcgan_features.data.listing import Listed, list_pictures
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path, home_path, shortened, sync, writing
from dcgan_features.data.utils.formats import map_array, read_sealed, write_sealed
from dcgan_features.data.utils.locks import locked
from dcgan_features.data.utils.raw import printable

FORMAT = 2  # 1 was without digests of the pixels
PLACE = "PICTURE_CACHE"  # environment variable: where the cache lies
_LONGEST = 100  # bytes of the folder's name in names of the cache
_BLOCK = 1 << 22  # bytes that are hashed at a time
_SAVE_SECONDS = 5.0  # between two notes of how far decoding has come


@dataclass(frozen=True)
class Unreadable:
    """A file that could not be read as a picture: its path below the folder, and a reason in words."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{printable(self.path)} ({printable(self.reason)})"  # a name may be of any bytes


class UnreadablePictures(InputError):
    """More files than allowed cannot be read; `unreadable` holds those that were found until then."""

    def __init__(self, message: str, unreadable: list[Unreadable]) -> None:
        super().__init__(message)
        self.unreadable = unreadable


@dataclass(frozen=True)
class CachedPictures:
    """What a folder holds, decoded.

    images : uint8 RGB (n, size, size, 3), memory-mapped, read-only. array : the `.npy` file.
    files : path of each image's file, below the folder. unreadable : the files that were passed over.
    remarks : what else the folder holds and is left out, in lines.
    """

    images: Images
    array: Path
    files: list[str]
    unreadable: list[Unreadable]
    remarks: list[str]


class Progress(Protocol):
    """Shows how far long work is; `data.utils.cli.progress` is one."""

    def __call__(
        self, total: float, description: str, done: float = 0
    ) -> contextlib.AbstractContextManager[Callable[[float], None]]:
        """A context manager that gives a function to be called with the number of units done."""


@contextlib.contextmanager
def silent(total: float, description: str, done: float = 0) -> Iterator[Callable[[float], None]]:
    """Shows nothing."""
    yield lambda count: None


def cache_folder() -> Path:
    """Where decoded pictures are kept: the environment variable PICTURE_CACHE, or ~/.cache/dcgan-features/pictures."""
    return home_path(os.environ.get(PLACE) or "~/.cache/dcgan-features/pictures", f"set {PLACE} to a folder")


def cached_folder(
    path: Path | str,
    size: int,
    unreadable: float = 0.0,
    cache: Path | str | None = None,
    progress: Progress = silent,
    output: Path | None = None,
) -> CachedPictures:
    """All pictures under `path` as `data.folder.folder` finds and converts them, from the cache where they are in it.

    They are decoded again when a file was added, removed or changed (size or modification time). A process that was
    killed leaves what it had decoded to the next one.

    size : all are centre-cropped to a square and resized to size x size pixels, bicubic.
    unreadable : files that may be passed over because they cannot be read: below 1 a share of all, else a number.
    cache : folder of the cache. None: that of `cache_folder`.
    progress : shows how far decoding is.
    output : a folder that is being written to: where it lies in `path`, its pictures are left out.

    Raises `InputError` for a folder without pictures or a cache that cannot be written, and `UnreadablePictures` as
    soon as more files than allowed turn out to be unreadable, or all of them are.
    """
    root = home_path(path, "give the path in full").resolve()
    place = cache_folder() if cache is None else home_path(cache, "give the path in full")
    if size < 1:
        raise InputError(f"pictures cannot be resized to {size} pixels; give a size of at least 1")
    listing = _Listing.of(root, size, output)
    key = hashlib.sha256(f"{root}\n{size}".encode("utf-8", "surrogateescape")).hexdigest()[:12]
    name = shortened(root.name, _LONGEST) or "pictures"
    entry = _Entry(place / f"{name}-{size}-{key}", name, listing)
    if entry.is_current():  # perhaps in a folder that may only be read
        return entry.read(listing.most(unreadable))
    with writing(f"the cache of pictures, {place} (set {PLACE} to another folder)"):
        entry.folder.mkdir(parents=True, exist_ok=True)
    with (
        locked(entry.folder / ".lock"),  # another command may be decoding the same folder
        writing(f"the cache of pictures, {place} (set {PLACE} to another folder)"),
    ):
        if not entry.is_current():
            entry.decode(listing.most(unreadable), progress)
            if not entry.is_current():
                raise InputError(f"the pictures written to {entry.folder} do not read back; check its disk")
        return entry.read(listing.most(unreadable))


@dataclass(frozen=True)
class _Listing:
    """The files of a folder as they were found: what a cached array must have been made from."""

    root: Path
    size: int
    files: list[Path]
    stats: list[list[int | None]]  # [bytes, modification time in ns], of None where a file cannot be opened
    denied: list[Unreadable]  # subfolders
    listed: Listed

    @classmethod
    def of(cls, root: Path, size: int, output: Path | None) -> _Listing:
        denied: list[Unreadable] = []

        def note(error: OSError) -> None:
            where = os.path.relpath(os.fsdecode(error.filename), root)
            denied.append(Unreadable(where, error.strerror or "it cannot be listed"))

        listed = list_pictures(root, note, output)
        files = listed.files
        return cls(root, size, files, [_stat(file) for file in files], denied, listed)

    def name(self, index: int) -> str:
        return self.files[index].relative_to(self.root).as_posix()

    def most(self, unreadable: float) -> int:
        """How many files may be passed over."""
        return int(unreadable if unreadable >= 1 else unreadable * len(self.files))

    def digest(self) -> str:
        result = hashlib.sha256(f"{FORMAT} {self.size}\n".encode())
        for index, stat in enumerate(self.stats):
            result.update(f"{self.name(index)}\0{stat}\n".encode("utf-8", "surrogateescape"))
        return result.hexdigest()


def _stat(file: Path) -> list[int | None]:
    try:
        found = file.stat()
    except OSError:
        return [None, None]
    return [found.st_size, found.st_mtime_ns] if os.access(file, os.R_OK) else [None, None]


@dataclass
class _Position:
    """How far the decoding of a listing has come: files done, which of them could not be read and why, and the digest
    of the pixels of the others.
    """

    done: int = 0
    failures: list[tuple[int, str]] = field(default_factory=list)
    pixels: Any = field(default_factory=hashlib.sha256)

    @property
    def rows(self) -> int:
        return self.done - len(self.failures)


class _Entry:
    """One folder's pictures at one size, in the cache."""

    def __init__(self, folder: Path, name: str, listing: _Listing) -> None:
        self.folder, self.listing = folder, listing
        self.array, self.about = folder / f"{name}.npy", folder / f"{name}.json"
        self.part, self.position = folder / "decoding.part", folder / "decoding.json"
        self._shape = (listing.size, listing.size, 3)
        self._digest = listing.digest()

    def is_current(self) -> bool:
        """Whether the array is there, is whole and was made from the files as they are now."""
        about = _read(self.about)
        if about is None or about.get("listing") != self._digest:
            return False
        try:
            images = self._map()
        except InputError:
            return False
        whole = images.shape == (len(self.listing.files) - len(about["unreadable"]), *self._shape)
        return whole and images.dtype == np.uint8 and _pixels(images).hexdigest() == about.get("pixels")

    def read(self, most: int) -> CachedPictures:
        listing = self.listing
        failures = [(int(index), str(reason)) for index, reason in (_read(self.about) or {})["unreadable"]]
        self._check(failures, most)
        left_out = {index for index, _ in failures}
        files = [listing.name(index) for index in range(len(listing.files)) if index not in left_out]
        remarks = listing.listed.remarks()
        return CachedPictures(self._map(), self.array, files, self._unreadable(failures), remarks)

    def decode(self, most: int, progress: Progress) -> None:
        """Decode all pictures, from where a former process was killed on."""
        listing, position = self.listing, self._resumable()
        self._check(position.failures, most)
        header = _header(0, self._shape)
        if self.part.is_symlink() or (self.part.exists() and not self.part.is_file() and not self.part.is_dir()):
            self.part.unlink()  # a pipe would be waited for without end
        with open(self.part, "r+b" if position.done else "wb") as part, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, about odd files that it reads all the same
            part.write(header)
            part.seek(part.truncate(len(header) + position.rows * int(np.prod(self._shape))))
            try:
                self._decode_rest(part, position, most, progress)
            finally:
                self._note(part, position)
            if position.rows == 0:
                raise UnreadablePictures(
                    f"none of the {len(listing.files):,} pictures in {listing.root} can be read, the first being "
                    f"{self._first(position.failures)}; give a folder of whole ones",
                    self._unreadable(position.failures),
                )
            part.seek(0)
            part.write(_header(position.rows, self._shape))
        self._finish(position)

    def _decode_rest(self, part: IO[bytes], position: _Position, most: int, progress: Progress) -> None:
        files, saved = self.listing.files, time.monotonic()
        pictures = decoded(files[position.done :], self.listing.size)
        with (
            contextlib.closing(pictures),
            progress(len(files), f"decoding the pictures of {self.listing.root.name}", position.done) as advance,
        ):
            for picture in pictures:
                if isinstance(picture, str):
                    position.failures.append((position.done, picture))
                else:
                    pixels = picture.tobytes()
                    position.pixels.update(pixels)
                    part.write(pixels)
                position.done += 1
                self._check(position.failures, most)
                if time.monotonic() - saved > _SAVE_SECONDS:
                    self._note(part, position)
                    saved = time.monotonic()
                advance(1)

    def _note(self, part: IO[bytes], position: _Position) -> None:
        part.flush()
        sync(part.fileno())
        about = {"listing": self._digest, "done": position.done, "failures": position.failures}
        write_sealed(self.position, {**about, "pixels": position.pixels.hexdigest()}, indent=None)

    def _resumable(self) -> _Position:
        """Where a killed process had come to with the same files; the beginning where there was none."""
        note = _read(self.position)
        if note is None or note.get("listing") != self._digest or not self.part.is_file():
            return _Position()
        position = _Position(int(note["done"]), [(int(index), str(reason)) for index, reason in note["failures"]])
        with open(self.part, "rb") as part:
            part.seek(len(_header(0, self._shape)))
            left = position.rows * int(np.prod(self._shape))
            while left and (block := part.read(min(left, _BLOCK))):
                position.pixels.update(block)
                left -= len(block)
        return position if position.pixels.hexdigest() == note["pixels"] else _Position()

    def _finish(self, position: _Position) -> None:
        listing = self.listing
        self.about.unlink(missing_ok=True)  # the former array's
        with atomic_path(self.array) as temporary:
            os.rename(self.part, temporary)
        about = {
            "format": FORMAT,
            "folder": str(listing.root),
            "size": listing.size,
            "pillow": pillow_version,
            "pictures": position.rows,
            "pixels": position.pixels.hexdigest(),
            "listing": self._digest,
            "unreadable": position.failures,
            "files": [[listing.name(index), *stat] for index, stat in enumerate(listing.stats)],
        }
        write_sealed(self.about, about, indent=None)  # on one line: there may be a million files
        self.position.unlink(missing_ok=True)
        for file in self.position.parent.glob(".*.tmp"):
            file.unlink(missing_ok=True)  # of a process that was killed while it wrote

    def _check(self, failures: list[tuple[int, str]], most: int) -> None:
        count = len(failures) + len(self.listing.denied)
        if count > most:
            raise UnreadablePictures(
                f"more than {most:,} of {len(self.listing.files):,} pictures in {self.listing.root} cannot be read, "
                f"the first being {self._first(failures)}; repair or remove them, or allow more by the recipe's "
                "'unreadable'",
                self._unreadable(failures),
            )

    def _first(self, failures: list[tuple[int, str]]) -> str:
        return str(self._unreadable(failures)[0])

    def _unreadable(self, failures: list[tuple[int, str]]) -> list[Unreadable]:
        return [*self.listing.denied, *(Unreadable(self.listing.name(index), reason) for index, reason in failures)]

    def _map(self) -> Images:
        return map_array(self.array)


def _pixels(images: Images) -> Any:
    """The SHA-256 of images that lie one after another."""
    digest = hashlib.sha256()
    step = max(1, _BLOCK // max(1, images[0].nbytes)) if len(images) else 1
    for start in range(0, len(images), step):
        digest.update(np.ascontiguousarray(images[start : start + step]).data)
    return digest


def _header(rows: int, shape: tuple[int, ...]) -> bytes:
    """What a `.npy` file of `rows` uint8 images of this shape begins with; equally long for any number of rows."""
    result = io.BytesIO()
    about = {"descr": "|u1", "fortran_order": False, "shape": (rows, *shape)}
    np.lib.format.write_array_header_1_0(result, about)
    return result.getvalue()


def _read(path: Path) -> dict[str, Any] | None:
    """A JSON file of the cache; None where it is absent or damaged, which only means to decode again."""
    try:
        return read_sealed(path, names=True)
    except InputError:
        return None
