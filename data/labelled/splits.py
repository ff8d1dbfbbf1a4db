"""Splitting labelled pictures that come without test images: stratified, by whole groups, from a published seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.random_streams import raw_words

Indices = NDArray[np.int64]

TEST_SHARE = 0.2
_STREAM = 2  # apart from those of label draws and hold-outs, see `data.splits`


def stratified_split(
    labels: NDArray[np.int64],
    classes: tuple[str, ...],
    groups: NDArray[np.int64] | None = None,
    seed: int = 0,
    share: float = TEST_SHARE,
    what: str = "the pictures",
) -> tuple[Indices, Indices]:
    """Indices of training and of test images, sorted int64.

    Image i gets the i-th 64-bit word of PCG64 seeded with SeedSequence([seed, 0, 2]). Without groups, of each class's n
    images the round(share n) with the smallest words, at least one, are test images. With groups, group g (in sorted
    order) gets the g-th word; groups are gone through in the order of their words, and one becomes test images unless
    some class of it would then have more test images than round(share n), at least one of them.

    labels : (n,), 0..len(classes)-1. groups : (n,), the same for images that must not be parted.
    Raises `InputError` for a class that would be left without training or without test images.
    """
    count = len(classes)
    totals = np.bincount(labels, minlength=count)
    for name, total in zip(classes, totals, strict=True):
        if total < 2:
            raise InputError(
                f"{what}: the class {name} has {total} {'picture' if total == 1 else 'pictures'}, too few to train and "
                "to test; add some, or leave the class out"
            )
    wanted = np.clip(np.round(share * totals).astype(int), 1, totals - 1)
    test = np.zeros(len(labels), bool)
    if groups is None:
        words = raw_words(len(labels), seed, 0, _STREAM)
        for label in range(count):
            members = np.flatnonzero(labels == label)
            test[members[np.argsort(words[members], kind="stable")[: wanted[label]]]] = True
    else:
        _, member = np.unique(groups, return_inverse=True)
        held = np.zeros(count, int)
        tables = np.zeros((member.max() + 1, count), int)
        np.add.at(tables, (member, labels), 1)
        for group in np.argsort(raw_words(len(tables), seed, 0, _STREAM), kind="stable"):
            present = tables[group] > 0
            after = held + tables[group]
            fits = (after <= wanted)[present].all() or (held == 0)[present].all()
            if fits and (after < totals)[present].all():
                held = after
                test |= member == group
        for name, number in zip(classes, held, strict=True):
            if number == 0:
                raise InputError(
                    f"{what}: no group of the class {name} can be set aside for testing without taking all of it; give "
                    "the class pictures of two groups at least, or say the split"
                )
    return np.flatnonzero(~test).astype(np.int64), np.flatnonzero(test).astype(np.int64)
