"""Collections that torchvision knows, with their official splits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dcgan_features.data.dataset import Dataset
from dcgan_features.data.download import chosen_root
from dcgan_features.data.labelled.labels import encode_labels
from dcgan_features.data.labelled.pictures import Form, pictures_of
from dcgan_features.data.labelled.splits import TEST_SHARE, stratified_split
from dcgan_features.data.picture_cache import Progress, silent
from dcgan_features.data.sources import downloads_allowed
from dcgan_features.data.utils.errors import InputError, unknown_name

_BOOLEAN = ({"train": True}, {"train": False})
_SPLIT = ({"split": "train"}, {"split": "test"})


@dataclass(frozen=True)
class _Parts:
    """Keywords that give the training and the test images; of one part alone, where there is no official split."""

    train: dict[str, Any]
    test: dict[str, Any] | None


_SETS = {
    "CIFAR10": _Parts(*_BOOLEAN),
    "CIFAR100": _Parts(*_BOOLEAN),
    "Country211": _Parts(*_SPLIT),
    "DTD": _Parts(*_SPLIT),
    "EuroSAT": _Parts({}, None),
    "FGVCAircraft": _Parts({"split": "trainval"}, {"split": "test"}),
    "FashionMNIST": _Parts(*_BOOLEAN),
    "Flowers102": _Parts(*_SPLIT),
    "Food101": _Parts(*_SPLIT),
    "GTSRB": _Parts(*_SPLIT),
    "Imagenette": _Parts({"split": "train"}, {"split": "val"}),
    "KMNIST": _Parts(*_BOOLEAN),
    "MNIST": _Parts(*_BOOLEAN),
    "OxfordIIITPet": _Parts({"split": "trainval"}, {"split": "test"}),
    "PCAM": _Parts(*_SPLIT),
    "RenderedSST2": _Parts(*_SPLIT),
    "STL10": _Parts(*_SPLIT),
    "SUN397": _Parts({}, None),
    "SVHN": _Parts(*_SPLIT),
    "USPS": _Parts(*_BOOLEAN),
}


def torchvision_images(
    name: str, form: Form, seed: int = 0, root: Path | None = None, progress: Progress = silent
) -> Dataset:
    """A collection of torchvision, such as "CIFAR100", with its official training and test images.

    Those that have no official split (EuroSAT, SUN397) are split by `stratified_split`. root : the folder that
    torchvision keeps it in; None is that of `data.download.chosen_root`, and only into that one is it downloaded.
    Raises `InputError` for an unknown name and for a collection that is not there.
    """
    from torchvision import datasets

    if name not in _SETS:
        raise unknown_name("collection of torchvision", name, _SETS)
    kind, parts = getattr(datasets, name), _SETS[name]
    given = [parts.train] if parts.test is None else [parts.train, parts.test]
    opened = [_open(kind, name, keywords, root) for keywords in given]
    names = [str(item) for item in getattr(opened[0], "classes", [])]
    labels = [np.asarray(_labels(part), dtype=np.int64) for part in opened]
    written = [np.array(names)[part] if _distinct(names, part) else part for part in labels]
    order = [(part, place) for part, found in enumerate(labels) for place in range(len(found))]
    if parts.test is None:
        encoded, _, classes = encode_labels(written[0], written[0], name)
        sides = stratified_split(encoded, classes, seed=seed, what=name)
        order, written = [(0, int(place)) for side in sides for place in side], [written[0][side] for side in sides]
    own, other, classes = encode_labels(written[0], written[1], name)
    images = pictures_of(
        len(order), lambda: (_picture(opened[part][place][0]) for part, place in order), form, f"torchvision-{name}",
        f"{chosen_root(root)} {seed}", progress,
    )  # fmt: skip
    split = "its official split" if parts.test is not None else f"{TEST_SHARE:.0%} set aside for testing by seed {seed}"
    note = f"{name} by torchvision, {split}{form.words()}"
    return Dataset(name.lower(), images[: len(own)], own, images[len(own) :], other, classes, note=note)


def _open(kind: Callable[..., Any], name: str, keywords: dict[str, Any], root: Path | None) -> Any:
    folder = chosen_root(root)
    try:
        try:
            return kind(str(folder), **keywords)
        except (RuntimeError, FileNotFoundError, TypeError):
            if root is not None or not downloads_allowed():
                raise
            return kind(str(folder), **keywords, download=True)
    except (RuntimeError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"torchvision's {name} is not in {folder} ({reason}); put it there as torchvision has it, or name the "
            f"folder "
            "by --data-root"
        ) from None


def _labels(part: Any) -> Iterable[int]:
    for attribute in ("targets", "labels", "_labels"):
        found = getattr(part, attribute, None)
        if found is not None and len(found) == len(part):
            return [int(value) for value in found]
    return [int(label) for _, label in part]


def _distinct(names: list[str], labels: np.ndarray[Any, np.dtype[np.int64]]) -> bool:
    return len(set(names)) == len(names) and labels.min() >= 0 and labels.max() < len(names)


def _picture(item: Any) -> Image.Image:
    if isinstance(item, Image.Image):
        return item
    return Image.fromarray(np.asarray(item))
