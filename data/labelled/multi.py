"""Pictures of several classes each, listed in a CSV file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.dataset import Images
from dcgan_features.data.labelled.lists import SEVERAL, has_several, list_csv
from dcgan_features.data.labelled.pictures import Form, pictures_of_files
from dcgan_features.data.picture_cache import Progress, silent
from dcgan_features.data.splits import group_holdout, holdout
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import home_path

_SHARE = 0.2  # of the pictures, set aside for testing where the list has no split


@dataclass(frozen=True)
class MultiLabelImages:
    """Images uint8 (n, height, width, channels), and which classes each has: bool (n, k), in the order of `classes`."""

    name: str
    images: Images
    targets: NDArray[np.bool_]
    test_images: Images
    test_targets: NDArray[np.bool_]
    classes: tuple[str, ...]
    note: str = ""


def is_multi_label(source: object) -> bool:
    """Whether what a user names is a CSV file whose header has the column `labels`."""
    if not isinstance(source, str | Path):
        return False
    path = home_path(source, "give the path in full")
    return path.suffix.lower() in (".csv", ".tsv") and path.is_file() and has_several(path)


def multi_label_images(
    source: str | Path, form: Form | None = None, seed: int = 0, progress: Progress = silent
) -> MultiLabelImages:
    """The pictures of a CSV file with the columns `path` and `labels`, names separated by "|", and perhaps `split`
    and `group`.

    An empty cell is a picture of no class. Without a split a fifth is set aside for testing by the seed, by whole
    groups where there are some. Raises `InputError` for what cannot be used, and for a class of no training picture.
    """
    path, form = home_path(source, "give the path in full"), form or Form()
    listed = list_csv(path, SEVERAL)
    written = [{name.strip() for name in text.split("|") if name.strip()} for text in listed.labels]
    count = len(written)
    if listed.test is not None:
        side = np.array(listed.test)
        split = "its own split"
    else:
        size = max(1, round(_SHARE * count))
        if listed.groups is None:
            test = holdout(count, size, seed)[1]
        else:
            test = group_holdout(np.unique(listed.groups, return_inverse=True)[1].astype(np.int64), size, seed)[1]
        side = np.zeros(count, bool)
        side[test] = True
        split = f"{_SHARE:.0%} set aside for testing by seed {seed}"
    own, other = np.flatnonzero(~side), np.flatnonzero(side)
    classes = sorted({name for place in own for name in written[place]})
    if not classes:
        raise InputError(f"{path}: no training picture has a class; name some, separated by '|'")
    unknown = sorted({name for place in other for name in written[place]} - set(classes))
    if unknown:
        raise InputError(f"{path}: the class {unknown[0]} is among the test pictures only; add training pictures of it")
    targets = np.array([[name in names for name in classes] for names in written], bool)
    order = np.r_[own, other]
    images = pictures_of_files([listed.files[place] for place in order], form, path.stem, progress)
    note = f"{count:,} pictures of {listed.note}, {split}{form.words()}"
    return MultiLabelImages(
        path.stem, images[: len(own)], targets[own], images[len(own) :], targets[other], tuple(classes), note
    )
