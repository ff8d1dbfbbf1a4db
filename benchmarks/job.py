"""One row to be measured: what it depends on, and whether that has been measured already."""

from __future__ import annotations

import hashlib
import inspect
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

import data
from benchmarks.build import find_class, network_setting
from benchmarks.predictions import predictions_of
from benchmarks.results import FORMAT, RowResult, read_row, row_path
from benchmarks.table import DatasetChoice, Measurement, Protocol, Row, Table
from benchmarks.weights import Source, locate
from data.dataset import Dataset, Labels
from data.errors import InputError
from data.files import sha256_file
from data.stand_in import stand_in
from features.fingerprint import CODE_VERSION, source_digest

# Say nothing of the result: changing them does not make a measured row stale.
_WORDS = {"deviations", "minutes", "unlabelled", "weights"}


class Job(BaseModel):
    """A row of a table under a preset, and where everything lies; plain data, so that it can go to another process.

    store : folder of features and trained networks. results : folder of the results. device : "cpu", "cuda", "cuda:N".
    """

    table: Table
    table_folder: Path
    row: str
    preset: str
    data_root: Path | None
    device: str
    store: Path
    results: Path

    @property
    def where(self) -> str:
        """Table and row, for messages."""
        return f"row {self.row} of the table {self.table.name}"

    @property
    def line(self) -> Row:
        """The row as the table has it."""
        return next(row for row in self.table.rows if row.name == self.row)

    @property
    def measurement(self) -> Measurement | None:
        """How the row is measured, or None where it is not."""
        return self.line.measurement(self.preset, self.table.classifier)

    @property
    def protocols(self) -> dict[str, Protocol]:
        """The preset's protocols, by name."""
        return self.table.protocols_of(self.preset)

    @property
    def path(self) -> Path:
        """Where the result lies."""
        return row_path(self.results, self.table.name, self.row)

    def dataset(self) -> Dataset:
        """The preset's data set; see `load_dataset`."""
        return load_dataset(self.table.presets[self.preset].dataset, self.data_root)


@lru_cache(maxsize=1)
def load_dataset(choice: DatasetChoice, root: Path | None) -> Dataset:
    """The data set chosen. Raises `InputError` unless it has training and test labels of at least two classes."""
    given = {name: getattr(choice, name) for name in ("n_train", "n_test") if getattr(choice, name) is not None}
    if choice.source == "stand-in":
        dataset = stand_in(**given, seed=choice.seed)
    elif given:
        raise InputError(f"{', '.join(given)} go with the source stand-in, not with {choice.source}; remove them")
    else:
        dataset = data.load(choice.source, root)
    if dataset.train_labels is None or dataset.test_images is None or dataset.test_labels is None:
        raise InputError(
            f"{choice.source} has no labels or no test images, so nothing can be scored on it; choose a labelled data "
            f"set ({', '.join(data.LOADERS)})"
        )
    classes = np.unique(dataset.train_labels)
    if len(classes) < 2:
        raise InputError(f"{choice.source} has only class {classes[0]}, but a classifier needs at least two")
    return dataset


@dataclass(frozen=True)
class Ready:
    """A job looked into: its settings in full, its weights, and the digest of all that decides the result."""

    measurement: Measurement
    dataset: Dataset
    weights: Source | None
    settings: dict[str, Any]
    identity: str

    @property
    def truth(self) -> Labels:
        """The test set's labels, (n_test,)."""
        assert self.dataset.test_labels is not None  # as `load_dataset` saw to
        return self.dataset.test_labels


def look_into(job: Job) -> Ready:
    """What the job depends on. Raises `InputError` when classes, settings, data or weights cannot be used."""
    measurement = job.measurement
    assert measurement is not None
    assert measurement.extractor is not None
    assert measurement.classifier is not None
    extractor = find_class(measurement.extractor, "features", job.where)
    network = network_setting(extractor)
    if network in measurement.extractor.settings:  # a path there would escape the digest of what decides
        raise InputError(f"{job.where}: name the {network} under 'weights' of the row, not among the settings")
    classifier = find_class(measurement.classifier, "eval", job.where)
    dataset = job.dataset()
    weights = None
    if measurement.weights is not None:
        own = (dataset.train_images, dataset.title)
        weights = locate(measurement.weights, job.where, job.table_folder, job.store, *own, job.data_root)
    settings = {
        "measurement": measurement.model_dump(mode="json"),
        "dataset": job.table.presets[job.preset].dataset.model_dump(),
        "protocols": {name: protocol.model_dump() for name, protocol in job.protocols.items()},
        "seeds": job.table.seeds.model_dump(),
    }
    decisive = {
        "format": FORMAT,
        "measurement": measurement.model_dump(mode="json", exclude=_WORDS),
        "protocols": {name: protocol.model_dump(exclude={"title"}) for name, protocol in job.protocols.items()},
        "seeds": settings["seeds"],
        "code": [_code_of(extractor), _code_of(classifier)],
        "data": dataset.digest,
        "weights": weights.digest if weights is not None else None,
    }
    return Ready(measurement, dataset, weights, settings, digest_of(decisive))


def _code_of(kind: type) -> Any:
    """What tells a class from others that would give other results.

    This project's extractors have a version of their arithmetic; its classifiers solve a stated problem, however they
    do it, so that their name is enough; of other people's classes the files count.
    """
    name, package = f"{kind.__module__}.{kind.__qualname__}", kind.__module__.split(".")[0]
    if package == "eval":
        return name
    if package == "features":
        return [name, CODE_VERSION]
    source = source_digest(kind)
    return [name, _file_digest(kind)] if source is None else [kind.__qualname__, source]


def _file_digest(kind: type) -> str | None:
    try:
        return sha256_file(inspect.getfile(kind))
    except (OSError, TypeError):  # built in, or made on the fly
        return None


def digest_of(content: Any) -> str:
    """SHA-256 of JSON-ready data."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def finished_result(job: Job, identity: str) -> RowResult | None:
    """The row's result if it is on disk, was measured under the same identity, and has its predictions beside it."""
    result = read_row(job.path)
    if result is None or result.identity != identity:
        return None
    try:
        predictions_of(job.results, result)
    except InputError:  # measuring again makes them, and needs no features to be computed
        return None
    return result
