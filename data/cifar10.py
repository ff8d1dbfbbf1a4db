"""CIFAR-10, in the official python batches (Krizhevsky 2009)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from dcgan_features.data.dataset import Dataset
from dcgan_features.data.download import chosen_root, downloading, verify
from dcgan_features.data.utils.errors import InputError

FOLDER = "cifar-10-batches-py"
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
        verify(folder / name, md5, remedy)


def _download(official: Any, folder: Path) -> None:
    """Download into a temporary folder, verify, and only then give it its name."""
    from torchvision.datasets.utils import download_and_extract_archive

    with downloading("CIFAR-10 (170 MB)", folder, _ELSEWHERE) as temporary:
        temporary.mkdir()
        download_and_extract_archive(
            official.url, temporary, filename=official.filename, md5=official.tgz_md5, remove_finished=True
        )
        unpacked = temporary / FOLDER
        _verify(official, unpacked)
        for file in unpacked.iterdir():
            file.rename(temporary / file.name)
        shutil.rmtree(unpacked)
