"""dSprites (Matthey, Higgins, Hassabis & Lerchner 2017), in the official file of numpy's.

https://github.com/google-deepmind/dsprites-dataset: 737,280 white sprites on black, 64 x 64, every combination of a
shape, a scale, an orientation and a position.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dcgan_features.data.download import chosen_root
from dcgan_features.data.factors.known import Factor, KnownFactors, chosen_rows
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_archive

FILE = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
FACTORS = (
    Factor("shape", 3, "categorical"),
    Factor("scale", 6, "ordered"),
    Factor("orientation", 40, "cyclic"),
    Factor("x", 32, "ordered"),
    Factor("y", 32, "ordered"),
)
_REMEDY = "restore the official file"


def dsprites(root: Path | str | None = None, count: int = 1_000, seed: int = 0) -> KnownFactors:
    """`count` different sprites, drawn at random: uint8 (count, 64, 64, 1), 0 or 255, and their factors.

    root : folder that holds the official file; None: the environment variable DATA_ROOT, or ~/.cache/dcgan-features.
        The file is not downloaded. It is unpacked in memory: 3 GB. Of its factors the colour, which is always white,
        is left out. Orientation goes once round the circle; a square looks alike at every quarter of it and an ellipse
        at every half, as in the original.
    Raises `InputError` where the file is absent, damaged, or holds other arrays, or fewer images than asked for.
    """
    path = chosen_root(root) / FILE
    if not path.is_file():
        raise InputError(f"dSprites is not in {path.parent}: put the official {FILE} there, or give --data-root")
    arrays = read_archive(path, ("imgs", "latents_classes"), ("latents_values",), _REMEDY)
    images, classes = arrays["imgs"], arrays["latents_classes"]
    if images.ndim != 3 or images.dtype != np.uint8 or classes.shape != (len(images), 1 + len(FACTORS)):
        raise InputError(
            f"{path} holds imgs {images.dtype} {images.shape} and latents_classes {classes.shape}, not uint8 "
            f"(n, 64, 64) and (n, {1 + len(FACTORS)}); {_REMEDY}"
        )
    if classes.dtype.kind not in "iu":
        raise InputError(f"{path} holds latents_classes of {classes.dtype}, not whole numbers; {_REMEDY}")
    if len(images) and images.max() > 1:
        raise InputError(f"{path} holds pixels up to {images.max()}, not 0 and 1; {_REMEDY}")
    rows = chosen_rows(len(images), count, seed, str(path))
    return KnownFactors(
        name="dSprites",
        factors=FACTORS,
        images=images[rows][..., None] * np.uint8(255),
        values=classes[rows, 1:].astype(np.int64),
        note=f"dSprites, {count:,} of {len(images):,} images, drawn at random by seed {seed}",
    )
