"""CIFAR-10, in the official python batches (Krizhevsky 2009)."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import shutil
import socket
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from data.dataset import Dataset
from data.errors import InputError
from data.files import atomic_path

FOLDER = "cifar-10-batches-py"
_TIMEOUT = 30.0  # seconds without an answer after which a download is given up
_ELSEWHERE = f"pass --data-root with the folder that holds {FOLDER}, or use --preset demo, which needs no data"


def cifar10(root: Path | str | None = None, download: bool = True) -> Dataset:
    """The 50,000 training and 10,000 test images, uint8 (n, 32, 32, 3), with their labels.

    root : folder that holds `cifar-10-batches-py`, or that folder itself. None: the environment variable DATA_ROOT,
        or ~/.cache/dcgan-features.
    download : whether to download the data set (170 MB) into `root` when it is absent.

    The batches are pickles, which can run any code: none is opened before its MD5 digest has been found to be the
    official one. Raises `InputError` when the data set is absent and not to be had, or when a file is missing or not
    the official one; a folder that is there is never written to.
    """
    from torchvision.datasets import CIFAR10  # takes seconds to import, so only when needed

    folder = _find(chosen_root(root))
    if not folder.is_dir():
        if not download:
            raise InputError(f"CIFAR-10 is not in {folder.parent}: {_ELSEWHERE}")
        _download(CIFAR10, folder)
    _verify(CIFAR10, folder)

    class Official(CIFAR10):  # type: ignore[misc]
        base_folder = folder.name

    train, test = (Official(folder.parent, train=part, download=False) for part in (True, False))
    return Dataset(
        name="cifar10",
        train_images=np.ascontiguousarray(train.data),
        train_labels=np.asarray(train.targets, dtype=np.int64),
        test_images=np.ascontiguousarray(test.data),
        test_labels=np.asarray(test.targets, dtype=np.int64),
        classes=tuple(str(name) for name in train.classes),
        note="CIFAR-10, official python batches",
    )


def chosen_root(root: Path | str | None) -> Path:
    """The folder of the official data sets: the one given, or DATA_ROOT, or ~/.cache/dcgan-features."""
    chosen = root or os.environ.get("DATA_ROOT") or Path("~/.cache/dcgan-features")
    return Path(chosen).expanduser().resolve()


def _find(root: Path) -> Path:
    """The batches' folder: `root` itself where a batch lies in it or it has the official name."""
    try:
        if (root / FOLDER).is_dir():
            return root / FOLDER
        return root if root.name == FOLDER or any(root.glob("data_batch_*")) else root / FOLDER
    except PermissionError:
        raise InputError(f"{root} may not be read: change its permissions, or {_ELSEWHERE}") from None


def _verify(official: Any, folder: Path) -> None:
    names = [*official.train_list, *official.test_list, (official.meta["filename"], official.meta["md5"])]
    remedy = f"remove {folder} and run again to download it, or unpack the official {official.filename} there"
    for name, md5 in names:
        file = folder / name
        try:
            with open(file, "rb") as opened:
                found = hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        except (FileNotFoundError, NotADirectoryError):
            raise InputError(f"{file} is missing: {remedy}") from None
        except OSError as error:
            raise InputError(f"{file} cannot be read ({error.strerror}): {remedy}") from error
        if found != md5:
            raise InputError(f"{file} is truncated or altered, for its MD5 is {found} instead of {md5}: {remedy}")


def _download(official: Any, folder: Path) -> None:
    """Download into a temporary folder, verify, and only then give it its name."""
    from torchvision.datasets.utils import download_and_extract_archive

    try:
        with _without_leftover_parents(folder), atomic_path(folder) as temporary, _patience(_TIMEOUT):
            temporary.mkdir()
            print(f"Downloading CIFAR-10 (170 MB) into {folder.parent}", file=sys.stderr)
            with contextlib.redirect_stdout(sys.stderr):  # torchvision talks on stdout, which belongs to results
                download_and_extract_archive(
                    official.url, temporary, filename=official.filename, md5=official.tgz_md5, remove_finished=True
                )
            unpacked = temporary / FOLDER
            _verify(official, unpacked)
            for file in unpacked.iterdir():
                file.rename(temporary / file.name)
            shutil.rmtree(unpacked)
    except (OSError, RuntimeError, EOFError, http.client.HTTPException, tarfile.TarError) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(
            f"CIFAR-10 is not in {folder.parent} and could not be downloaded ({reason}): {_ELSEWHERE}"
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
