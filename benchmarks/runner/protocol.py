"""One protocol of one row: which labels are seen, what is chosen on validation images, and the figures that result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from torch import Tensor

from dcgan_features import data
from dcgan_features.benchmarks.config.components import Chosen
from dcgan_features.benchmarks.config.images import LabelledDataset
from dcgan_features.benchmarks.config.schema import Protocol, Seeds
from dcgan_features.benchmarks.config.search import Search, Trial, best_of, run_search
from dcgan_features.benchmarks.records.rows import ProtocolResult
from dcgan_features.benchmarks.runner.progress import Stages
from dcgan_features.benchmarks.runner.resolve import ResolvedJob
from dcgan_features.data.dataset import Labels
from dcgan_features.data.utils.distributed import Processes
from dcgan_features.data.utils.hashing import digest_of
from dcgan_features.eval import L2SVM, Evaluation, evaluate
from dcgan_features.eval.protocols import NORMAL_QUANTILE

C_BOUNDS = (1e-7, 1e3)  # to which a grid of C is extended where the best value lies at one of its ends
Indices = npt.NDArray[np.int64]
_NONE: Indices = np.empty(0, np.int64)


@dataclass(frozen=True)
class Extracted:
    """Features of training and test images, (n, d) and (n_test, d), and the digest of all that decides them."""

    train: Tensor
    test: Tensor
    key: str


@dataclass(frozen=True)
class Split:
    """Which labels a protocol shows.

    draws : label draws, indices of training images. everything : whether there is one draw alone, of all images.
    held : the places held out among the labelled images of a draw. validation : indices of the images set aside, and
    unlabelled : of all others. Each is empty where the protocol has none.
    """

    draws: list[Indices]
    everything: bool
    held: Indices
    validation: Indices
    unlabelled: Indices

    @property
    def digested(self) -> list[str]:
        """SHA-256 of the indices drawn, or else of the hold-out's."""
        shown = self.draws if not self.everything else [self.held] if len(self.held) else []
        return [data.digest_indices(indices) for indices in shown]


def split(protocol: Protocol, labels: Labels, seeds: Seeds) -> Split:
    """The draws and hold-outs of a protocol. labels : (n,), -1 where an image has none."""
    available, validation, unlabelled = labels, _NONE, _NONE
    if protocol.validation is not None:
        labelled = np.flatnonzero(labels >= 0)
        validation = labelled[data.holdout(len(labelled), protocol.validation, seeds.holdout)[1]]
        available = labels.copy()
        available[validation] = -1
    if len(validation) or bool((labels < 0).any()):
        unlabelled = np.setdiff1d(np.arange(len(labels)), validation)
    everything = protocol.per_class is None and not len(unlabelled)
    draws = [np.flatnonzero(available >= 0)]
    if protocol.per_class is not None:
        draws = data.class_balanced_draws(available, protocol.per_class, protocol.draws, seeds.draws)
    held = _NONE
    if protocol.holdout is not None:
        held = data.holdout(len(draws[0]), protocol.holdout, seeds.holdout)[1]
    return Split(draws, everything, held, validation, unlabelled)


@dataclass(frozen=True)
class _Fits:
    """Fits of a classifier under one protocol. X : features of the training images; y : their labels."""

    X: Any
    y: Labels
    shown: Split

    @cached_property
    def validation(self) -> tuple[Any, Labels]:
        """Features and labels of the images set aside; copied once for all trials."""
        return self.X[self.shown.validation], self.y[self.shown.validation]

    def score(self, classifier: Any, X_judged: Any, truth: Labels, first: int | None = None, **how: Any) -> Evaluation:
        """The classifier, fitted on each draw, or on the `first` of them, judged on other images."""
        shown = self.shown
        if len(shown.unlabelled):
            how["unlabelled"] = shown.unlabelled
        if len(shown.validation):
            how["validation"] = self.validation
        draws = None if shown.everything else shown.draws[:first]  # None spares a copy of all features
        return evaluate(classifier, self.X, self.y, X_judged, truth, draws, **how)


def measure_protocol(
    job: ResolvedJob,
    name: str,
    dataset: LabelledDataset,
    classifier: Chosen,
    features: Extracted,
    stages: Stages,
    processes: Processes,
) -> tuple[ProtocolResult, tuple[npt.NDArray[Any], ...]]:
    """What the protocol `name` gave, and the predictions, (n,) a draw, of the images that it is scored on."""
    protocol = job.protocols[name]
    shown = split(protocol, dataset.train_labels, job.seeds)
    fitted = classifier.build(
        {
            "device": job.device,
            # Offered, and no setting: where the best C lies inside its grid nothing is extended, so that what was
            # measured before stays what would be measured now.
            "extend": C_BOUNDS,
            "n_splits": protocol.folds,
            "seed": job.seeds.folds,
            "holdout": shown.held if len(shown.held) else None,
            "image_shape": dataset.train_images.shape[1:],
            "progress": lambda stage, done, total: stages.report(f"{name}, {stage}", done, total),
        }
    )
    fits = _Fits(_as_taken(fitted, features.train), dataset.train_labels, shown)
    judged, truth = _as_taken(fitted, features.test), dataset.test_labels
    if protocol.scored_on == "validation":
        judged, truth = fits.validation
    trials: list[Trial] = []
    with stages.timed(name):
        if isinstance(job.search, Search):
            report, search = partial(stages.report, f"{name}, search"), job.search
            trials = processes.first(lambda: _searched(job, search, protocol, features.key, fitted, fits, report))
            fitted = _with_settings(fitted, best_of(trials).settings)
        stages.report(name, 0, len(shown.draws))
        evaluation = fits.score(fitted, judged, truth, progress=partial(stages.report, name), processes=processes)
    return _summary(job, name, dataset, shown, evaluation, trials, stages.seconds[name]), evaluation.predictions


def _as_taken(classifier: Any, features: Tensor) -> Any:
    """Features as the classifier takes them: those that are no L2-SVM know neither bfloat16 nor torch."""
    return features if isinstance(classifier, L2SVM) else features.float().numpy()


def _searched(
    job: ResolvedJob,
    search: Search,
    protocol: Protocol,
    features_key: str,
    classifier: Any,
    fits: _Fits,
    report: Callable[[int, int], None],
) -> list[Trial]:
    """The trials of the row's search under a protocol, those on record included."""
    decisive = [
        {"classifier": job.classifier.model_dump(mode="json")},
        search.model_dump(mode="json", exclude={"trials"}),
        protocol.model_dump(include={"per_class", "holdout", "folds", "validation"}),
        job.seeds.model_dump(),
        features_key,
    ]
    record = job.store / "trials" / f"{job.table}-{job.row}-{digest_of(decisive)[:16]}.jsonl"

    def attempt(settings: dict[str, Any]) -> list[float]:
        scored = fits.score(_with_settings(classifier, settings), *fits.validation, search.draws)
        return [100 - score for score in scored.scores]

    return run_search(search, attempt, record, report)


def _with_settings(classifier: Any, settings: dict[str, Any]) -> Any:
    return clone(classifier).set_params(**settings)


def _summary(
    job: ResolvedJob,
    name: str,
    dataset: LabelledDataset,
    shown: Split,
    evaluation: Evaluation,
    trials: list[Trial],
    seconds: float,
) -> ProtocolResult:
    published = job.published.get(name)
    values = [in_metric(job.metric, score) for score in evaluation.scores]
    low, high = sorted(in_metric(job.metric, end) for end in evaluation.interval)
    measured = float(np.mean(values))
    return ProtocolResult(
        metric=job.metric,
        published=published.value if published else None,
        published_pm=published.pm if published else None,
        measured=measured,
        difference=measured - published.value if published and not dataset.stand_in else None,
        sd=evaluation.sd,
        pm=None if evaluation.sd is None else NORMAL_QUANTILE * evaluation.sd,
        low=low,
        high=high,
        values=values,
        chosen=_json_keys(evaluation),
        labels=len(shown.draws[0]),
        test_images=len(evaluation.predictions[0]),
        seconds=seconds,
        draw_digests=shown.digested,
        scored_on=job.protocols[name].scored_on,
        trials=trials,
        settings=best_of(trials).settings if trials else None,
        validation_digest=data.digest_indices(shown.validation) if len(shown.validation) else None,
    )


def in_metric(metric: str, accuracy: float) -> float:
    """An accuracy in percent as the table's metric has it: itself, or the error."""
    return round(100 - accuracy, 10) if metric == "error" else accuracy  # without the noise of the difference


def _json_keys(evaluation: Evaluation) -> list[dict[str, Any]]:
    return [
        {**choice, "scores": {str(value): score for value, score in choice["scores"].items()}} if choice else {}
        for choice in evaluation.chosen
    ]
