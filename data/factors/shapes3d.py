"""3D Shapes (Burgess & Kim 2018), in the official HDF5 file or as numpy's arrays.

https://github.com/google-deepmind/3d-shapes: 480,000 rendered scenes, 64 x 64, every combination of the hues of floor,
wall and object, and the object's scale, shape and orientation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.download import chosen_root
from dcgan_features.data.factors.known import Factor, KnownFactors, chosen_rows
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_archive, read_hdf5

FILE = "3dshapes.h5"
CONVERTED = "3dshapes.npz"
FACTORS = (
    Factor("floor hue", 10, "cyclic"),
    Factor("wall hue", 10, "cyclic"),
    Factor("object hue", 10, "cyclic"),
    Factor("scale", 8, "ordered"),
    Factor("shape", 4, "categorical"),
    Factor("orientation", 15, "ordered"),
)
# Values as the official file has them: hues 0, 0.1, ..., scales 0.75 to 1.25, shapes 0 to 3, degrees -30 to 30.
_LEVELS = (
    *(np.arange(10) / 10,) * 3,
    np.linspace(0.75, 1.25, 8),
    np.arange(4.0),
    np.linspace(-30, 30, 15),
)
_REMEDY = "restore the official file"


def shapes3d(root: Path | str | None = None, count: int = 1_000, seed: int = 0) -> KnownFactors:
    """`count` different scenes, drawn at random: uint8 (count, 64, 64, 3) and their factors.

    root : folder that holds the official `3dshapes.h5`, for which h5py must be installed (extra "hdf5"), or
        `3dshapes.npz` with the same two arrays, images and labels, which is looked for first; None: the environment
        variable DATA_ROOT, or ~/.cache/dcgan-features. Nothing is downloaded. Of the HDF5 file only the rows drawn are
        kept in memory.
    Raises `InputError` where neither file is there, h5py is needed and absent, the file is damaged or holds other
    arrays, a label is none of the official values, or there are fewer images than asked for.
    """
    folder = chosen_root(root)
    if (folder / CONVERTED).is_file():
        path = folder / CONVERTED
        arrays = read_archive(path, ("images", "labels"), remedy=_REMEDY)
        images, labels = arrays["images"], arrays["labels"]
        _check(path, images.shape, images.dtype, labels)
        rows = chosen_rows(len(images), count, seed, str(path))
        chosen: NDArray[Any] = images[rows]
        total = len(images)
    elif (folder / FILE).is_file():
        path = folder / FILE
        with read_hdf5(path, ("images", "labels"), _REMEDY) as file:
            labels = file.whole("labels")
            shape, dtype = file.shape("images")
            _check(path, shape, dtype, labels)
            total = shape[0]
            rows = chosen_rows(total, count, seed, str(path))
            chosen = file.rows("images", rows)
    else:
        raise InputError(f"3D Shapes is not in {folder}: put the official {FILE} there, or give --data-root")
    return KnownFactors(
        name="3D Shapes",
        factors=FACTORS,
        images=chosen,
        values=_numbered(path, labels[rows]),
        note=f"3D Shapes, {count:,} of {total:,} images, drawn at random by seed {seed}",
    )


def _check(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], labels: NDArray[Any]) -> None:
    if len(shape) != 4 or shape[3] != 3 or dtype != np.uint8 or labels.shape != (shape[0], len(FACTORS)):
        raise InputError(
            f"{path} holds images {dtype} {shape} and labels {labels.shape}, not uint8 (n, 64, 64, 3) and (n, "
            f"{len(FACTORS)}); {_REMEDY}"
        )


def _numbered(path: Path, labels: NDArray[Any]) -> NDArray[np.int64]:
    """The labels, which are the factors' values in units of their own, as numbers from 0."""
    values = np.empty(labels.shape, np.int64)
    for column, (factor, levels) in enumerate(zip(FACTORS, _LEVELS, strict=True)):
        apart = np.abs(labels[:, column, None].astype(np.float64) - levels)
        values[:, column] = apart.argmin(1)
        if not (apart.min(1) < (levels[1] - levels[0]) / 10).all():
            raise InputError(f"{path} holds labels that are no {factor.name} of 3D Shapes; {_REMEDY}")
    return values
