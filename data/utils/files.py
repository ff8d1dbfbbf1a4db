"""Reading and writing files so that nobody ever sees half of one."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from dcgan_features.data.utils.errors import InputError

_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
    errno.EACCES: "the folder may not be written to; choose another one or change its permissions",
    errno.EPERM: "the folder may not be written to; choose another one or change its permissions",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another one",
    errno.EEXIST: "a file of that name is in the way; choose another folder",
}


@contextlib.contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """Turn the operating system's refusals to write `path` into an `InputError`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise
        raise InputError(f"cannot write {path}: {_REMEDIES[error.errno]}") from error


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to disk and renamed to `path`.

    The parent folder is made when absent. The temporary may be written as a file or made into a folder (a folder
    replaces nothing: if `path` exists by then, the first writer has won and the temporary is removed). After an
    exception nothing is left behind. Raises `InputError` for a full disk or a folder that may not be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if temporary.is_dir():
                _rename_folder(temporary, path)
            else:
                _flush(temporary)
                os.replace(temporary, path)
            _flush(path.parent)
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
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as indented JSON, atomically. Not-a-number is refused with ValueError."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file; an absent or damaged one is an `InputError` that names it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; check the path") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged: {error}; delete it or restore it from a copy") from None


class _Loader(yaml.SafeLoader):
    """YAML 1.2's numbers: plain YAML 1.1 reads 1e-4 as a word."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
)


def parse_yaml(text: str) -> Any:
    """What a text in YAML says, such as 64, 1e-4, [1, 2] or true. Raises `yaml.YAMLError`."""
    return yaml.load(text, Loader=_Loader)


def read_yaml(path: Path | str, what: str) -> dict[str, Any]:
    """What a YAML file says, unchecked; an empty one says nothing.

    what : the kind of file, for messages: "table". Raises `InputError` when it is missing, is not YAML, or holds
    anything but keys with values.
    """
    try:
        content = parse_yaml(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read the {what} {path}: {error.strerror}; check the path") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"the {what} {path} is not YAML: {' '.join(str(error).split())}") from None
    if content is not None and not isinstance(content, dict):
        raise InputError(f"the {what} {path} holds no 'key: value' lines")
    return content or {}


def sha256_file(path: Path | str) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
