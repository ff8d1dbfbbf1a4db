"""Measuring the candidates of a selection: labels drawn, features stored, one L2-SVM a draw and value of C."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dcgan_features.benchmarks.config.components import find
from dcgan_features.benchmarks.config.images import LabelledDataset
from dcgan_features.benchmarks.config.weights import locate, prepare
from dcgan_features.benchmarks.select.blocks import Sources, block_key, gram, of_draw
from dcgan_features.benchmarks.select.kept import CandidateFits, Fits, KeptFits
from dcgan_features.benchmarks.select.study import Candidate, Choice, Selection, Study
from dcgan_features.data import class_balanced_draws, group_holdout, holdout
from dcgan_features.data.dataset import Labels
from dcgan_features.eval import Comparison, compare, holm, l2svm_path
from dcgan_features.eval.protocols import wilson_interval
from dcgan_features.features import FeatureStore
from dcgan_features.features.cache.fingerprint import describe

_JITTER = 1e-5  # added to a Gram matrix of trace n, for its factor's sake

Say = Callable[[str], None]


@dataclass(frozen=True)
class Split:
    """Which training images are used for what; rows of the images taken together, (images,) int64 each.

    images : indices of the training images, ascending. fitted_on : those that no figure is of, on which extractors are
    fitted. draws : rows that are labelled, one array a draw. evaluated : rows that figures are of.
    """

    images: NDArray[np.int64]
    fitted_on: NDArray[np.int64]
    draws: list[NDArray[np.int64]]
    evaluated: NDArray[np.int64]


@dataclass(frozen=True)
class Measured:
    """A candidate's figures. width : of its features, if they were made.

    by_C : mean accuracy in percent for each C. scores, predictions : of each draw, at the best C, `C`.
    """

    candidate: Choice
    width: int
    by_C: dict[float, float]
    C: float
    scores: list[float]
    predictions: NDArray[np.int64]
    seconds: float

    @property
    def mean(self) -> float:
        """Mean accuracy over the draws, in percent."""
        return float(np.mean(self.scores))

    @property
    def at_an_end(self) -> bool:
        """Whether the best C is the smallest or the largest tried."""
        return self.C in (min(self.by_C), max(self.by_C))

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval, in percent, for the evaluated images (Wilson)."""
        return wilson_interval(self.mean, self.predictions.shape[1])


def split_images(study: Selection, labels: Labels, groups: Labels | None = None) -> Split:
    """Choose the images of a selection. Raises `InputError` when there are too few.

    groups : of images that belong together, (n,); none of those evaluated is then in a group of the others.
    """
    if groups is None:
        others, evaluated = holdout(len(labels), study.evaluated, study.seed)
    else:
        others, evaluated = group_holdout(groups, study.evaluated, study.seed)
    pool = others[class_balanced_draws(labels[others], study.pool, 1, study.seed)[0]]
    images = np.union1d(pool, evaluated)
    rows = np.searchsorted(images, pool)
    drawn = class_balanced_draws(labels[pool], study.per_class, study.draws, study.seed)
    return Split(images, others, [rows[own] for own in drawn], np.searchsorted(images, evaluated))


def compute_sources(
    study: Study, names: Sequence[str], dataset: LabelledDataset, split: Split, store: Path, data_root: Path, say: Say
) -> Sources:
    """Fit the sources named, and their features, from the store where it has them."""
    images = np.ascontiguousarray(dataset.train_images[split.images])
    fit_images = np.ascontiguousarray(dataset.train_images[split.fitted_on])
    fit_labels = dataset.train_labels[split.fitted_on]
    features, extractors, cache = {}, {}, FeatureStore(store / "features")
    for name in names:
        source, where, begun = study.sources[name], f"source {name} of {study.name}", time.perf_counter()
        offered: dict[str, object] = {"device": "cpu"}
        if source.weights is not None:
            fitted = dataclasses.replace(dataset, train_images=fit_images, train_labels=fit_labels, train_groups=None)
            found = locate(source.weights, where, Path(__file__).parent, store, fitted, data_root)
            prepare(found, fit_images, torch.device("cpu"))
            offered["discriminator"] = found.path
        extractor = find(source.extractor, "features", where).build(offered)
        features[name] = cache.get(extractor, fit_images, images)
        extractors[name] = extractor
        say(
            f"{name}: {features[name].shape[1]:,} features of {len(images):,} images, "
            f"{time.perf_counter() - begun:.0f} s"
        )
    return Sources(extractors, features)


def measure(
    study: Study, candidates: Sequence[Candidate], sources: Sources, split: Split, labels: NDArray[np.int64],
    kept: KeptFits, say: Say,
) -> list[Measured]:  # fmt: skip
    """Every candidate on every draw; Gram matrices are shared between candidates and draws.

    labels : of the rows of `split`. kept : where finished candidates are, and are looked for.
    """
    truth, pool = labels[split.evaluated], np.unique(np.concatenate(split.draws))
    described = {name: describe(extractor) for name, extractor in sources.extractors.items()}
    last = {block_key(block): candidate.name for candidate in candidates for block in candidate.blocks}
    made: dict[str, Tensor] = {}

    def fit(candidate: Candidate) -> tuple[int, list[Fits]]:
        for block in candidate.blocks:
            if (key := block_key(block)) not in made:
                made[key] = gram(sources, block, pool)
        fits = []
        for rows in split.draws:
            total = torch.zeros(())
            for block in candidate.blocks:
                total = total + block.weight * of_draw(made[block_key(block)], pool, rows, split.evaluated)
            fits.append(fit_on_gram(total, labels[rows], study.Cs))
        return sum(sources.block(block, pool[:1]).shape[1] for block in candidate.blocks), fits

    measured: list[Measured] = []
    for number, candidate in enumerate(candidates):
        own = [[block.model_dump(), [described[name] for name in block.sources]] for block in candidate.blocks]
        found = kept.fits(own, partial(fit, candidate))
        measured.append(summary(candidate, found, truth))
        done = [item.candidate.name for item in measured]
        for key in [key for key in made if last[key] in done]:
            del made[key]
        say(f"{number + 1} of {len(candidates)}, {candidate.name}: {measured[-1].mean:.2f} after {found.seconds:.0f} s")
    return measured


def fit_on_gram(products: Tensor, labels: NDArray[np.int64], Cs: Sequence[float]) -> Fits:
    """Predictions of the rows that are not labelled, by C.

    products : (labelled + others, labelled), of centred features. The rows of a matrix's Cholesky factor have the
    products that the features had, so that a linear SVM on them is the one on the features.
    """
    count = len(labels)
    scaled = products.double() * (count / float(products[:count].diagonal().sum()))
    factor = torch.linalg.cholesky(scaled[:count] + _JITTER * torch.eye(count, dtype=torch.float64))
    others = torch.linalg.solve_triangular(factor, scaled[count:].T, upper=False).T.float()
    fitted = l2svm_path(factor.float(), labels, Cs, tol=1e-3)
    return {own.C: own.predict(others) for own in fitted}


def summary(candidate: Choice, found: CandidateFits, truth: NDArray[np.int64]) -> Measured:
    """The candidate's figures at the C of the best mean accuracy; of equals the smallest."""
    scores = {C: [100 * float((fit[C] == truth).mean()) for fit in found.fits] for C in found.fits[0]}
    by_C = {C: float(np.mean(own)) for C, own in scores.items()}
    best = max(by_C, key=lambda C: (by_C[C], -C))
    predictions = np.stack([fit[best] for fit in found.fits])
    return Measured(candidate, found.width, by_C, best, scores[best], predictions, found.seconds)


def compare_all(measured: Sequence[Measured], truth: NDArray[np.int64]) -> dict[str, Comparison]:
    """Each candidate with the one it stands against, by its name; p-values adjusted for their number after Holm."""
    by_name = {item.candidate.name: item for item in measured}
    pairs = {
        item.candidate.name: compare(
            truth,
            item.predictions,
            by_name[item.candidate.against].predictions,
            (item.candidate.name, item.candidate.against),
        )
        for item in measured
        if item.candidate.against in by_name
    }
    adjusted = holm([pair.p_value for pair in pairs.values()])
    return {name: replace(pair, adjusted=value) for (name, pair), value in zip(pairs.items(), adjusted, strict=True)}
