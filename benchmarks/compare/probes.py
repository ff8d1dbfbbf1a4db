"""The classifiers that features are judged by: which there are, and how C or k is chosen inside the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcgan_features.benchmarks.compare.sgd import SGDProbe
from dcgan_features.benchmarks.config.images import LabelledDataset
from dcgan_features.data.splits import group_holdout
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.random_streams import raw_words
from dcgan_features.eval.knn_probe import KNNProbe
from dcgan_features.eval.l2svm.cross_validation import L2SVMCV
from dcgan_features.eval.l2svm.estimator import L2SVM
from dcgan_features.eval.logistic.estimator import LogisticProbe, LogisticProbeCV

# Features from elsewhere come at any scale, so C is chosen from more values than a table's rows name.
CS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
LOGISTIC_CS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
KS = (1, 5, 10, 20, 50, 100, 200)
LITERATURE_K = 20
RATE = 0.1

TITLES = {
    "l2-svm": "L2-SVM",
    "logistic": "logistic regression",
    "knn": "kNN, cosine, weighted",
    "knn-plain": "kNN, Euclidean, plain",
    "sgd": "SGD",
}
SETTINGS = {"l2-svm": "C", "logistic": "C", "knn": "k", "knn-plain": "k", "sgd": "rate"}
_FOLDS = 5
_MANY = 10_000  # labelled images from which C is chosen on one hold-out: of fewer it is too small to tell C apart
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

    kind : one of `TITLES`. values : of C, k or the rate; several are chosen from, inside the labels. standardised :
    whether each feature is first given mean 0 and standard deviation 1, as measured on the training images.
    noise : share of the training labels that are made wrong before all else.
    """

    kind: str
    values: tuple[float, ...]
    standardised: bool = False
    noise: float = 0.0

    @property
    def is_default(self) -> bool:
        """Whether the values are those that nobody asked for."""
        return self.values == _default(self.kind)

    @property
    def name(self) -> str:
        """As results have it; another for other values."""
        chosen = "-".join(f"{value:g}" for value in self.values)
        values = "" if self.is_default else f"-{SETTINGS[self.kind]}{chosen}"
        noise = f"-noise{self.noise:g}" if self.noise else ""
        return f"{self.kind}{values}{'-standardised' if self.standardised else ''}{noise}"

    @property
    def title(self) -> str:
        """As tables have it."""
        setting = SETTINGS[self.kind]
        if len(self.values) == 1:
            said = f", {setting} {self.values[0]:g}"
        else:
            said = "" if self.is_default else f", {setting} of {len(self.values)} values"
        noise = f", {100 * self.noise:g}% of labels wrong" if self.noise else ""
        return f"{TITLES[self.kind]}{said}{', standardised' if self.standardised else ''}{noise}"

    def settings(self) -> dict[str, Any]:
        """All that was decided about it, for the result."""
        said = {"kind": self.kind, "values": list(self.values), "standardised": self.standardised}
        return {**said, "noise": self.noise} if self.noise else said

    def make(self, choice: Choice, labels: int, device: str | None) -> Any:
        """The classifier, unfitted. labels : the number of labelled images, which bounds k."""
        fixed = len(self.values) == 1  # nothing is chosen, so there are no folds to fit
        if self.kind == "l2-svm":
            if fixed:
                return L2SVM(self.values[0], device=device)
            return L2SVMCV(self.values, holdout=choice.holdout, n_splits=choice.folds, device=device)
        if self.kind == "logistic":
            if fixed:
                return LogisticProbe(self.values[0], device=device)
            folds = choice.folds if choice.holdout is None else _one_split(choice.holdout, labels)
            return LogisticProbeCV(self.values, cv=folds, device=device)
        if self.kind == "sgd":
            return SGDProbe(self.values[0])
        fitting = [int(value) for value in self.values if value < labels]
        if not fitting:
            raise InputError(f"k {self.values[0]:g} needs more than {labels} training images; give a smaller --k")
        metric = "cosine" if self.kind == "knn" else "euclidean"
        return KNNProbe(fitting if len(fitting) > 1 else fitting[0], metric=metric, device=device)


def make_probes(
    kinds: Sequence[str],
    Cs: Sequence[float] = (),
    ks: Sequence[float] = (),
    standardised: bool = False,
    rate: float | None = None,
    noise: Sequence[float] = (),
    logistic_Cs: Sequence[float] = (),
) -> list[Probe]:
    """The probes named. Cs, ks : values to choose C and k from; one fixes it; none is the default of each probe.
    logistic_Cs : those of `logistic`, where they are not `Cs`.

    By default `l2-svm` and `logistic` choose among 7 powers of ten, `knn` takes k 20 as the literature does,
    `knn-plain` chooses k, and the rate of `sgd` is 0.1. noise : for each of these shares, every probe once more, fitted
    to labels of which so many are wrong. Raises `InputError` for an unknown probe and for values that cannot be.
    """
    for kind in kinds:
        if kind not in TITLES:
            raise unknown_name("probe", kind, TITLES)
    for name, numbers in (("C", Cs), ("logistic_C", logistic_Cs), ("rate", () if rate is None else (rate,))):
        for number in numbers:
            if not (np.isfinite(number) and number > 0):
                raise InputError(f"{name} is {number:g}; give numbers above 0")
    for k in ks:
        if k != int(k) or k < 1:
            raise InputError(f"k is {k:g}; give whole numbers from 1")
    for share in noise:
        if not 0 < share < 1:
            raise InputError(f"label_noise is {share:g}; give the share of labels to be made wrong, between 0 and 1")
    given = {"C": tuple(map(float, Cs)), "k": tuple(map(float, ks)), "rate": () if rate is None else (float(rate),)}
    for setting, numbers in given.items():
        takers = [kind for kind in TITLES if SETTINGS[kind] == setting]
        if numbers and not set(kinds) & set(takers):
            raise InputError(
                f"{setting} goes with the probe{'s' if len(takers) > 1 else ''} {' and '.join(takers)}, not with "
                f"{', '.join(kinds)}; leave it out"
            )
    if logistic_Cs and "logistic" not in kinds:
        raise InputError(f"logistic_C goes with the probe logistic, not with {', '.join(kinds)}; leave it out")
    own = {"logistic": tuple(map(float, logistic_Cs))}
    plain = [
        Probe(kind, own.get(kind) or given[SETTINGS[kind]] or _default(kind), standardised)
        for kind in dict.fromkeys(kinds)
    ]
    return plain + [replace(probe, noise=float(share)) for share in dict.fromkeys(noise) for probe in plain]


def choice_for(dataset: LabelledDataset, seed: int) -> Choice:
    """How settings are chosen among the data set's labelled training images, by their places; see `choice_of`."""
    has = dataset.train_labels >= 0
    groups = None if dataset.train_groups is None else dataset.train_groups[has]
    return choice_of(dataset.train_labels[has], groups, dataset.classes, seed)


def choice_of(labels: NDArray[np.int64], groups: NDArray[np.int64] | None, classes: Sequence[str], seed: int) -> Choice:
    """How settings are chosen among these labelled images.

    From 10,000 images on, on a fifth of each class held out once, and with groups on whole groups held out; else by
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
    if kind == "sgd":
        return (RATE,)
    return {"l2-svm": CS, "logistic": LOGISTIC_CS, "knn-plain": tuple(map(float, KS))}[kind]


def _one_split(held: NDArray[np.int64], labels: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    return [(np.setdiff1d(np.arange(labels), held), held)]
