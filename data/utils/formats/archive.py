"""Archives of arrays in numpy's `.npz` format."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats.array import array_in
from dcgan_features.data.utils.raw import check_file, printable, reason_of, unreadable

_MOST_TIMES = 1100  # that deflated bytes can grow; what is said to grow more is damaged
_SUFFIX = ".npy"
_ENCRYPTED = 0x1

Arrays = dict[str, NDArray[Any]]


def read_archive(
    path: Path | str,
    names: Iterable[str] | None = None,
    optional: Iterable[str] = (),
    remedy: str = "save it again with numpy.savez",
) -> Arrays:
    """Arrays of an `.npz` file by name, compressed or not, in memory.

    names : those wanted; None is all, and then every member must be an array. optional : those wanted where there are
    such. remedy : ends messages.
    Raises `InputError`, naming the file, when it is absent, lacks an array, or is damaged in whatever way: each array
    is read to its end, where its checksum stands, and must be as long as its header says.
    """
    check_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _arrays(path, archive, None if names is None else list(names), list(optional), remedy)
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{printable(path)} holds arrays for which there is not enough memory; {remedy}") from None
    except PermissionError as error:
        raise unreadable(path, error) from None
    except Exception as error:  # zipfile and the decompressors raise nearly every kind over damaged bytes
        single = isinstance(error, zipfile.BadZipFile) and _is_array(path)
        reason = "it is a single array, not an .npz archive" if single else reason_of(error)
        raise InputError(f"{printable(path)} is not a whole .npz file of numbers ({reason}); {remedy}") from None


def _arrays(
    path: Path | str, archive: zipfile.ZipFile, names: list[str] | None, optional: list[str], remedy: str
) -> Arrays:
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(_SUFFIX)
        if name in members:
            raise ValueError(f"two members are named {printable(name)}")
        members[name] = member
        _check(archive, member)
    if names is None:
        others = [item.filename for item in members.values() if not item.filename.endswith(_SUFFIX)]
        if others:
            raise ValueError(f"its member {printable(others[0])} is no array")
        names = list(members)
    for name in names:
        if name not in members:
            held = ", ".join(map(printable, list(members)[:20])) or "nothing"
            raise InputError(f"{printable(path)} holds no {name}, only {held}; {remedy}")
    wanted = [*names, *(name for name in optional if name in members and name not in names)]
    return {name: _array(archive, members[name]) for name in wanted}


def _check(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Raise for a member that cannot be what the archive's directory says, wanted or not."""
    if member.flag_bits & _ENCRYPTED:
        raise ValueError(f"its member {printable(member.filename)} is encrypted")
    if member.file_size > _MOST_TIMES * max(member.compress_size, 1) + 1024:
        raise ValueError(f"its member {printable(member.filename)} states an impossible size")
    archive.open(member).close()  # which compares the name in the directory with the member's own


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    content = bytearray(member.file_size)
    with archive.open(member) as file:
        view, done = memoryview(content), 0
        while done < len(content):
            count = file.readinto(view[done:])  # type: ignore[attr-defined]
            if not count:
                raise ValueError(f"{printable(member.filename)} ends early")
            done += count
        if file.read(1):  # at the end, where the checksum is compared
            raise ValueError(f"{printable(member.filename)} is longer than stated")
    try:
        return array_in(content)
    except ValueError as error:
        raise ValueError(f"{printable(member.filename)} is no array of numbers: {error}") from None


def _is_array(path: Path | str) -> bool:
    with open(path, "rb") as file:
        return file.read(6) == np.lib.format.MAGIC_PREFIX
