"""Measuring a selection among extractors: features of one candidate at a time, an L2-SVM a draw and value of C."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dcgan_features.benchmarks.config.components import find
from dcgan_features.benchmarks.config.images import LabelledDataset
from dcgan_features.benchmarks.config.weights import locate, prepare
from dcgan_features.benchmarks.select.kept import Fits, KeptFits
from dcgan_features.benchmarks.select.measure import Measured, Say, Split, fit_on_gram, summary
from dcgan_features.benchmarks.select.study import ExtractorStudy
from dcgan_features.features import FeatureStore
from dcgan_features.features.cache.fingerprint import describe


def measure_extractors(
    study: ExtractorStudy, dataset: LabelledDataset, split: Split, store: Path, data_root: Path, kept: KeptFits,
    say: Say,
) -> list[Measured]:  # fmt: skip
    """Every candidate on every draw. Extractors are fitted on the training images that no figure is of.

    kept : where finished candidates are, and are looked for.
    """
    images = np.ascontiguousarray(dataset.train_images[split.images])
    fit_images = np.ascontiguousarray(dataset.train_images[split.fitted_on])
    labels = dataset.train_labels[split.images]
    fitted = dataclasses.replace(
        dataset, train_images=fit_images, train_labels=dataset.train_labels[split.fitted_on], train_groups=None
    )
    cache, measured = FeatureStore(store / "features"), []

    def fit(extractor: Any) -> tuple[int, list[Fits]]:
        features = cache.get(extractor, fit_images, images)
        fits = [fit_on_gram(_products(features, rows, split.evaluated), labels[rows], study.Cs) for rows in split.draws]
        return features.shape[1], fits

    for candidate in study.candidates:
        offered: dict[str, object] = {"device": "cpu"}
        where = f"candidate {candidate.name} of {study.name}"
        if candidate.weights is not None:
            located = locate(candidate.weights, where, Path(__file__).parent, store, fitted, data_root)
            prepare(located, fit_images, torch.device("cpu"))
            offered["discriminator"] = located.path
        extractor = find(candidate.extractor, "features", where).build(offered)
        found = kept.fits(describe(extractor), partial(fit, extractor))
        measured.append(summary(candidate, found, labels[split.evaluated]))
        say(f"{candidate.name}: {measured[-1].mean:.2f} after {found.seconds:.0f} s")
    return measured


def _products(features: Tensor, labelled: np.ndarray, evaluated: np.ndarray) -> Tensor:
    """Inner products with the labelled rows, (labelled + evaluated, labelled), centred on the labelled rows' mean."""
    own = features[torch.from_numpy(labelled)].float()
    centre = own.mean(0)
    own -= centre
    others = features[torch.from_numpy(evaluated)].float().sub_(centre)
    return torch.cat([own @ own.T, others @ own.T])
