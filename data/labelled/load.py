"""From what a user names to labelled images: a folder, a CSV file, a collection of torchvision or the hub, arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcgan_features.data.dataset import NO_LABEL, Dataset, Images
from dcgan_features.data.labelled.folders import Listed, list_folder
from dcgan_features.data.labelled.labels import Labels, encode_labels
from dcgan_features.data.labelled.lists import list_csv
from dcgan_features.data.labelled.pictures import Form, pictures_of_files
from dcgan_features.data.labelled.splits import TEST_SHARE, stratified_split
from dcgan_features.data.picture_cache import Progress, silent
from dcgan_features.data.sources import LOADERS, load
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.files import home_path
from dcgan_features.data.utils.random_streams import raw_words

_LIMIT_STREAM = 3
_LABELS_STREAM = 5


@dataclass(frozen=True)
class Limit:
    """At most so many images of a part. test : None is a quarter of `train`; "all" is all."""

    train: int
    test: int | Literal["all"] | None = None

    def of_test(self, available: int) -> int:
        """The number of test images to take of those available."""
        return available if self.test == "all" else min(available, self.test or -(-self.train // 4))


def labelled_images(
    source: str | Path,
    form: Form | None = None,
    seed: int = 0,
    limit: Limit | None = None,
    root: Path | None = None,
    progress: Progress = silent,
) -> Dataset:
    """The labelled images that `source` names, training and test images apart.

    source : a folder with `train/CLASS/*` and `test/CLASS/*`, or with `CLASS/*`, of which a fifth is set aside for
        testing by `stratified_split`; a CSV file, see `list_csv`; "torchvision:NAME"; "hf:NAME" (a data set of the
        Hugging Face hub, or the path of one on disk); or a name in `data.LOADERS`.
    form : size to which pictures are brought, and how; None leaves them. seed : of the split and of the limit.
    limit : at most so many images of each part, at random, each class by its share.
    root : folder of official data sets; nothing is downloaded into one that is named.

    Raises `InputError` for what cannot be used.
    """
    form, text = form or Form(), str(source)
    kind, _, rest = text.partition(":")
    if kind == "torchvision":
        from dcgan_features.data.labelled.torchvision_sets import torchvision_images

        return limited(torchvision_images(rest, form, seed, root, progress), limit, seed)
    if kind == "hf":
        from dcgan_features.data.labelled.hub import hub_images

        return limited(hub_images(rest, form, seed, progress), limit, seed)
    if text in LOADERS:
        if form.size is not None and form.fit != "crop":
            raise InputError(f"{text} is resized by cropping alone; leave out --fit {form.fit}")
        return limited(load(text, root, form.size, download=root is None), limit, seed)
    path = home_path(source, "give the path in full")
    if path.suffix.lower() in (".csv", ".tsv") and not path.is_dir():
        listed, name = list_csv(path), path.stem
    elif path.is_dir():
        listed, name = list_folder(path), path.resolve().name
    elif path.exists():
        raise InputError(f"{path} is neither a folder nor a CSV file; give a folder of class folders, or a list in CSV")
    elif "/" in text or "\\" in text or path.suffix:
        raise InputError(f"{path} does not exist; check the path")
    else:
        raise unknown_name("data set", text, [*LOADERS, "a folder", "a .csv file", "torchvision:NAME", "hf:NAME"])
    return _of_files(listed, name, form, seed, limit, progress)


def from_arrays(data: Sequence[Any], name: str = "arrays", seed: int = 0, limit: Limit | None = None) -> Dataset:
    """Labelled images in memory: (X, y, X_test, y_test), or (X, y), of which a fifth is set aside for testing.

    X : uint8 (n, height, width, channels), 0..255, 1 or 3 channels, or grey (n, height, width); may be memory-mapped.
    y : as for `encode_labels`. Raises `InputError` for what cannot be used.
    """
    if not isinstance(data, tuple | list) or len(data) not in (2, 4):
        raise InputError(f"data of {_described(data)} cannot be used; give (X, y) or (X, y, X_test, y_test)")
    images = check_image_array(data[0], "X")
    count = np.shape(data[1])[0] if np.ndim(data[1]) else 0
    if count != len(images):
        raise InputError(f"X has {len(images):,} images and y {count:,} labels; give a label to each image")
    if len(data) == 2:
        labels, _, classes = encode_labels(data[1], data[1])
        train, test = stratified_split(labels, classes, seed=seed, what="X")
        note = f"arrays, of which {_split_words(seed)}"
        return limited(
            Dataset(name, images[train], labels[train], images[test], labels[test], classes, note=note), limit, seed
        )
    test_images = check_image_array(data[2], "X_test")
    count = np.shape(data[3])[0] if np.ndim(data[3]) else 0
    if count != len(test_images):
        raise InputError(f"X_test has {len(test_images):,} images and y_test {count:,} labels; give a label to each")
    labels, test_labels, classes = encode_labels(data[1], data[3])
    return limited(Dataset(name, images, labels, test_images, test_labels, classes, note="arrays"), limit, seed)


def limited(dataset: Dataset, limit: Limit | None, seed: int = 0) -> Dataset:
    """A part of the data set for a first look, or all.

    Each class keeps its share, and one image of each part at least. Raises `InputError` for a limit below the classes.
    """
    if limit is None:
        return dataset
    train, test, test_images = dataset.train_labels, dataset.test_labels, dataset.test_images
    if train is None or test is None or test_images is None:
        raise InputError(f"{dataset.name} has no labels or no test images; choose a labelled data set")
    chosen = _places(train, test, limit, seed, len(dataset.classes))
    if chosen is None:
        return dataset
    own, other = chosen
    return replace(
        dataset,
        train_images=dataset.train_images[own],
        train_labels=train[own],
        test_images=test_images[other] if len(other) < len(test) else test_images,
        test_labels=test[other],
        train_groups=None if dataset.train_groups is None else dataset.train_groups[own],
        note=f"{dataset.note}; a part of {len(own):,} and {len(other):,} of {len(train):,} and {len(test):,} images",
    )


def _places(train: Labels, test: Labels, limit: Limit, seed: int, classes: int) -> tuple[Labels, Labels] | None:
    """Which images of each part are taken; None where the limit is no limit."""
    if limit.train < 2 * classes:
        raise InputError(
            f"a limit of {limit.train} leaves less than 2 training images of each of {classes} classes; give "
            f"{2 * classes} or more"
        )
    if limit.train >= len(train):
        return None
    wanted = limit.of_test(len(test))
    other = np.arange(len(test)) if wanted == len(test) else _part(test, wanted, 1, seed)
    return _part(train, limit.train, 2, seed), other


def keep_labels(dataset: Dataset, count: int | None, seed: int = 0) -> Dataset:
    """The data set with so many training labels, at random, each class by its share; the images all stay.

    What learns without labels has all images, classifiers have few. count : None, or as many as there are, changes
    nothing. Raises `InputError` for fewer than two labels a class.
    """
    labels = dataset.train_labels
    if count is None or labels is None or count >= int((labels >= 0).sum()):
        return dataset
    if count < 2 * len(dataset.classes):
        raise InputError(
            f"{count} labels are less than 2 of each of {len(dataset.classes)} classes; give "
            f"{2 * len(dataset.classes)} or more"
        )
    chosen = _part(labels, count, 2, seed, _LABELS_STREAM)
    kept = np.full_like(labels, NO_LABEL)
    kept[chosen] = labels[chosen]
    return replace(dataset, train_labels=kept, note=f"{dataset.note}; labels of {len(chosen):,} training images")


def _part(
    labels: NDArray[np.int64], limit: int, least: int, seed: int, stream: int = _LIMIT_STREAM
) -> NDArray[np.int64]:
    words, labelled = raw_words(len(labels), seed, 0, stream), int((labels >= 0).sum())
    chosen = []
    for label in np.unique(labels[labels >= 0]):
        members = np.flatnonzero(labels == label)
        count = max(least, round(limit * len(members) / labelled))
        chosen.append(members[np.argsort(words[members], kind="stable")[:count]])
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def _of_files(listed: Listed, name: str, form: Form, seed: int, limit: Limit | None, progress: Progress) -> Dataset:
    note = f"{len(listed.files):,} pictures of {listed.note}{form.words()}"
    if listed.test is None:
        labels, _, classes = encode_labels(listed.labels, listed.labels, name)
        groups = None if listed.groups is None else np.unique(listed.groups, return_inverse=True)[1].astype(np.int64)
        _, test = stratified_split(labels, classes, groups, seed, what=name)
        side = np.zeros(len(labels), bool)
        side[test] = True
        note += f"; {_split_words(seed)}{'' if groups is None else ', by whole groups'}"
    else:
        side = np.array(listed.test)
    written = np.array(listed.labels)
    own, other, classes = encode_labels(written[~side], written[side], name)
    order = [np.flatnonzero(~side), np.flatnonzero(side)]
    # The training images first, then the test images, in one array on disk: each part is a slice of it, not a copy.
    if limit is not None:
        chosen = _places(own, other, limit, seed, len(classes))
        if chosen is not None:  # so that files left out are not even read
            own, other = own[chosen[0]], other[chosen[1]]
            order = [places[part] for places, part in zip(order, chosen, strict=True)]
        note += f"; a part of {len(own):,} and {len(other):,} images"
    files = [listed.files[place] for part in order for place in part]
    images = pictures_of_files(files, form, name, progress)
    groups = None
    if listed.groups is not None:
        groups = np.unique(np.array(listed.groups)[order[0]], return_inverse=True)[1].astype(np.int64)
    train_images, test_images = images[: len(own)], images[len(own) :]
    return Dataset(name, train_images, own, test_images, other, classes, note=note, train_groups=groups)


def _split_words(seed: int) -> str:
    return f"{TEST_SHARE:.0%} of each class set aside for testing by seed {seed}"


def check_image_array(images: ArrayLike, what: str) -> Images:
    """The array as (n, height, width, channels), uint8; `InputError`, calling it `what`, where it is none.

    Memory-mapped arrays stay so.
    """
    array: NDArray[Any] = images if isinstance(images, np.ndarray) else np.asarray(images)
    if array.dtype == object:
        raise InputError(f"{what} holds images of several sizes; give one array (n, height, width, channels)")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4:
        raise InputError(f"{what} has the shape {array.shape}; give images (n, height, width, channels)")
    if array.shape[3] not in (1, 3) and array.shape[1] in (1, 3):
        raise InputError(
            f"{what} has the shape {array.shape}, its channels first; give (n, height, width, channels), as by "
            f"{what}.transpose(0, 2, 3, 1)"
        )
    if array.dtype != np.uint8:
        hint = "" if array.dtype.kind != "f" else f", as by ({what} * 255).round().astype('uint8') where they are 0..1"
        raise InputError(f"{what} is {array.dtype}; give uint8, 0..255{hint}")
    return array


def _described(data: Any) -> str:
    return f"{len(data)} parts" if isinstance(data, tuple | list) else f"the type {type(data).__name__}"
