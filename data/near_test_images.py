"""Images of corpora that nearly are test images: listed, and left out of what is learnt from without labels.

`data/near_test/<corpus>.json` is a list that `python -m benchmarks.overlap` wrote, or that says where it is from.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from dcgan_features.data.dataset import Images
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_sealed
from dcgan_features.data.utils.settings import first_mistake

FOLDER = Path(__file__).parent / "near_test"
log = logging.getLogger(__name__)


class NearTestImages(BaseModel):
    """The list of one corpus.

    corpus : its name, with hyphens. images : how many it has. digest : SHA-256 of them, see
    `data.utils.hashing.array_digest`; None where the corpus was not at hand. how : by what they were found.
    left_out : indices of the images that are near a test image of any table, ascending.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    corpus: str
    images: int
    digest: str | None
    how: str
    left_out: list[int]


def near_test_images(corpus: str) -> NearTestImages | None:
    """The list of a corpus; None where there is none. Raises `InputError` for a damaged one."""
    path = FOLDER / f"{corpus.replace('_', '-')}.json"
    if not path.exists():
        return None
    try:
        found = NearTestImages.model_validate(read_sealed(path))
    except ValidationError as error:
        raise InputError(f"{path} is damaged: {first_mistake(error)}; restore it from a copy") from None
    if found.left_out != sorted({index for index in found.left_out if 0 <= index < found.images}):
        raise InputError(f"{path} is damaged: its indices are not those of images, ascending; restore it from a copy")
    return found


def without_near_test_images(corpus: str, images: Images) -> tuple[Images, int]:
    """The images of a corpus without those that are near a test image, and how many these were.

    corpus : its name. images : uint8 (n, height, width, channels), in the official order, of any size.
    """
    found = near_test_images(corpus)
    if found is None or not found.left_out:
        return images, 0
    if found.images != len(images):
        log.warning("%s has %s images, the list of those near test images is of %s; none is left out",
                    corpus, f"{len(images):,}", f"{found.images:,}")  # fmt: skip
        return images, 0
    kept = np.ones(len(images), bool)
    kept[found.left_out] = False
    return images[kept], len(found.left_out)
