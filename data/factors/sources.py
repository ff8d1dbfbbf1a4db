"""From the name of a set of images with known factors to some of its images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dcgan_features.data.factors.dsprites import dsprites
from dcgan_features.data.factors.known import KnownFactors
from dcgan_features.data.factors.shapes3d import shapes3d
from dcgan_features.data.synthetic.sprites import sprites
from dcgan_features.data.utils.errors import unknown_name

# Every set with a name: (root, count, seed) to so many of its images. A new one is one file and one line here.
FACTOR_SETS: dict[str, Callable[[Path | None, int, int], KnownFactors]] = {
    "sprites": lambda root, count, seed: sprites(count, seed),
    "dsprites": dsprites,
    "3dshapes": shapes3d,
}


def load_factors(name: str, root: Path | None = None, count: int = 1_000, seed: int = 0) -> KnownFactors:
    """`count` different images of a set, drawn at random, in random order.

    name : of `FACTOR_SETS`. root : folder that holds the official file of a set that is not made here. Raises
    `InputError` for an unknown name, a file that is absent or damaged, or more images than there are.
    """
    if name not in FACTOR_SETS:
        raise unknown_name("set of known factors", name, FACTOR_SETS)
    return FACTOR_SETS[name](root, count, seed)
