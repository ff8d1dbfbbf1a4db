"""Measuring proposals in this process: features from the store, then every probe, each result kept as a row is."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dcgan_features.benchmarks.compare.extraction import Features, Place, features_of
from dcgan_features.benchmarks.compare.probes import Choice, Probe
from dcgan_features.benchmarks.compare.proposals import Proposal
from dcgan_features.benchmarks.config.images import LabelledDataset, adapt
from dcgan_features.benchmarks.records.environment import describe_device, environment, peak_gib
from dcgan_features.benchmarks.records.predictions import DIGEST, Predictions, predictions_of, write_predictions
from dcgan_features.benchmarks.records.reading import read_row
from dcgan_features.benchmarks.records.rows import ProtocolResult, RowResult, row_path, write_row
from dcgan_features.benchmarks.runner.progress import Stages
from dcgan_features.data.labelled.labels import wrong_labels
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import writing
from dcgan_features.data.utils.hashing import digest_of
from dcgan_features.data.utils.locks import locked
from dcgan_features.eval.calibration import calibration_error
from dcgan_features.eval.protocols import wilson_interval
from dcgan_features.features.cache.fingerprint import describe

PRESET = "labelled"
_VERSION = 3  # of what is measured: a result of another one is measured again


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
    made: tuple[RowResult, Predictions] | None = None
    for probe in probes:
        if kept.get(probe.name, {}).get("digest") == wanted[probe.name]:
            continue
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            protocols[probe.name], predicted[probe.name] = judge(probe, features, dataset, choice, place)
        said = [str(item.message) for item in caught if item.category.__name__ == "ConvergenceWarning"]
        remarks += [f"{probe.title}: {' '.join(said[0].split())}"] if said else []
        kept[probe.name] = {**probe.settings(), "title": probe.title, "digest": wanted[probe.name]}
        # Each probe is written when it is measured, so that a comparison that was stopped goes on with the next one.
        made = _write(proposal, dataset, place, identity, protocols, predicted, about, stages, kept, remarks)
    return made or _write(proposal, dataset, place, identity, protocols, predicted, about, stages, kept, remarks)


def _write(
    proposal: Proposal,
    dataset: LabelledDataset,
    place: Place,
    identity: str,
    protocols: dict[str, ProtocolResult],
    predicted: dict[str, NDArray[Any]],
    about: dict[str, Any],
    stages: Stages,
    kept: dict[str, Any],
    remarks: list[str],
) -> tuple[RowResult, Predictions]:
    """Write the result as far as it is measured, and its predictions."""
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
        protocols=dict(protocols),
        features=about,
        seconds=stages.seconds,
        peak_gib=peak_gib(),
        peak_device_gib=None,
        device=describe_device(torch.device(place.device)),
        seeds={"split": place.seed},
        digests={"data": dataset.digest, "weights": None},
        settings={"measurement": {"extractor": in_words(proposal.extractor)}, "probes": dict(kept)},
        deviations=list(remarks),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        **environment(),
    )
    digest = write_predictions(place.results, place.table, proposal.name, dataset.test_labels, predicted)
    result = result.model_copy(update={"digests": {**result.digests, DIGEST: digest}})
    write_row(place.results, result)
    return result, Predictions(dataset.test_labels, dict(predicted))


def in_words(extractor: Any) -> str:
    """The extractor with its settings; of files the names alone, as results do not tell where a machine keeps them."""
    return re.sub(r"""\w*Path\(['"](?:[^'"]*[/\\])?([^'"/\\]+)['"]\)""", r"'\1'", repr(extractor))[:500]


def fit_probe(probe: Probe, X: Tensor, dataset: LabelledDataset, choice: Choice, device: str, seed: int) -> Any:
    """The classifier fitted to the features of the labelled training images, (n, d).

    seed : of the labels that are made wrong. Raises `InputError` where too few of a class are left.
    """
    labelled = dataset.train_labels[dataset.train_labels >= 0]
    if probe.noise:
        labelled = wrong_labels(labelled, probe.noise, seed)
        least = int(np.bincount(labelled)[np.unique(labelled)].min())
        if least < 2:
            raise InputError(f"label_noise {probe.noise:g} leaves a class 1 image; give more training images, or less")
        choice = replace(choice, folds=min(choice.folds, least))
    return probe.make(choice, len(labelled), None if device == "cpu" else device).fit(X, labelled)


def judge(
    probe: Probe, features: Features, dataset: LabelledDataset, choice: Choice, place: Place
) -> tuple[ProtocolResult, NDArray[Any]]:
    """Fit a probe on all labelled training images; its figures, and its predictions of the test images, (1, n_test)."""
    begun = time.perf_counter()
    X, X_test = features.standardised if probe.standardised else (features.train, features.test)
    truth = dataset.test_labels
    classifier = fit_probe(probe, X, dataset, choice, place.device, place.seed)
    if hasattr(classifier, "predict_proba"):
        shares = classifier.predict_proba(X_test)
        predicted, error = classifier.classes_[shares.argmax(1)], calibration_error(truth, classifier.classes_, shares)
    else:
        predicted, error = classifier.predict(X_test), None
    accuracy = 100 * float((predicted == truth).mean())
    low, high = wilson_interval(accuracy, len(truth))
    chosen: dict[str, Any] = {"C": classifier.C, "scores": {}} if hasattr(classifier, "C") else {}
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
