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
from dcgan_features.benchmarks.config.components import build
from dcgan_features.benchmarks.config.schema import Protocol, Seeds
from dcgan_features.benchmarks.config.search import Trial, best_of, run_search
from dcgan_features.benchmarks.records.rows import ProtocolResult
from dcgan_features.benchmarks.runner.resolve import Job, Ready, digest_of
from dcgan_features.benchmarks.runner.stages import Stages
from dcgan_features.data.dataset import Labels
from dcgan_features.data.utils.distributed import Processes
from dcgan_features.eval import L2SVM, Evaluation, evaluate
from dcgan_features.eval.protocols import NORMAL_QUANTILE

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Extracted:
    """Features of training and test images, (n, d) and (n_test, d), and the digest of all that decides them."""

    train: Tensor
    test: Tensor
    key: str


@dataclass(frozen=True)
class Split:
    """Which labels a protocol shows.

    draws : label draws, indices of training images; None is all of them, in one fit. held : the places held out among
    the labelled images of a draw. validation : indices of the images set aside, and unlabelled : of all others. Each is
    None where the protocol has none.
    """

    draws: list[Indices] | None
    held: Indices | None
    validation: Indices | None
    unlabelled: Indices | None

    @property
    def digested(self) -> list[str]:
        """SHA-256 of the indices drawn, or else of the hold-out's."""
        shown = self.draws if self.draws is not None else [] if self.held is None else [self.held]
        return [data.digest_indices(indices) for indices in shown]


def split(protocol: Protocol, labels: Labels, seeds: Seeds) -> Split:
    """The draws and hold-outs of a protocol. labels : (n,), -1 where an image has none."""
    available, validation, unlabelled = labels, None, None
    if protocol.validation is not None:
        labelled = np.flatnonzero(labels >= 0)
        validation = labelled[data.holdout(len(labelled), protocol.validation, seeds.holdout)[1]]
        available = labels.copy()
        available[validation] = -1
    if validation is not None or bool((labels < 0).any()):
        unlabelled = np.setdiff1d(np.arange(len(labels)), [] if validation is None else validation)
    draws = None
    if protocol.per_class is not None:
        draws = data.class_balanced_draws(available, protocol.per_class, protocol.draws, seeds.draws)
    elif unlabelled is not None:
        draws = [np.flatnonzero(available >= 0)]
    held = None
    if protocol.holdout is not None:
        held = data.holdout(len(labels if draws is None else draws[0]), protocol.holdout, seeds.holdout)[1]
    return Split(draws, held, validation, unlabelled)


@dataclass(frozen=True)
class _Fits:
    """Fits of a classifier under one protocol. X : features of the training images; y : their labels."""

    X: Any
    y: Labels
    shown: Split

    @cached_property
    def validation(self) -> tuple[Any, Labels] | None:
        """Features and labels of the images set aside; copied once for all trials."""
        chosen = self.shown.validation
        return None if chosen is None else (self.X[chosen], self.y[chosen])

    def score(
        self, classifier: Any, X_judged: Any, truth: Labels, draws: list[Indices] | None, **how: Any
    ) -> Evaluation:
        """The classifier, fitted on each draw, judged on other images."""
        how = {**how, "unlabelled": self.shown.unlabelled, "validation": self.validation}
        return evaluate(classifier, self.X, self.y, X_judged, truth, draws, **how)


def judge(
    job: Job, ready: Ready, name: str, features: Extracted, stages: Stages, processes: Processes
) -> tuple[ProtocolResult, tuple[npt.NDArray[Any], ...]]:
    """What the protocol `name` gave, and the predictions, (n,) a draw, of the images that it is scored on."""
    protocol, labels, measurement = job.protocols[name], ready.dataset.train_labels, ready.measurement
    assert labels is not None
    assert measurement.classifier is not None
    shown = split(protocol, labels, job.table.seeds)

    def advance(stage: str, done: int, total: int) -> None:
        stages.report(f"{name}, {stage}", done, total)

    offered = {**_offered(job, ready, protocol, shown), "progress": advance}
    classifier = build(measurement.classifier, "eval", job.where, offered)
    X, judged, truth = _as_taken(classifier, features.train), _as_taken(classifier, features.test), ready.truth
    fits = _Fits(X, labels, shown)
    if protocol.scored_on == "validation" and fits.validation is not None:
        judged, truth = fits.validation
    trials: list[Trial] = []
    with stages.timed(name):
        if measurement.search is not None:
            report = partial(stages.report, f"{name}, search")
            trials = processes.first(lambda: _searched(job, ready, protocol, features.key, classifier, fits, report))
            classifier = _with_settings(classifier, best_of(trials).settings)
        stages.report(name, 0, len(shown.draws or [0]))
        evaluation = fits.score(
            classifier, judged, truth, shown.draws, progress=partial(stages.report, name), processes=processes
        )
    return _summary(job, ready, name, shown, evaluation, trials, stages.seconds[name]), evaluation.predictions


def _as_taken(classifier: Any, features: Tensor) -> Any:
    """Features as the classifier takes them: those that are no L2-SVM know neither bfloat16 nor torch."""
    return features if isinstance(classifier, L2SVM) else features.float().numpy()


def _offered(job: Job, ready: Ready, protocol: Protocol, shown: Split) -> dict[str, Any]:
    """What a classifier is offered besides its settings."""
    return {
        "device": job.device,
        "n_splits": protocol.folds,
        "seed": job.table.seeds.folds,
        "holdout": shown.held,
        "image_shape": ready.dataset.train_images.shape[1:],
    }


def _searched(
    job: Job,
    ready: Ready,
    protocol: Protocol,
    features_key: str,
    classifier: Any,
    fits: _Fits,
    report: Callable[[int, int], None],
) -> list[Trial]:
    """The trials of the row's search under a protocol, those on record included."""
    search, draws, validation = ready.measurement.search, fits.shown.draws, fits.validation
    assert search is not None
    assert validation is not None  # as `look_into` saw to; with validation images there are draws, and enough of them
    assert draws is not None
    decisive = [
        ready.measurement.model_dump(mode="json", include={"classifier"}),
        search.model_dump(mode="json", exclude={"trials"}),
        protocol.model_dump(include={"per_class", "holdout", "folds", "validation"}),
        job.table.seeds.model_dump(),
        features_key,
    ]
    record = job.store / "trials" / f"{job.table.name}-{job.row}-{digest_of(decisive)[:16]}.jsonl"

    def attempt(settings: dict[str, Any]) -> list[float]:
        scored = fits.score(_with_settings(classifier, settings), *validation, draws[: search.draws])
        return [100 - score for score in scored.scores]

    return run_search(search, attempt, record, report)


def _with_settings(classifier: Any, settings: dict[str, Any]) -> Any:
    return clone(classifier).set_params(**settings)


def _summary(
    job: Job, ready: Ready, name: str, shown: Split, evaluation: Evaluation, trials: list[Trial], seconds: float
) -> ProtocolResult:
    published, protocol = job.line.published.get(name), job.protocols[name]
    comparable = published is not None and not ready.dataset.stand_in
    values = [in_metric(job.table.metric, score) for score in evaluation.scores]
    low, high = sorted(in_metric(job.table.metric, end) for end in evaluation.interval)
    measured = float(np.mean(values))
    labels = ready.dataset.train_labels
    assert labels is not None
    return ProtocolResult(
        metric=job.table.metric,
        published=published.value if published else None,
        published_pm=published.pm if published else None,
        measured=measured,
        difference=measured - published.value if published and comparable else None,
        sd=evaluation.sd,
        pm=None if evaluation.sd is None else NORMAL_QUANTILE * evaluation.sd,
        low=low,
        high=high,
        values=values,
        chosen=_json_keys(evaluation),
        labels=len(labels) if shown.draws is None else len(shown.draws[0]),
        test_images=len(evaluation.predictions[0]),
        seconds=seconds,
        draw_digests=shown.digested,
        scored_on=protocol.scored_on,
        trials=trials,
        settings=best_of(trials).settings if trials else None,
        validation_digest=None if shown.validation is None else data.digest_indices(shown.validation),
    )


def in_metric(metric: str, accuracy: float) -> float:
    """An accuracy in percent as the table's metric has it: itself, or the error."""
    return round(100 - accuracy, 10) if metric == "error" else accuracy  # without the noise of the difference


def _json_keys(evaluation: Evaluation) -> list[dict[str, Any]]:
    return [
        {**choice, "scores": {str(value): score for value, score in choice["scores"].items()}} if choice else {}
        for choice in evaluation.chosen
    ]
