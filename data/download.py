"""Official files of published data sets: where they lie, whether they are whole, and how they are downloaded."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import socket
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path, home_path

_TIMEOUT = 30.0  # seconds without an answer after which a download is given up


def chosen_root(root: Path | str | None) -> Path:
    """The folder of the official data sets: the one given, or DATA_ROOT, or ~/.cache/dcgan-features."""
    chosen = root or os.environ.get("DATA_ROOT") or Path("~/.cache/dcgan-features")
    return home_path(chosen, "name the folder by --data-root or DATA_ROOT").resolve()


def is_there(file: Path, remedy: str) -> bool:
    """Whether a file or folder exists. Raises `InputError`, which ends in the remedy, where that cannot be told."""
    try:
        return file.exists()
    except PermissionError:
        raise InputError(f"{file.parent} may not be read: change its permissions, or {remedy}") from None


def verify(file: Path, md5: str, remedy: str) -> None:
    """Check a file's MD5. Raises `InputError`, which ends in the remedy, for a missing, unreadable or other file."""
    try:
        if file.exists() and not file.is_file() and not file.is_dir():
            raise InputError(f"{file} is a pipe or a device, not a file: {remedy}")
        with open(file, "rb") as opened:
            found = hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{file} is missing: {remedy}") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): {remedy}") from error
    if found != md5:
        raise InputError(f"{file} is truncated or altered, for its MD5 is {found} instead of {md5}: {remedy}")


def download_file(name: str, urls: list[str], md5: str, file: Path, remedy: str) -> None:
    """Download one file whole, from the first of `urls` that has it, or raise `InputError` and leave nothing behind."""
    from torchvision.datasets.utils import download_url  # takes seconds to import, so only when needed

    with downloading(name, file, remedy) as temporary:
        for url in urls:
            try:
                download_url(url, temporary.parent, temporary.name, md5)
                return
            except (OSError, RuntimeError):
                if url == urls[-1]:
                    raise


@contextlib.contextmanager
def downloading(name: str, path: Path, remedy: str) -> Iterator[Path]:
    """Within, a data set is downloaded to the temporary path that is yielded; only what is whole is named `path`.

    name : the data set and how much it is, for what is printed: "CIFAR-10 (170 MB)".
    Raises `InputError`, which ends in the remedy, when the network or the archive fails; then nothing is left behind.
    """
    try:
        with _without_leftover_parents(path), atomic_path(path) as temporary, _patience(_TIMEOUT):
            print(f"Downloading {name} into {path.parent}", file=sys.stderr)
            with contextlib.redirect_stdout(sys.stderr):  # torchvision talks on stdout, which belongs to results
                yield temporary
    except (OSError, RuntimeError, EOFError, http.client.HTTPException, tarfile.TarError) as error:
        reason = getattr(error, "reason", None) or error
        plain_name = name.partition(" (")[0]
        raise InputError(
            f"{plain_name} is not in {path.parent} and could not be downloaded ({reason}): {remedy}"
        ) from error


@contextlib.contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """Set a time-out for a while: torchvision sets none, and without one an unreachable network would hang for good."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextlib.contextmanager
def _without_leftover_parents(path: Path) -> Iterator[None]:
    """After an exception, remove the parent folders of `path` that were made meanwhile and are empty."""
    absent = [parent for parent in path.parents if not parent.exists()]
    try:
        yield
    except BaseException:
        for parent in absent:
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise
