"""Candidates that are measured already: result folders of another comparison, or predictions alone, by anybody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcgan_features.benchmarks.compare.candidate import name_of
from dcgan_features.benchmarks.compare.extraction import Place
from dcgan_features.benchmarks.compare.measure import PRESET
from dcgan_features.benchmarks.compare.probes import Probe
from dcgan_features.benchmarks.compare.result import Candidate
from dcgan_features.benchmarks.config.images import LabelledDataset
from dcgan_features.benchmarks.records.predictions import Predictions, predictions_of
from dcgan_features.benchmarks.records.reading import read_row
from dcgan_features.benchmarks.records.rows import ProtocolResult, RowResult
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import home_path, sha256_file
from dcgan_features.eval.protocols import wilson_interval
from dcgan_features.features.precomputed import read_array

RESULTS, PREDICTIONS = "results:", "predictions:"
_PREDICTED = "predicted"


def is_finished(item: Any) -> bool:
    """Whether something given is measured already, so that nothing is run for it."""
    return isinstance(item, str) and item.startswith((RESULTS, PREDICTIONS))


def finished_candidates(text: str, dataset: LabelledDataset, probes: Sequence[Probe], place: Place) -> list[Candidate]:
    """The candidates that `results:FOLDER` or `predictions:FILE.npz` holds.

    A folder is one that a comparison wrote, `results/compare/<data>`. A file has `predicted`, the class of each test
    image in their order, (n_test,), by name or by number as the labels are; or `predicted-<probe>` for each probe; and
    perhaps `truth`, which is then compared with the labels.

    Raises `InputError` for other images, for a probe that is lacking, and for what cannot be read.
    """
    if text.startswith(RESULTS):
        return _of_folder(home_path(text.removeprefix(RESULTS), "give the path in full"), dataset, probes)
    return [_of_file(text, home_path(text.removeprefix(PREDICTIONS), "give the path in full"), dataset, probes, place)]


def _of_folder(folder: Path, dataset: LabelledDataset, probes: Sequence[Probe]) -> list[Candidate]:
    files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    if not files:
        raise InputError(f"{folder} holds no results; give the folder of a comparison, such as results/compare/<data>")
    found = []
    for file in files:
        result = read_row(file)
        assert result is not None
        if result.digests.get("data") != dataset.digest:
            raise InputError(f"{file} was measured on other images ({result.data}); compare what saw the same images")
        missing = [probe.name for probe in probes if probe.name not in result.protocols]
        if missing:
            raise InputError(f"{file} was not measured by the probe {missing[0]}; leave the probe out, or measure it")
        kept = predictions_of(folder.parent, result.model_copy(update={"table": folder.name}))
        found.append(Candidate(result.row, result.title, True, result, kept))
    return found


def _of_file(text: str, path: Path, dataset: LabelledDataset, probes: Sequence[Probe], place: Place) -> Candidate:
    truth = read_array(path, "truth", optional=True)
    if truth is not None and (_encoded(path, truth, dataset) != dataset.test_labels).any():
        raise InputError(f"{path}: truth is not the labels of the test images of {dataset.title}; keep their order")
    whole = read_array(path, _PREDICTED, optional=True)
    predicted: dict[str, NDArray[Any]] = {}
    for probe in probes:
        own = read_array(path, f"{_PREDICTED}-{probe.name}", optional=True)
        own = whole if own is None else own
        if own is None:
            raise InputError(f"{path} has no array 'predicted' or 'predicted-{probe.name}'; save the predicted classes")
        predicted[probe.name] = _encoded(path, own, dataset)[None]
    protocols = {name: _figures(made[0], dataset) for name, made in predicted.items()}
    name = name_of(text)
    result = RowResult(
        format=1,
        identity=sha256_file(path),
        table=place.table,
        row=name,
        title=text,
        preset=PRESET,
        stand_in=dataset.stand_in,
        data=dataset.title,
        data_note=dataset.note,
        unlabelled="images not known to this code",
        protocols=protocols,
        features={"count": 0},
        seconds={},
        peak_gib=0.0,
        peak_device_gib=None,
        device="elsewhere",
        seeds={},
        digests={"data": dataset.digest},
        settings={"measurement": {"predictions": path.name}},
        commit=None,
        versions={},
        deviations=["predictions made elsewhere; how is not known"],
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return Candidate(name, text, True, result, Predictions(dataset.test_labels, predicted))


def _encoded(path: Path, labels: NDArray[Any], dataset: LabelledDataset) -> NDArray[np.int64]:
    """Classes as the data set numbers them, from their names or their numbers."""
    if labels.shape != dataset.test_labels.shape:
        raise InputError(
            f"{path}: {labels.shape} predictions for {len(dataset.test_labels):,} test images; give one an image"
        )
    if labels.dtype.kind == "U":
        numbers = {name: number for number, name in enumerate(dataset.classes)}
        unknown = sorted(set(labels.tolist()) - set(numbers))
        if unknown:
            raise InputError(f"{path}: '{unknown[0]}' is no class of {dataset.title}; give {', '.join(numbers)}")
        return np.array([numbers[name] for name in labels.tolist()], dtype=np.int64)
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= len(dataset.classes):
        raise InputError(f"{path}: predictions must be classes' names or numbers from 0 to {len(dataset.classes) - 1}")
    return labels.astype(np.int64)


def _figures(predicted: NDArray[np.int64], dataset: LabelledDataset) -> ProtocolResult:
    accuracy = 100 * float((predicted == dataset.test_labels).mean())
    low, high = wilson_interval(accuracy, len(predicted))
    return ProtocolResult(
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
        chosen=[{}],
        labels=0,
        test_images=len(predicted),
        seconds=0.0,
        draw_digests=[],
    )
