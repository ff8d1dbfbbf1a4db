"""Which labels are seen: class-balanced draws and hold-outs, defined by published seeds.

The definition, for whoever wants to repeat a draw elsewhere: image i gets the i-th 64-bit word of numpy's PCG64
seeded with SeedSequence([seed, draw]). In each class the `per_class` images with the smallest words are drawn. So a
draw depends on (seed, draw) alone, more draws extend the list, and a smaller draw of the same seed is a part of a
larger one. A hold-out takes the `size` smallest words of SeedSequence([seed, 0, 1]), over all classes. A hold-out
of whole groups takes groups in the order of such words, one a group, until it has `size` images.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.random_streams import raw_words

Indices = NDArray[np.int64]


def class_balanced_draws(labels: NDArray[np.integer], per_class: int, draws: int, seed: int) -> list[Indices]:
    """Draw `per_class` labelled images of each class, `draws` times.

    labels : integers (n,), at least two classes; labels below 0 mean "no label" and are never drawn.
    Returns one array of sorted int64 indices, (classes * per_class,), a draw. Raises `InputError` when a class has
    fewer than `per_class` labels, when there are fewer than two classes, or when a number is below its least.
    """
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels must be integers (n,), not {labels.dtype} of shape {labels.shape}")
    if per_class < 1 or draws < 1:
        raise InputError(f"{draws} draws of {per_class} labels per class: give at least 1 of each")
    classes, counts = np.unique(labels[labels >= 0], return_counts=True)
    if len(classes) < 2:
        found = f"only class {classes[0]}" if len(classes) else "no class"
        raise InputError(f"the labels hold {found}, but a classifier needs at least two; label images of other classes")
    if counts.min() < per_class:
        least = int(counts.argmin())
        raise InputError(
            f"{per_class} labels per class were asked for, but class {classes[least]} has {counts[least]}; "
            f"ask for at most {counts[least]}"
        )
    return [_draw(labels, classes, per_class, seed, draw) for draw in range(draws)]


def _draw(labels: NDArray[np.integer], classes: NDArray[np.integer], per_class: int, seed: int, draw: int) -> Indices:
    words = raw_words(len(labels), seed, draw)
    chosen = []
    for value in classes:
        members = np.flatnonzero(labels == value)
        chosen.append(members[np.argsort(words[members], kind="stable")[:per_class]])
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def holdout(n: int, size: int, seed: int) -> tuple[Indices, Indices]:
    """Split 0..n-1 into those to train on and `size` held out, both sorted int64.

    Returns (train_indices, holdout_indices). Raises `InputError` unless 0 < size < n.
    """
    if not 0 < size < n:
        raise InputError(f"a hold-out of {size} images cannot be taken from {n}; give a size from 1 to {n - 1}")
    order = np.argsort(raw_words(n, seed, 0, 1), kind="stable").astype(np.int64)
    return np.sort(order[size:]), np.sort(order[:size])


def group_holdout(groups: NDArray[np.integer], size: int, seed: int) -> tuple[Indices, Indices]:
    """Split the images by whole groups into those to train on and about `size` held out, both sorted int64.

    groups : integers (n,), the same for images that belong together, such as the digits of one house.
    Returns (train_indices, holdout_indices): the hold-out is the fewest groups, in the order of the seed, that come to
    at least `size` images. Raises `InputError` unless 0 < size < n, and where nothing would be left to train on.
    """
    if not 0 < size < len(groups):
        raise InputError(
            f"a hold-out of {size} images cannot be taken from {len(groups)}; give a size from 1 to {len(groups) - 1}"
        )
    _, member, counts = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(raw_words(len(counts), seed, 0, 1), kind="stable")
    needed = int(np.searchsorted(np.cumsum(counts[order]), size)) + 1
    if needed == len(counts):
        raise InputError(f"a hold-out of {size} images takes all {len(counts)} groups; give a smaller size")
    held = np.isin(member, order[:needed])
    return np.flatnonzero(~held).astype(np.int64), np.flatnonzero(held).astype(np.int64)


def digest_indices(indices: NDArray[np.integer]) -> str:
    """Hexadecimal SHA-256 of the indices as little-endian int64, to record which images were drawn."""
    return hashlib.sha256(indices.astype("<i8").tobytes()).hexdigest()
