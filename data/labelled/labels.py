"""Labels as people write them, taken for what they are: names, numbers with gaps, one-hot rows; or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.random_streams import raw_words

Labels = NDArray[np.int64]
_WRONG_STREAM = 5  # of the random words that make labels wrong
_MANY = 20  # labels from which "each picture has a label of its own" is looked for


def encode_labels(train: ArrayLike, test: ArrayLike, where: str = "y") -> tuple[Labels, Labels, tuple[str, ...]]:
    """Labels of training and test images as int64 (n,), 0..k-1, and the k classes' names in their order.

    train, test : names; whole numbers, which need not begin at 0 and may have gaps; truth values; any of these as
        (n, 1); or one-hot rows (n, k) of 0 and 1. Classes are those of `train`, sorted.
    where : what messages call the labels.

    Raises `InputError` for labels that are missing, fractions, of mixed kinds, of one class alone, different for every
    image or of several classes an image (see `benchmarks.compare.compare_multi_label`), and for test labels of no
    training class.
    """
    own, other = _flat(train, f"{where} of the training images"), _flat(test, f"{where} of the test images")
    if own.dtype.kind != other.dtype.kind:
        raise InputError(
            f"{where}: the training labels are {_kind(own)} and the test labels {_kind(other)}; give both alike"
        )
    values = np.unique(own)
    if len(values) < 2:
        raise InputError(f"{where}: all training images are of the class {values[0]}; a classifier needs two at least")
    if len(own) >= _MANY and len(values) > len(own) // 2:
        raise InputError(
            f"{where}: {len(own):,} training images have {len(values):,} different labels, nearly one each; give "
            "classes, not numbers or names of the images"
        )
    unknown = np.setdiff1d(other, values)
    if len(unknown):
        raise InputError(
            f"{where}: the class {unknown[0]} is among the test labels only; give training images of it, or leave its "
            "test images out"
        )
    index, test_index = np.searchsorted(values, own), np.searchsorted(values, other)
    return index.astype(np.int64), test_index.astype(np.int64), tuple(str(value) for value in values)


def wrong_labels(labels: Labels, share: float, seed: int = 0) -> Labels:
    """The labels (n,) with `share` of them, 0..1, replaced at random by another class among them, each as often.

    Symmetric label noise: which ones and by which depends on the seed, the number of labels and the classes alone.
    """
    classes = np.unique(labels)
    if len(classes) < 2:
        return labels.copy()
    words = raw_words(2 * len(labels), seed, 0, _WRONG_STREAM)
    chosen = np.argsort(words[: len(labels)], kind="stable")[: round(share * len(labels))]
    others = len(classes) - 1
    steps = 1 + (words[len(labels) :][chosen] % np.uint64(others)).astype(np.int64)
    made = labels.copy()
    made[chosen] = classes[(np.searchsorted(classes, labels[chosen]) + steps) % len(classes)]
    return made


def _flat(labels: ArrayLike, where: str) -> NDArray[Any]:
    array = np.asarray(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2:
        array = _from_one_hot(array, where)
    if array.ndim != 1 or not len(array):
        raise InputError(f"{where} have the shape {array.shape}; give one label an image")
    if array.dtype == object:
        array = _from_objects(array, where)
    if array.dtype.kind == "f":
        wrong = ~np.isfinite(array) | (array != np.floor(array))
        if wrong.any():
            first = int(wrong.argmax())
            raise InputError(
                f"{where}: number {first} is {array[first]}, which names no class; give whole numbers or names"
            )
        array = array.astype(np.int64)
    if array.dtype.kind in "iu" and array.min() < 0:
        first = int((array < 0).argmax())
        raise InputError(
            f"{where}: number {first} is {array[first]}, as for an image without a label; leave such images out"
        )
    if array.dtype.kind == "U" and (np.char.strip(array) == "").any():
        first = int((np.char.strip(array) == "").argmax())
        raise InputError(f"{where}: number {first} is empty; name a class, or leave the image out")
    if array.dtype.kind not in "biuU":
        raise InputError(f"{where} are {array.dtype}; give whole numbers or names")
    return array


def _from_one_hot(array: NDArray[Any], where: str) -> NDArray[np.int64]:
    if array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
        raise InputError(
            f"{where} have the shape {array.shape} and values other than 0 and 1, such as probabilities; give one "
            f"label an image"
        )
    if (array.sum(1) != 1).any():
        first = int((array.sum(1) != 1).argmax())
        raise InputError(
            f"{where}: row {first} names {int(array[first].sum())} classes; give one class an image, or use "
            "compare_multi_label for images of several classes each"
        )
    index: NDArray[np.int64] = array.argmax(1).astype(np.int64)
    return index


def _from_objects(array: NDArray[Any], where: str) -> NDArray[Any]:
    kinds = sorted({type(value).__name__ for value in array})
    missing = [number for number, value in enumerate(array) if value is None or value != value]
    if missing:
        raise InputError(f"{where}: number {missing[0]} is missing; leave such images out")
    if len(kinds) > 1:
        raise InputError(f"{where} are of several kinds ({', '.join(kinds)}); give all of them as names or as numbers")
    return np.array(array.tolist())


def _kind(array: NDArray[Any]) -> str:
    return "names" if array.dtype.kind == "U" else "numbers"
