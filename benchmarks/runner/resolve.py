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

from dcgan_features import data
from dcgan_features.benchmarks.config.components import find_class, network_setting, parameters
from dcgan_features.benchmarks.config.schema import DatasetChoice, Measurement, Protocol, Row, Table
from dcgan_features.benchmarks.config.strict import identifying
from dcgan_features.benchmarks.config.weights import Source, locate
from dcgan_features.benchmarks.records.predictions import predictions_of
from dcgan_features.benchmarks.records.rows import FORMAT, RowResult, read_row, row_path
from dcgan_features.data.dataset import Dataset, Labels
from dcgan_features.data.padding import adapted_dataset
from dcgan_features.data.sources import STAND_INS
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.files import sha256_file
from dcgan_features.data.utils.identity import is_ours, name_of
from dcgan_features.features.cache.fingerprint import CODE_VERSION, source_digest

# Say nothing of the result: changing them does not make a measured row stale.
_WORDS = {"deviations", "minutes", "unlabelled", "weights"}
# Keys that tables did not always have: at their defaults they leave the identity of older results as it was.
_LATER: dict[type, set[str]] = {
    Measurement: {"search", "draws", "images"},
    Protocol: {"validation", "scored_on"},
}


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
        """The preset's protocols that the row is measured under, by name, with the row's own number of draws."""
        found, line, measurement = self.table.protocols_of(self.preset), self.line, self.measurement
        if line.protocols is not None:
            found = {name: protocol for name, protocol in found.items() if name in line.protocols}
        if measurement is not None and measurement.draws is not None:
            found = {
                name: protocol.model_copy(update={"draws": measurement.draws} if protocol.per_class else {})
                for name, protocol in found.items()
            }
        return found

    @property
    def path(self) -> Path:
        """Where the result lies."""
        return row_path(self.results, self.table.name, self.row)

    def original(self) -> Dataset:
        """The preset's data set as it came; see `load_dataset`."""
        return load_dataset(self.table.presets[self.preset].dataset, self.data_root)

    def dataset(self) -> Dataset:
        """The preset's data set, its images adapted as the row says."""
        dataset = self.original()
        wanted = None if self.measurement is None else self.measurement.images
        return dataset if wanted is None else adapted_dataset(dataset, wanted.size, wanted.channels)


@lru_cache(maxsize=1)
def load_dataset(choice: DatasetChoice, root: Path | None) -> Dataset:
    """The data set chosen. Raises `InputError` unless it has training and test labels of at least two classes."""
    given = {name: getattr(choice, name) for name in ("n_train", "n_test") if getattr(choice, name) is not None}
    if choice.source in STAND_INS:
        dataset = STAND_INS[choice.source](**given, seed=choice.seed)
    elif given:
        raise InputError(
            f"{', '.join(given)} go with the sources {', '.join(STAND_INS)}, not with {choice.source}; remove them"
        )
    else:
        dataset = data.load(choice.source, root)
    if dataset.train_labels is None or dataset.test_images is None or dataset.test_labels is None:
        raise InputError(
            f"{choice.source} has no labels or no test images, so nothing can be scored on it; choose a labelled data "
            f"set ({', '.join(data.LOADERS)})"
        )
    classes = np.unique(dataset.train_labels[dataset.train_labels >= 0])
    if len(classes) < 2:
        raise InputError(f"{choice.source} has only class {classes[0]}, but a classifier needs at least two")
    return dataset


@dataclass(frozen=True)
class Ready:
    """A job looked into: its settings in full, its weights, and the digest of all that decides the result.

    dataset : its images adapted as the row says. data_digest : of the data set as it came.
    """

    measurement: Measurement
    dataset: Dataset
    data_digest: str
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
    _check_search(job, measurement, classifier)
    dataset, data_digest = job.dataset(), job.original().digest
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
        "measurement": identifying(measurement, _LATER[Measurement], _WORDS, mode="json"),
        "protocols": {name: identifying(found, _LATER[Protocol], {"title"}) for name, found in job.protocols.items()},
        "seeds": settings["seeds"],
        "code": [_code_of(extractor), _code_of(classifier)],
        "data": data_digest,
        "weights": weights.digest if weights is not None else None,
    }
    return Ready(measurement, dataset, data_digest, weights, settings, digest_of(decisive))


def _check_search(job: Job, measurement: Measurement, classifier: type) -> None:
    """Raise `InputError` for a search that no protocol has images for, or of settings that the classifier has not."""
    if measurement.search is None:
        return
    without = [name for name, protocol in job.protocols.items() if protocol.validation is None]
    if without:
        raise InputError(
            f"{job.where} has a search, but the protocol {without[0]} no images for it; give the protocol 'validation'"
        )
    drawn = min((protocol.draws for protocol in job.protocols.values()), default=measurement.search.draws)
    if measurement.search.draws > drawn:
        raise InputError(
            f"{job.where}: the search wants {measurement.search.draws} label draws of {drawn}; lower its 'draws'"
        )
    for name in measurement.search.space:
        if name not in parameters(classifier):
            raise unknown_name("setting", name, parameters(classifier), f"{job.where}, search")


def _code_of(kind: type) -> Any:
    """What tells a class from others that would give other results.

    This project's extractors have a version of their arithmetic; its classifiers solve a stated problem, however they
    do it, so that their name is enough; of other people's classes the files count.
    """
    name = name_of(kind)
    package = name.split(".")[0] if is_ours(kind) else None
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
