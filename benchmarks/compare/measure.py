"""Measuring proposals in this process: features from the store, then every probe, each result kept as a row is."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dcgan_features.benchmarks.compare.costs import gmacs_of, parameters_of
from dcgan_features.benchmarks.compare.probes import Choice, Probe
from dcgan_features.benchmarks.compare.proposals import Proposal
from dcgan_features.benchmarks.config.images import LabelledDataset, adapt
from dcgan_features.benchmarks.records.environment import describe_device, environment, peak_gib
from dcgan_features.benchmarks.records.predictions import DIGEST, Predictions, predictions_of, write_predictions
from dcgan_features.benchmarks.records.reading import read_row
from dcgan_features.benchmarks.records.rows import ProtocolResult, RowResult, row_path, write_row
from dcgan_features.benchmarks.runner.progress import Stages
from dcgan_features.data.utils.effective_rank import effective_rank
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import writing
from dcgan_features.data.utils.formats import read_sealed, write_sealed
from dcgan_features.data.utils.hashing import digest_of
from dcgan_features.data.utils.locks import locked
from dcgan_features.eval.calibration import calibration_error
from dcgan_features.eval.protocols import wilson_interval
from dcgan_features.features import FeatureStore
from dcgan_features.features.cache.fingerprint import describe

PRESET = "labelled"
_VERSION = 2  # of what is measured: a result of another one is measured again
_ROWS = 4096


@dataclass(frozen=True)
class Place:
    """Where a comparison is measured and kept. table : name of the folder of results. seed : of what is held out."""

    table: str
    results: Path
    store: Path
    device: str
    seed: int


@dataclass(frozen=True)
class Features:
    """Features of both parts, (n, d) and (n_test, d), and how to standardise them."""

    train: Tensor
    test: Tensor

    @cached_property
    def standardised(self) -> tuple[Tensor, Tensor]:
        """Both parts with mean 0 and standard deviation 1 on the training part, float32; constant ones become 0."""
        mean, scale = self.moments
        return _scaled(self.train, mean, scale), _scaled(self.test, mean, scale)

    @cached_property
    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each training feature, float32 (d,) each; 1 for a constant feature."""
        count, width = self.train.shape
        mean = (
            sum((part.double().sum(0) for part in torch.split(self.train, _ROWS)), torch.zeros(width).double()) / count
        )
        squares = sum(
            ((part.double() - mean).square().sum(0) for part in torch.split(self.train, _ROWS)),
            torch.zeros(width).double(),
        )
        scale = (squares / count).sqrt()
        return mean.float(), torch.where(scale > 1e-7 * mean.abs().clamp(min=1e-30), scale, 1.0).float()


def _scaled(features: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    made = torch.empty(features.shape)
    for start in range(0, len(features), _ROWS):
        made[start : start + _ROWS] = (features[start : start + _ROWS].float() - mean) / scale
    return made


def measure(
    proposal: Proposal,
    dataset: LabelledDataset,
    probes: Sequence[Probe],
    choice: Choice,
    place: Place,
    resume: bool = True,
) -> tuple[RowResult, Predictions]:
    """The result of a proposal under each probe, and its predictions; only what is not on disk is computed.

    Raises `InputError` for an extractor that fails or gives features that cannot be used.
    """
    adapted = adapt(dataset, proposal.adaptation)
    try:
        described = describe(proposal.extractor)
    except ValueError as error:
        raise InputError(f"{proposal.title}: {error}") from None
    identity = digest_of([_VERSION, described, proposal.adaptation.model_dump(), dataset.digest])
    path = row_path(place.results, place.table, proposal.name)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.with_name(f".{proposal.name}.lock")):
            former = _former(path, place, identity) if resume else None
            wanted = {probe.name: _probe_digest(probe, place) for probe in probes}
            if former is not None and _covers(former[0], wanted):
                return former
            measured = _measure(proposal, adapted, probes, choice, place, identity, wanted, former)
            return measured


def is_measured(proposal: Proposal, dataset: LabelledDataset, probes: Sequence[Probe], place: Place) -> bool:
    """Whether all of it is on disk."""
    try:
        described = describe(proposal.extractor)
    except ValueError:
        return False
    identity = digest_of([_VERSION, described, proposal.adaptation.model_dump(), dataset.digest])
    former = _former(row_path(place.results, place.table, proposal.name), place, identity)
    return former is not None and _covers(former[0], {probe.name: _probe_digest(probe, place) for probe in probes})


def _probe_digest(probe: Probe, place: Place) -> str:
    return digest_of([_VERSION, probe.settings(), place.seed])


def _covers(result: RowResult, wanted: dict[str, str]) -> bool:
    kept = result.settings.get("probes", {})
    return all(kept.get(name, {}).get("digest") == digest for name, digest in wanted.items())


def _former(path: Path, place: Place, identity: str) -> tuple[RowResult, Predictions] | None:
    try:
        result = read_row(path)
        if result is None or result.identity != identity:
            return None
        return result, predictions_of(place.results, result)
    except InputError:  # damaged or of an older version: it is measured again
        return None


def _measure(
    proposal: Proposal,
    dataset: LabelledDataset,
    probes: Sequence[Probe],
    choice: Choice,
    place: Place,
    identity: str,
    wanted: dict[str, str],
    former: tuple[RowResult, Predictions] | None,
) -> tuple[RowResult, Predictions]:
    stages = Stages(proposal.title)
    features, about = features_of(proposal, dataset, place, stages, identity)
    protocols: dict[str, ProtocolResult] = {}
    predicted: dict[str, NDArray[Any]] = {}
    kept: dict[str, Any] = {}
    if former is not None:
        protocols, predicted = dict(former[0].protocols), dict(former[1].by_protocol)
        kept = dict(former[0].settings["probes"])
    remarks = list(proposal.deviations)
    for probe in probes:
        if kept.get(probe.name, {}).get("digest") == wanted[probe.name]:
            continue
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            protocols[probe.name], predicted[probe.name] = judge(probe, features, dataset, choice, place.device)
        said = [str(item.message) for item in caught if item.category.__name__ == "ConvergenceWarning"]
        remarks += [f"{probe.title}: {' '.join(said[0].split())}"] if said else []
        kept[probe.name] = {**probe.settings(), "title": probe.title, "digest": wanted[probe.name]}
    named = f"{dataset.title} ({len(dataset.train_images):,} images)"
    result = RowResult(
        format=1,
        identity=identity,
        table=place.table,
        row=proposal.name,
        title=proposal.title,
        preset=PRESET,
        stand_in=dataset.stand_in,
        data=dataset.title,
        data_note=dataset.note,
        unlabelled=proposal.unlabelled or named,
        protocols=protocols,
        features=about,
        seconds=stages.seconds,
        peak_gib=peak_gib(),
        peak_device_gib=None,
        device=describe_device(torch.device(place.device)),
        seeds={"split": place.seed},
        digests={"data": dataset.digest, "weights": None},
        settings={"measurement": {"extractor": repr(proposal.extractor)[:500]}, "probes": kept},
        deviations=remarks,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        **environment(),
    )
    digest = write_predictions(place.results, place.table, proposal.name, dataset.test_labels, predicted)
    result = result.model_copy(update={"digests": {**result.digests, DIGEST: digest}})
    write_row(place.results, result)
    return result, Predictions(dataset.test_labels, predicted)


def features_of(
    proposal: Proposal, dataset: LabelledDataset, place: Place, stages: Stages, identity: str
) -> tuple[Features, dict[str, Any]]:
    """The features, and what is known of them and of what makes them."""
    store = FeatureStore(place.store / "features")
    own, test = dataset.train_images, dataset.test_images
    total = len(own) + len(test)
    memory, costs = (place.store / folder / f"{identity}.json" for folder in ("seconds", "costs"))
    try:
        with stages.timed("features", memory):
            train_features = store.get(
                proposal.extractor, own, own, progress=lambda done, _: stages.report("features", done, total)
            )
            test_features = store.get(
                proposal.extractor,
                own,
                test,
                progress=lambda done, _: stages.report("features", len(own) + done, total),
            )
    except (InputError, MemoryError):
        raise
    except Exception as error:
        if type(error).__module__.startswith("dcgan_features"):
            raise
        raise InputError(
            f"{proposal.title} fails on these images ({type(error).__name__}: {' '.join(str(error).split())}); mend it"
        ) from error
    if train_features.shape[1] != test_features.shape[1]:
        raise InputError(
            f"{proposal.title} makes {train_features.shape[1]} features of training images and "
            f"{test_features.shape[1]} of "
            "test images; mend it"
        )
    known = _costs(store.fitted, own, costs)
    about = {
        "count": train_features.shape[1],
        "dtype": str(train_features.dtype).removeprefix("torch."),
        "effective_rank": round(effective_rank(train_features), 2),
        **known,
    }
    return Features(train_features, test_features), about


def _costs(fitted: Any | None, images: NDArray[np.uint8], file: Path) -> dict[str, Any]:
    """Parameters and multiply-adds, measured when the extractor is fitted and remembered beside its features."""
    if fitted is not None:
        write_sealed(file, {"parameters": parameters_of(fitted), "gmacs": gmacs_of(fitted, images)})
    try:
        known: dict[str, Any] = read_sealed(file)
    except InputError:
        return {"parameters": None, "gmacs": None}
    return known


def fit_probe(probe: Probe, X: Tensor, dataset: LabelledDataset, choice: Choice, device: str) -> Any:
    """The classifier fitted to the features of the training images, (n, d); those without a label are left out."""
    labelled = dataset.train_labels
    if (labelled < 0).any():
        rows = np.flatnonzero(labelled >= 0)
        X, labelled = X[torch.from_numpy(rows)], labelled[rows]
    return probe.make(choice, len(labelled), None if device == "cpu" else device).fit(X, labelled)


def judge(
    probe: Probe, features: Features, dataset: LabelledDataset, choice: Choice, device: str
) -> tuple[ProtocolResult, NDArray[Any]]:
    """Fit a probe on all labelled training images; its figures, and its predictions of the test images, (1, n_test)."""
    begun = time.perf_counter()
    X, X_test = features.standardised if probe.standardised else (features.train, features.test)
    truth = dataset.test_labels
    classifier = fit_probe(probe, X, dataset, choice, device)
    if hasattr(classifier, "predict_proba"):
        shares = classifier.predict_proba(X_test)
        predicted, error = classifier.classes_[shares.argmax(1)], calibration_error(truth, classifier.classes_, shares)
    else:
        predicted, error = classifier.predict(X_test), None
    accuracy = 100 * float((predicted == truth).mean())
    low, high = wilson_interval(accuracy, len(truth))
    chosen: dict[str, Any] = {}
    for attribute, name in (("C_", "C"), ("k_", "k")):
        if hasattr(classifier, attribute):
            chosen = {name: getattr(classifier, attribute), "scores": dict(getattr(classifier, "scores_", {}))}
    found = ProtocolResult(
        metric="accuracy",
        published=None,
        published_pm=None,
        measured=accuracy,
        difference=None,
        sd=None,
        pm=None,
        low=low,
        high=high,
        values=[accuracy],
        chosen=[chosen],
        labels=int((dataset.train_labels >= 0).sum()),
        test_images=len(truth),
        seconds=time.perf_counter() - begun,
        draw_digests=[],
        calibration_error=error,
    )
    return found, predicted[None]
