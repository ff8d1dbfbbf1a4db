"""Fits on labels: which recordings are labelled, how C is chosen inside them, and what is predicted of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dcgan_features.benchmarks.config.schema import Protocol
from dcgan_features.benchmarks.speech.study import Seeds
from dcgan_features.data import class_balanced_draws
from dcgan_features.data.audio import Fold
from dcgan_features.eval import L2SVMCV

Indices = NDArray[np.int64]
Labels = NDArray[np.int64]


def draws_of(protocol: Protocol, labels: Labels, fold: Fold, seeds: Seeds) -> list[Indices]:
    """The recordings that are labelled, one array of indices a draw, all of the fold's training part."""
    if protocol.per_class is None:
        return [fold.train]
    return [
        fold.train[own]
        for own in class_balanced_draws(labels[fold.train], protocol.per_class, protocol.draws, seeds.draws)
    ]


def group_folds(labels: Labels, groups: NDArray[Any]) -> list[tuple[Indices, Indices]]:
    """Pairs (to fit, held out) of rows: each group held out once, but for those without which a class has no rows."""
    pairs = []
    for name in np.unique(groups):
        held = groups == name
        if len(np.unique(labels[~held])) == len(np.unique(labels)):
            pairs.append((np.flatnonzero(~held), np.flatnonzero(held)))
    return pairs


def unit_scaled(features: Tensor, fold: Fold) -> Tensor:
    """The features over one number, so that the fold's training rows have a mean squared norm of 1: float32."""
    rows = features.float()
    norm = rows[torch.from_numpy(fold.train)].square().sum(1).mean().sqrt()
    return rows / norm if norm > 0 else rows


@dataclass(frozen=True)
class Fitted:
    """One fit. predicted : labels of the fold's test recordings. chosen : extractor's number, C, held-out scores."""

    predicted: Labels
    chosen: dict[str, Any]


def fit_best(
    candidates: Sequence[Tensor],
    labels: Labels,
    groups: NDArray[Any] | None,
    drawn: Indices,
    fold: Fold,
    Cs: Sequence[float],
    n_splits: int,
    seed: int,
) -> Fitted:
    """The L2-SVM on the candidate and C that held-out labels choose; of equal candidates the first.

    candidates : features of all recordings, (n, d) each. groups : held out in turn where they are given; None holds out
    stratified folds. drawn : the recordings that are labelled; no other label counts.
    """
    y = labels[drawn]
    cv = None if groups is None else group_folds(y, groups[drawn]) or None
    best: tuple[float, int, L2SVMCV] | None = None
    for number, features in enumerate(candidates):
        fitted = L2SVMCV(Cs, n_splits=n_splits, cv=cv, seed=seed, device="cpu").fit(
            features[torch.from_numpy(drawn)], y
        )
        score = max(fitted.scores_.values())
        if best is None or score > best[0]:
            best = score, number, fitted
    if best is None:
        raise ValueError("there are no candidates")
    score, number, fitted = best
    predicted = np.asarray(fitted.predict(candidates[number][torch.from_numpy(fold.test)]), np.int64)
    scores = {f"{C:g}": value for C, value in fitted.scores_.items()}
    return Fitted(predicted, {"features": number, "C": fitted.C_, "scores": scores})
