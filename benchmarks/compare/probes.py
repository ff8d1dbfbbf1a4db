"""The classifiers that features are judged by: which there are, and how C or k is chosen inside the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.splits import group_holdout
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.random_streams import raw_words
from dcgan_features.eval.knn_probe import KNNProbe
from dcgan_features.eval.l2svm.cross_validation import L2SVMCV
from dcgan_features.eval.logistic.estimator import LogisticProbeCV

# Features from elsewhere come at any scale, so C is chosen from more values than a table's rows name.
CS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
LOGISTIC_CS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
KS = (1, 5, 10, 20, 50, 100, 200)
LITERATURE_K = 20

TITLES = {
    "l2-svm": "L2-SVM",
    "logistic": "logistic regression",
    "knn": "kNN, cosine, weighted",
    "knn-plain": "kNN, Euclidean, plain",
}
_FOLDS = 5
_MANY = 1000  # labelled images from which C is chosen on one hold-out
_HELD = 0.2
_STREAM = 4  # of the hold-out's random words


@dataclass(frozen=True)
class Choice:
    """How settings are chosen inside the labelled images: on a hold-out, or by cross-validation in `folds`."""

    holdout: NDArray[np.int64] | None
    folds: int


@dataclass(frozen=True)
class Probe:
    """A probe as it was asked for.

    kind : one of `TITLES`. values : of C or k; several are chosen from, inside the labels. standardised : whether each
    feature is first given mean 0 and standard deviation 1, as measured on the training images.
    """

    kind: str
    values: tuple[float, ...]
    standardised: bool = False

    @property
    def is_default(self) -> bool:
        """Whether the values are those that nobody asked for."""
        return self.values == _default(self.kind)

    @property
    def name(self) -> str:
        """As results have it; another for other values."""
        setting = "k" if self.kind.startswith("knn") else "C"
        values = "" if self.is_default else f"-{setting}{'-'.join(f'{value:g}' for value in self.values)}"
        return f"{self.kind}{values}{'-standardised' if self.standardised else ''}"

    @property
    def title(self) -> str:
        """As tables have it."""
        setting = "k" if self.kind.startswith("knn") else "C"
        if len(self.values) == 1:
            said = f", {setting} {self.values[0]:g}"
        else:
            said = "" if self.is_default else f", {setting} of {len(self.values)} values"
        return f"{TITLES[self.kind]}{said}{', standardised' if self.standardised else ''}"

    def settings(self) -> dict[str, Any]:
        """All that was decided about it, for the result."""
        return {"kind": self.kind, "values": list(self.values), "standardised": self.standardised}

    def make(self, choice: Choice, labels: int, device: str | None) -> Any:
        """The classifier, unfitted. labels : the number of labelled images, which bounds k."""
        if self.kind == "l2-svm":
            return L2SVMCV(self.values, holdout=choice.holdout, n_splits=choice.folds, device=device)
        if self.kind == "logistic":
            folds = choice.folds if choice.holdout is None else _one_split(choice.holdout, labels)
            return LogisticProbeCV(self.values, cv=folds, device=device)
        fitting = [int(value) for value in self.values if value < labels]
        if not fitting:
            raise InputError(f"k {self.values[0]:g} needs more than {labels} training images; give a smaller --k")
        metric = "cosine" if self.kind == "knn" else "euclidean"
        return KNNProbe(fitting if len(fitting) > 1 else fitting[0], metric=metric, device=device)


def make_probes(
    kinds: Sequence[str], Cs: Sequence[float] = (), ks: Sequence[int] = (), standardised: bool = False
) -> list[Probe]:
    """The probes named. Cs, ks : values to choose C and k from; one fixes it; none is the default of each probe.

    By default `l2-svm` and `logistic` choose among 7 powers of ten, `knn` takes k 20 as the literature does, and
    `knn-plain` chooses k. Raises `InputError` for an unknown probe and for values that cannot be.
    """
    for kind in kinds:
        if kind not in TITLES:
            raise unknown_name("probe", kind, TITLES)
    for C in Cs:
        if not (np.isfinite(C) and C > 0):
            raise InputError(f"C is {C:g}; give numbers above 0")
    for k in ks:
        if k != int(k) or k < 1:
            raise InputError(f"k is {k:g}; give whole numbers from 1")
    if Cs and not set(kinds) & {"l2-svm", "logistic"}:
        raise InputError(f"C goes with the probes l2-svm and logistic, not with {', '.join(kinds)}; leave it out")
    if ks and not set(kinds) & {"knn", "knn-plain"}:
        raise InputError(f"k goes with the probes knn and knn-plain, not with {', '.join(kinds)}; leave it out")
    given = {"l2-svm": Cs, "logistic": Cs, "knn": ks, "knn-plain": ks}
    return [
        Probe(kind, tuple(float(value) for value in given[kind]) or _default(kind), standardised)
        for kind in dict.fromkeys(kinds)
    ]


def choice_of(labels: NDArray[np.int64], groups: NDArray[np.int64] | None, classes: Sequence[str], seed: int) -> Choice:
    """How settings are chosen among these labelled images.

    From 1,000 images on, on a fifth of each class held out once, and with groups on whole groups held out; else by
    cross-validation in 5 folds, or as many as the smallest class has images. Raises `InputError` for a class of one
    image.
    """
    if groups is not None:
        held = group_holdout(groups, max(1, round(_HELD * len(labels))), seed)[1]
        left = np.setdiff1d(np.unique(labels), np.delete(labels, held))
        if len(left):
            raise InputError(
                f"all training images of the class {classes[left[0]]} are in groups held out; give it more"
            )
        return Choice(held, _FOLDS)
    counts = np.bincount(labels, minlength=len(classes))
    least = int(counts[counts > 0].min())
    if least < 2:
        rare = classes[int(np.flatnonzero(counts == least)[0])]
        raise InputError(
            f"the class {rare} has 1 training image, so nothing can be held out of it to choose on; add some or leave "
            f"it "
            "out"
        )
    if len(labels) < _MANY:
        return Choice(None, min(_FOLDS, least))
    words, chosen = raw_words(len(labels), seed, 0, _STREAM), []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(max(1, round(_HELD * len(members))), len(members) - 1)
        chosen.append(members[np.argsort(words[members], kind="stable")[:count]])
    return Choice(np.sort(np.concatenate(chosen)).astype(np.int64), _FOLDS)


def _default(kind: str) -> tuple[float, ...]:
    if kind == "knn":
        return (float(LITERATURE_K),)
    return {"l2-svm": CS, "logistic": LOGISTIC_CS, "knn-plain": tuple(map(float, KS))}[kind]


def _one_split(held: NDArray[np.int64], labels: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    return [(np.setdiff1d(np.arange(labels), held), held)]
