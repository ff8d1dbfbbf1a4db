"""A file with a SHA-256 of every chunk, so that damage is found; processes may each write a part of it."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from torch import Tensor, uint8

CHUNK = 16 * 2**20  # bytes under one digest


def as_bytes(block: Tensor) -> memoryview:
    """A block's values in the order of its rows."""
    return block.contiguous().view(-1).view(uint8).numpy().data


class ChunkWriter:
    """Writes consecutive rows of a file and takes the SHA-256 of every chunk that lies in them whole.

    file : open at byte `start`. size : bytes of the whole file, whose last chunk may be shorter.
    digests : by the chunk's number.
    """

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file, self._position, self._size = file, start, size
        self._hasher = hashlib.sha256()
        self._whole = False  # whether the hasher has seen the chunk from its beginning
        self.digests: dict[int, str] = {}

    def write(self, block: Tensor) -> None:
        """Write the rows of a block, as they lie in memory."""
        rows = as_bytes(block)
        self._file.write(rows)
        while len(rows):
            number, inside = divmod(self._position, CHUNK)
            if inside == 0:
                self._hasher, self._whole = hashlib.sha256(), True
            part, rows = rows[: CHUNK - inside], rows[CHUNK - inside :]
            self._hasher.update(part)
            self._position += len(part)
            if self._whole and (self._position % CHUNK == 0 or self._position == self._size):
                self.digests[number] = self._hasher.hexdigest()


def _count(size: int) -> int:
    return -(-size // CHUNK)


def _read_digest(path: Path, number: int) -> str:
    # Read, not mapped, so that memory does not fill.
    with open(path, "rb", buffering=0) as file:
        file.seek(number * CHUNK)
        return hashlib.sha256(file.read(CHUNK)).hexdigest()


def complete(path: Path, size: int, known: dict[int, str]) -> list[str]:
    """The digests of all chunks in their order; those not known, which two writers share, are read from the file."""
    return [known.get(number) or _read_digest(path, number) for number in range(_count(size))]


def verify(path: Path, size: int, digests: list[str]) -> None:
    """ValueError unless every chunk has its digest."""
    if len(digests) != _count(size):
        raise ValueError(f"{len(digests)} digests instead of {_count(size)}")
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:  # hashing releases the interpreter's lock
        found = pool.map(lambda number: _read_digest(path, number), range(len(digests)))
        for number, (digest, wanted) in enumerate(zip(found, digests, strict=True)):
            if digest != wanted:
                raise ValueError(f"{path.name} has another SHA-256 from byte {number * CHUNK} on")
