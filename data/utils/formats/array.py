"""Arrays in numpy's `.npy` format, read whole or memory-mapped; never Python objects, which could run code."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path, sha256_file, writing
from dcgan_features.data.utils.formats.json_text import read_sealed, write_sealed
from dcgan_features.data.utils.raw import check_file, printable, reason_of, unreadable

Array = NDArray[Any]
_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def map_array(path: Path | str, remedy: str = "save it again with numpy.save") -> Array:
    """The array of a `.npy` file, memory-mapped and read-only: it may exceed the memory.

    remedy : ends messages. Raises `InputError`, naming the file, when it is absent, or is anything but one whole array
    of numbers or text: the header and the pixels must together be as long as the file, so that a damaged header does
    not shift all values.
    """
    size = check_file(path)
    try:
        with open(path, "rb") as file:
            shape, fortran, dtype, start = read_header(file, size)
    except OSError as error:
        raise unreadable(path, error) from None
    except ValueError as error:
        raise InputError(
            f"{printable(path)} is not a whole .npy file of numbers ({reason_of(error)}); {remedy}"
        ) from None
    if math.prod(shape) == 0:
        return np.zeros(shape, dtype)
    order: Any = "F" if fortran else "C"
    try:
        return np.memmap(path, dtype, "r", start, shape, order)
    except (OSError, ValueError, MemoryError, OverflowError) as error:
        raise InputError(f"{printable(path)} cannot be memory-mapped ({reason_of(error)}); {remedy}") from None


def read_array(path: Path | str, remedy: str = "save it again with numpy.save") -> Array:
    """The array of a `.npy` file, in memory; as `map_array` otherwise."""
    mapped = map_array(path, remedy)
    try:
        return np.array(mapped, order="K")
    except MemoryError:
        raise InputError(
            f"{printable(path)} holds {mapped.nbytes:,} bytes, for which there is not enough memory"
        ) from None


def array_in(content: bytearray) -> Array:
    """The array in the bytes of a whole `.npy` file, sharing their memory. Raises ValueError for anything else."""
    shape, fortran, dtype, start = read_header(io.BytesIO(content), len(content))
    values = np.frombuffer(content, dtype, offset=start) if math.prod(shape) else np.zeros(0, dtype)
    return values.reshape(shape, order="F" if fortran else "C")


def read_header(file: IO[bytes], size: int) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether the first axis runs fastest, type, and where the values begin, of an array in `size` bytes.

    Raises ValueError, whatever is wrong: numpy's own reader passes on what Python's parser thinks of damaged text.
    """
    begin = file.read(4)
    file.seek(0)
    if begin[:4] == b"PK\x03\x04":
        raise ValueError("it is an .npz archive; save its array alone")
    if not begin:
        raise ValueError("it is empty")
    try:
        version = np.lib.format.read_magic(file)
        if version not in _READERS:
            raise ValueError(f"it is of version {version[0]}.{version[1]} of the format")
        shape, fortran, dtype = _READERS[version](file)
    except RecursionError:
        raise ValueError("its header is nested too deeply") from None
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(reason_of(error)) from None
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    if any(length < 0 for length in shape):
        raise ValueError(f"its header states the shape {shape}")
    whole = file.tell() + math.prod(shape) * dtype.itemsize
    if whole != size:
        raise ValueError(f"it has {size:,} bytes where its header asks for {whole:,}")
    return shape, fortran, dtype, file.tell()


def keep_array(path: Path, blocks: Iterable[Array], dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Keep an array in a cache as `path`, with a JSON of its SHA-256 beside it; each is written atomically.

    blocks : its rows, some at a time.
    """
    with writing(path):
        _about(path).unlink(missing_ok=True)
    with atomic_path(path) as temporary:
        with open(temporary, "wb") as file:
            header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for block in blocks:
                file.write(np.ascontiguousarray(block, dtype).data)
        digest = sha256_file(temporary)
    write_sealed(_about(path), {"sha256": digest})


def kept_array(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array | None:
    """What `keep_array` kept, memory-mapped; None where it is absent, damaged or another array."""
    with contextlib.suppress(InputError, OSError, KeyError, TypeError):
        if read_sealed(_about(path))["sha256"] == sha256_file(path):
            found = map_array(path)
            return found if (found.dtype, found.shape) == (dtype, shape) else None
    return None


def _about(path: Path) -> Path:
    return path.with_suffix(".json")
