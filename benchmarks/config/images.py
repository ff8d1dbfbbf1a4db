"""The labelled images that a table is measured on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from dcgan_features import data
from dcgan_features.benchmarks.config.schema import Adaptation, DatasetChoice
from dcgan_features.data.dataset import Dataset, Images, Labels
from dcgan_features.data.padding import adapted_dataset
from dcgan_features.data.sources import STAND_INS
from dcgan_features.data.utils.errors import InputError


@dataclass(frozen=True, eq=False)
class LabelledDataset(Dataset):
    """A data set that can be scored on: it has labels of at least two classes, and test images with their labels."""

    train_labels: Labels
    test_images: Images
    test_labels: Labels


def labelled(dataset: Dataset, source: str = "") -> LabelledDataset:
    """The data set as one with labels. Raises `InputError`, which names the `source`, where it lacks any of them."""
    source = source or dataset.name
    train, images, test = dataset.train_labels, dataset.test_images, dataset.test_labels
    if train is None or images is None or test is None:
        raise InputError(
            f"{source} has no labels or no test images, so nothing can be scored on it; choose a labelled data "
            f"set ({', '.join(data.LOADERS)})"
        )
    classes = np.unique(train[train >= 0])
    if len(classes) < 2:
        raise InputError(f"{source} has only class {classes[0]}, but a classifier needs at least two")
    return LabelledDataset(
        name=dataset.name,
        train_images=dataset.train_images,
        train_labels=train,
        test_images=images,
        test_labels=test,
        classes=dataset.classes,
        stand_in=dataset.stand_in,
        note=dataset.note,
        train_groups=dataset.train_groups,
    )


@lru_cache(maxsize=1)
def load_dataset(choice: DatasetChoice, root: Path | None) -> LabelledDataset:
    """The data set chosen. Raises `InputError` unless it has training and test labels of at least two classes."""
    given = {name: getattr(choice, name) for name in ("n_train", "n_test") if getattr(choice, name) is not None}
    if choice.source in STAND_INS:
        dataset = STAND_INS[choice.source](**given, seed=choice.seed)
    elif given:
        raise InputError(
            f"{', '.join(given)} go with the sources {', '.join(STAND_INS)}, not with {choice.source}; remove them"
        )
    else:
        dataset = data.load(choice.source, root)
    return labelled(dataset, choice.source)


def adapt(dataset: LabelledDataset, wanted: Adaptation) -> LabelledDataset:
    """The data set with its images padded and given channels as wanted, see `data.adapted_dataset`."""
    adapted = adapted_dataset(dataset, wanted.size, wanted.channels)
    return dataset if adapted is dataset else labelled(adapted)
