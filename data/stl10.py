"""STL-10's 100,000 unlabelled images, in the official binary file (Coates, Ng & Lee 2011)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dcgan_features.data.dataset import Dataset
from dcgan_features.data.download import chosen_root, is_there, verify
from dcgan_features.data.utils.errors import InputError

SIZE = 96  # pixels along a side
_IMAGE = 3 * SIZE * SIZE  # bytes


def stl10_unlabelled(root: Path | str | None = None, download: bool = True) -> Dataset:
    """The 100,000 unlabelled images, uint8 (n, 96, 96, 3), memory-mapped: the file holds 2.8 GB.

    root : folder that holds `stl10_binary`. None: the environment variable DATA_ROOT, or ~/.cache/dcgan-features.
    download : makes no difference: the archive is so large that it is left to the user.

    The file's name and digest are those that torchvision has. Raises `InputError` when the file is absent or is not
    the official one.
    """
    from torchvision.datasets import STL10  # takes seconds to import, so only when needed

    name, md5 = next(entry for entry in STL10.train_list if entry[0].startswith("unlabeled"))
    file = chosen_root(root) / STL10.base_folder / name
    remedy = f"unpack the official {STL10.filename}, or pass --data-root with the folder that holds {STL10.base_folder}"
    if not is_there(file, remedy):
        raise InputError(f"STL-10's unlabelled images are not in {file.parent}: {remedy}")
    verify(file, md5, remedy)
    # A red, a green and a blue plane an image, each column by column.
    planes = np.memmap(file, np.uint8, "r").reshape(-1, 3, SIZE, SIZE)
    return Dataset("stl10-unlabelled", planes.transpose(0, 3, 2, 1), note="STL-10, official binary file, unlabelled")
