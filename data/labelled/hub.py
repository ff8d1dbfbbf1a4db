"""Data sets in the form of Hugging Face's `datasets`: of the hub, or saved on disk. An optional extra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dcgan_features.data.dataset import Dataset
from dcgan_features.data.labelled.labels import encode_labels
from dcgan_features.data.labelled.pictures import Form, pictures_of
from dcgan_features.data.labelled.splits import TEST_SHARE, stratified_split
from dcgan_features.data.picture_cache import Progress, silent
from dcgan_features.data.sources import downloads_allowed
from dcgan_features.data.utils.errors import InputError

_TEST = ("test", "validation", "valid", "val")
_LABELS = ("label", "labels", "fine_label", "coarse_label", "target", "class")


def hub_images(name: str, form: Form, seed: int = 0, progress: Progress = silent) -> Dataset:
    """A data set of images with one column of pictures and one of labels, split as it comes.

    name : on the hub, with a configuration after "@" where it has several; or the folder of one saved by
        `save_to_disk`. Raises `InputError` where `datasets` is not installed and for what has no such columns.
    """
    try:
        import datasets
    except ImportError:
        raise InputError("hf: needs the package datasets; install it with pip install 'dcgan-features[hub]'") from None
    found = _load(datasets, name)
    parts = dict(found) if isinstance(found, dict) else {"train": found}
    train = parts.get("train")
    if train is None:
        raise InputError(f"hf:{name} has no part 'train', only {', '.join(parts)}; choose another data set")
    test = next((parts[part] for part in _TEST if part in parts), None)
    column, label = _columns(datasets, train, name)
    names = getattr(train.features[label], "names", None)
    used = [train] if test is None else [train, test]
    written = [_written(list(part[label]), names) for part in used]
    order = [(part, place) for part, labels in enumerate(written) for place in range(len(labels))]
    if test is None:
        encoded, _, classes = encode_labels(written[0], written[0], name)
        sides = stratified_split(encoded, classes, seed=seed, what=name)
        order, written = [(0, int(place)) for side in sides for place in side], [written[0][side] for side in sides]
    own, other, classes = encode_labels(written[0], written[1], name)
    key = " ".join(str(getattr(part, "_fingerprint", "")) for part in used)
    images = pictures_of(
        len(order), lambda: (used[part][place][column] for part, place in order), form, name.replace("/", "-"),
        f"{key} {seed}", progress,
    )  # fmt: skip
    split = "its own split" if test is not None else f"{TEST_SHARE:.0%} set aside for testing by seed {seed}"
    note = f"{name} by the package datasets, {split}{form.words()}"
    return Dataset(Path(name).name.lower(), images[: len(own)], own, images[len(own) :], other, classes, note=note)


def _load(datasets: Any, name: str) -> Any:
    if Path(name).expanduser().is_dir():
        try:
            return datasets.load_from_disk(str(Path(name).expanduser()))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{name} is not a data set saved by save_to_disk ({_said(error)}); check the path"
            ) from None
    if not downloads_allowed():
        raise InputError(
            f"hf:{name} is on the hub, and nothing is downloaded here; save it to disk and name its folder"
        )
    path, _, configuration = name.partition("@")
    try:
        return datasets.load_dataset(path, configuration or None)
    except Exception as error:  # the package raises what its many parts raise
        raise InputError(f"hf:{name} cannot be had ({_said(error)}); check the name and the network") from None


def _columns(datasets: Any, part: Any, name: str) -> tuple[str, str]:
    pictures = [column for column, kind in part.features.items() if isinstance(kind, datasets.Image)]
    labels = [column for column, kind in part.features.items() if isinstance(kind, datasets.ClassLabel)]
    labels = labels or [column for column in _LABELS if column in part.features]
    if not pictures or not labels:
        columns = ", ".join(part.features)
        raise InputError(f"hf:{name} has no column of pictures and of classes among {columns}; choose another data set")
    return pictures[0], labels[0]


def _written(labels: Any, names: list[str] | None) -> Any:
    array = np.asarray(labels)
    if names is None or array.min() < 0:
        return array
    return np.array(names)[array]


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
