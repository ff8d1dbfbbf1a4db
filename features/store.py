"""The feature store: features are computed once, kept on disk, and found again by content.

An entry is a folder named by its key, which holds `features.bin` (the rows, as they lie in memory) and `header.json`
(shape, type, a SHA-256 of each 16 MiB, and what the key was made of). The folder appears complete or not at all.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from data.errors import InputError
from data.files import atomic_path, read_json, write_json, writing
from features.adapter import as_extractor, as_rows
from features.base import DTYPES, Extractor, Images, check_images
from features.fingerprint import describe, digest_array

FORMAT = 1
_CHUNK = 16 * 2**20  # bytes under one digest
_FOREIGN_ROWS = 512  # images a block for an object that has no `transform_blocks`
_MARGIN = 2**20  # bytes beside the features: the header, the file system's own

Progress = Callable[[int, int], None]

log = logging.getLogger(__name__)


class FeatureStore:
    """Features on disk, under `folder`, which is made when it is first written to.

    The key of an entry is a SHA-256 of the images' bytes, the bytes of the images the extractor is fitted on, the
    extractor's class, parameters and weights, the type of the features, and the version of this package's arithmetic.
    Parameters that only change the speed, such as the device, are not part of it. Several processes may share a folder:
    the second that wants an absent entry waits for the first and reads what it wrote.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._last: tuple[str, Any] | None = None  # the extractor fitted last, for the next call's other images

    def get(self, extractor: Any, fit_images: Images, images: Images, *, progress: Progress | None = None) -> Tensor:
        """Features of `images` by the extractor fitted on `fit_images`, without labels: (n, d), memory-mapped.

        extractor : whatever `as_extractor` takes; a copy is fitted, and only if the features are not here yet.
        fit_images, images : uint8 (n, height, width, channels).
        progress : called with the images done and in all while features are computed.
        Returns bfloat16 or float32, as the extractor makes them; writing to the tensor does not change the file.
        Raises InputError when the disk has no room or may not be written, and when features are not finite.
        """
        extractor = as_extractor(extractor)
        fit_images, images = check_images(fit_images), check_images(images)
        learnt, content = _contents(extractor, fit_images, images)
        key = _digest(content)
        entry = self.folder / key
        found = self._open(entry)
        if found is not None:
            return found
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / f"{key}.lock")
            lock.acquire()
        try:
            found = self._open(entry, report=True)  # another process may have written it meanwhile
            if found is None:
                self._remove_remains(entry)
                fitted = self._fit(extractor, _digest(learnt), fit_images)
                self._write(entry, fitted, images, content, progress)
                found = self._open(entry, report=True)
            if found is None:
                raise InputError(f"the features written to {entry} do not read back; check the disk of {self.folder}")
            return found
        finally:
            lock.release()

    def find(self, extractor: Any, fit_images: Images, images: Images) -> Path | None:
        """Where these features lie, or None when they are not here; arguments as for `get`, and nothing is computed.

        What lies there is not verified; `get` computes damaged features again.
        """
        content = _contents(as_extractor(extractor), check_images(fit_images), check_images(images))[1]
        entry = self.folder / _digest(content)
        return entry if (entry / "header.json").is_file() else None

    def _fit(self, extractor: Any, key: str, images: Images) -> Any:
        if self._last is None or self._last[0] != key:
            # A shallow copy: fitting adds attributes and leaves the parameters alone.
            own = copy.copy(extractor)
            if hasattr(own, "fit"):
                own.fit(images)
            self._last = (key, own)
        return self._last[1]

    def _open(self, entry: Path, report: bool = False) -> Tensor | None:
        """The entry's features, or None when it is absent or damaged; a damaged one is mentioned if `report`."""
        if not entry.is_dir():
            return None
        try:
            header = read_json(entry / "header.json")
            shape, dtype = tuple(header["shape"]), DTYPES[header["dtype"]]
            path = entry / "features.bin"
            size = shape[0] * shape[1] * dtype.itemsize
            if header["format"] != FORMAT:
                raise ValueError(f"format {header['format']} instead of {FORMAT}")
            if path.stat().st_size != size:
                raise ValueError(f"{path.name} has {path.stat().st_size} bytes instead of {size}")
            _verify(path, size, header["sha256"])
        except (InputError, OSError, KeyError, IndexError, TypeError, ValueError) as error:
            if report:
                log.warning("The stored features %s are damaged (%s); they are computed again.", entry, error)
            return None
        features: Tensor = torch.from_file(str(path), shared=False, size=shape[0] * shape[1], dtype=dtype)
        return features.view(shape)

    def _remove_remains(self, entry: Path) -> None:
        """Remove a damaged entry and what a killed process left of this one; the caller holds its lock."""
        with writing(entry):
            for remains in [entry, *self.folder.glob(f".{entry.name}.*.tmp")]:
                if remains.is_dir():
                    shutil.rmtree(remains)

    def _write(
        self, entry: Path, extractor: Any, images: Images, content: dict[str, Any], progress: Progress | None
    ) -> None:
        blocks = _blocks(extractor, images)
        first = next(blocks)
        width, dtype = first.shape[1], first.dtype
        self._check_room(len(images) * width * dtype.itemsize)
        with atomic_path(entry) as temporary:
            temporary.mkdir()
            with open(temporary / "features.bin", "wb") as file:
                chunks, done = _Chunks(file), 0
                block: Tensor | None = first
                while block is not None:
                    chunks.write(block)
                    done += len(block)
                    if progress is not None:
                        progress(done, len(images))
                    block = next(blocks, None)
            if done != len(images):
                raise ValueError(f"{type(extractor).__name__} made {done} rows of {len(images)} images")
            header = {
                "format": FORMAT,
                "shape": [done, width],
                "dtype": str(dtype).removeprefix("torch."),
                "chunk_bytes": _CHUNK,
                "sha256": chunks.digests(),
                "content": content,
                "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            write_json(temporary / "header.json", header)

    def _check_room(self, size: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if size + _MARGIN > free:
            raise InputError(
                f"the features need {size / 2**30:.2f} GiB, but {self.folder} has {free / 2**30:.2f} GiB free; "
                "free some space or choose another folder"
            )


def _contents(extractor: Any, fit_images: Images, images: Images) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a fitted extractor depends on, and what its features of `images` depend on."""
    fit_digest = digest_array(fit_images)
    learnt = {"extractor": describe(extractor), "fitted_on": fit_digest}
    return learnt, {**learnt, "images": fit_digest if images is fit_images else digest_array(images)}


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _blocks(extractor: Any, images: Images) -> Iterator[Tensor]:
    """The features some rows at a time, as contiguous tensors of a stored type, on the CPU."""
    if isinstance(extractor, Extractor):
        yield from extractor.transform_blocks(images)
        return
    width = 0
    for start in range(0, len(images), _FOREIGN_ROWS):
        part = images[start : start + _FOREIGN_ROWS]
        block = as_rows(extractor.transform(part), len(part), extractor)
        width = width or block.shape[1]
        if block.shape[1] != width:
            raise ValueError(
                f"{type(extractor).__name__} made {width} features of some images, {block.shape[1]} of others"
            )
        finite = torch.isfinite(block).all(dim=1)
        if not bool(finite.all()):
            number = start + int((~finite).int().argmax())
            raise InputError(
                f"{type(extractor).__name__} gives features that are not finite (NaN or infinite), first for image "
                f"{number} of {len(images)}; mend its transform"
            )
        yield block


class _Chunks:
    """Writes rows to a file and takes a SHA-256 of every `_CHUNK` bytes on the way."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._finished: list[str] = []
        self._hasher, self._room = hashlib.sha256(), _CHUNK

    def write(self, block: Tensor) -> None:
        rows = block.contiguous().view(-1).view(torch.uint8).numpy().data
        self._file.write(rows)
        while len(rows):
            part, rows = rows[: self._room], rows[self._room :]
            self._hasher.update(part)
            self._room -= len(part)
            if not self._room:
                self._finished.append(self._hasher.hexdigest())
                self._hasher, self._room = hashlib.sha256(), _CHUNK

    def digests(self) -> list[str]:
        return self._finished + ([self._hasher.hexdigest()] if self._room < _CHUNK else [])


def _verify(path: Path, size: int, digests: list[str]) -> None:
    """ValueError unless every chunk has its digest. The file is read, not mapped, so that memory does not fill."""

    def intact(index: int) -> bool:
        with open(path, "rb", buffering=0) as file:
            file.seek(index * _CHUNK)
            return hashlib.sha256(file.read(_CHUNK)).hexdigest() == digests[index]

    count = -(-size // _CHUNK)
    if len(digests) != count:
        raise ValueError(f"{len(digests)} digests instead of {count}")
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:  # hashing releases the interpreter's lock
        for index, good in enumerate(pool.map(intact, range(count))):
            if not good:
                raise ValueError(f"{path.name} has another SHA-256 from byte {index * _CHUNK} on")
