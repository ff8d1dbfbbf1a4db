"""Writing files so that nobody ever sees half of one; reading them is `data.utils.formats`."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.raw import check_file, unreadable

LONGEST = 255  # bytes of a file's name, on nearly every file system
_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
    errno.EACCES: "the folder may not be written to; choose another one or change its permissions",
    errno.EPERM: "the folder may not be written to; choose another one or change its permissions",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another one",
    errno.EEXIST: "a file of that name is in the way; choose another folder",
    errno.EISDIR: "a folder of that name is in the way; remove it or choose another one",
    errno.ENAMETOOLONG: "a name in it is longer than the file system allows; choose a shorter one",
    errno.ENOENT: "the folder was removed meanwhile; run the same command again",
    errno.EFBIG: "the file is larger than the file system allows; choose another folder",
    errno.EIO: "the disk fails (input/output error); choose another folder",
    errno.ESTALE: "the network disk has lost the folder; run the same command again",
    errno.ELOOP: "a link in it leads in a circle; choose another folder",
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n)",
    errno.ENOTSUP: "the file system does not support it; choose another folder",
}
# By which file systems say that they cannot make sure of what was written; it has been written all the same.
_NO_FSYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EISDIR}
_NO_FSYNC_OF_FOLDERS = _NO_FSYNC | {errno.EACCES, errno.EPERM, errno.ENOENT}


@contextlib.contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """Turn the operating system's refusals to write `path` into an `InputError`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise
        refused = _refused(error)
        if refused is not None:
            raise InputError(f"{refused} may not be read or written; change its permissions") from error
        raise InputError(f"cannot write {path}: {_REMEDIES[error.errno]}") from error


def _refused(error: OSError) -> Path | None:
    """The file that is there and not to be used, where it is that which stands in the way, and not its folder."""
    if error.errno not in (errno.EACCES, errno.EPERM) or not isinstance(error.filename, str | bytes | os.PathLike):
        return None
    named = Path(os.fsdecode(error.filename))
    with contextlib.suppress(OSError):
        return named if stat.S_ISREG(named.stat().st_mode) else None
    return None


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to disk and renamed to `path`.

    The parent folder is made when absent. The temporary may be written as a file or made into a folder (a folder
    replaces nothing: if `path` exists by then, the first writer has won and the temporary is removed). After an
    exception nothing is left behind. Raises `InputError` for a full disk or a folder that may not be written.
    """
    path = Path(path)
    ending = f".{uuid.uuid4().hex[:12]}.tmp"
    temporary = path.with_name(f".{shortened(path.name, LONGEST - len(ending) - 1)}{ending}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if temporary.is_dir():
                _rename_folder(temporary, path)
            else:
                _flush(temporary)
                os.replace(temporary, path)
            _flush_folder(path.parent)
        finally:
            if temporary.is_dir():
                shutil.rmtree(temporary, ignore_errors=True)
            else:
                temporary.unlink(missing_ok=True)


def _rename_folder(temporary: Path, path: Path) -> None:
    for file in temporary.rglob("*"):
        if file.is_file():
            _flush(file)
    try:
        os.rename(temporary, path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)  # for Windows, which flushes nothing that was opened to be read
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def sync(descriptor: int) -> None:
    """`os.fsync`, which some file systems do not have: there the data are written whenever the system likes."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise


def _flush_folder(path: Path) -> None:
    """Make sure of a renaming, where that can be had: not on every file system, nor for folders of Windows."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_FSYNC_OF_FOLDERS:
            raise


def shortened(name: str, most: int) -> str:
    """The beginning of a file's name of at most `most` bytes, whole characters of it."""
    content = os.fsencode(name)
    return name if len(content) <= most else content[:most].decode(errors="ignore")


def home_path(path: Path | str, setting: str) -> Path:
    """A path in which `~` stands for the home folder.

    setting : what names another folder, for the message. Raises `InputError` where `~` is there and no home folder is.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise InputError(f"{path} needs a home folder, and there is none; set HOME, or {setting}") from None


def write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as indented JSON, atomically. Not-a-number is refused with ValueError."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def sha256_file(path: Path | str) -> str:
    """Hexadecimal SHA-256 of a file's bytes. Raises `InputError`, naming the file, where it cannot be read."""
    check_file(path)
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from None
