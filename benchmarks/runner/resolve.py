"""From what is asked for to what is done: every choice of a job made once, before any of it is begun."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dcgan_features.benchmarks.config.identity import code_of, identifying
from dcgan_features.benchmarks.config.schema import (
    Adaptation,
    Component,
    DatasetChoice,
    Measurement,
    Protocol,
    Published,
    Seeds,
)
from dcgan_features.benchmarks.config.search import Search
from dcgan_features.benchmarks.config.weights import NoWeights, Source, locate
from dcgan_features.benchmarks.records.predictions import predictions_of
from dcgan_features.benchmarks.records.reading import read_row
from dcgan_features.benchmarks.records.rows import FORMAT, RowResult, row_path
from dcgan_features.benchmarks.runner.job import Job, Method
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.hashing import digest_of

# Say nothing of the result: changing them does not make a measured row stale.
_WORDS = {"deviations", "minutes", "unlabelled", "weights"}
# Keys that tables did not always have: at their defaults they leave the identity of older results as it was.
LATER: dict[type, set[str]] = {
    Measurement: {"search", "draws", "images"},
    Protocol: {"validation", "scored_on"},
}


class NoSearch(BaseModel):
    """The classifier's settings are taken as they stand."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    settings: Literal["as they stand"] = "as they stand"


class ResolvedJob(BaseModel):
    """A row with every choice made and everything found: plain data, which goes to the process that measures it.

    table, row, title, metric, preset : what the result is called. published : printed figures by protocol.
    dataset, data_root : which images, and the folder of the official ones. images : what is done with them first.
    data_digest : of the data set as it came, before that.
    code : of the classes of `extractor` and `classifier`, see `config.identity.code_of`.
    unlabelled : which images are learnt from without labels, in words. deviations : from what was published.
    settings : all of the table's settings, for the result. identity : the digest of all that decides the result.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    table: str
    row: str
    title: str
    metric: str
    preset: str
    published: dict[str, Published]
    dataset: DatasetChoice
    data_root: Path
    images: Adaptation
    data_digest: str
    extractor: Component
    classifier: Component
    code: list[Any]
    weights: Source
    # `Search` raises an `InputError` for keys that are not its own, at which no other form would be tried.
    search: Annotated[NoSearch | Search, Field(union_mode="left_to_right")]
    protocols: dict[str, Protocol]
    seeds: Seeds
    unlabelled: str
    deviations: list[str]
    settings: dict[str, Any]
    identity: str
    device: str
    store: Path
    results: Path

    @property
    def where(self) -> str:
        """Table and row, for messages."""
        return f"row {self.row} of the table {self.table}"

    @property
    def path(self) -> Path:
        """Where the result lies."""
        return row_path(self.results, self.table, self.row)

    def finished(self) -> RowResult | None:
        """The result if it is on disk, was measured under this identity, and has its predictions beside it."""
        result = read_row(self.path)
        if result is None or result.identity != self.identity:
            return None
        try:
            predictions_of(self.results, result)
        except InputError:  # measuring again makes them, and needs no features to be computed
            return None
        return result


def resolve(job: Job) -> ResolvedJob:
    """Find all that the job depends on: classes, settings, images and weights.

    Raises `InputError` when one of them cannot be used, and for a row that the preset does not measure.
    """
    method, measurement = job.method, job.method.settings
    network = method.extractor.network_setting
    if network in method.extractor.component.settings:  # a path there would escape the digest of what decides
        raise InputError(f"{job.where}: name the {network} under 'weights' of the row, not among the settings")
    _check_search(job, method)
    dataset, data_digest = job.dataset(), job.original().digest
    weights: Source = NoWeights()
    unlabelled, weights_digest = f"{dataset.title} ({len(dataset.train_images):,} images)", None
    if measurement.weights is not None:
        located = locate(measurement.weights, job.where, job.table_folder, job.store, dataset, job.data_root)
        weights, unlabelled, weights_digest = located, located.unlabelled, located.digest
    choice, seeds = job.table.presets[job.preset].dataset, job.table.seeds
    code = [code_of(kind) for kind in (*method.extractor.kinds, *method.classifier.kinds)]
    decisive = {
        "format": FORMAT,
        "measurement": identifying(measurement, LATER[Measurement], _WORDS, mode="json"),
        "protocols": {name: identifying(found, LATER[Protocol], {"title"}) for name, found in job.protocols.items()},
        "seeds": seeds.model_dump(),
        "code": code,
        "data": data_digest,
        "weights": weights_digest,
    }
    return ResolvedJob(
        table=job.table.name,
        row=job.row,
        title=job.line.title,
        metric=job.table.metric,
        preset=job.preset,
        published=job.line.published,
        dataset=choice,
        data_root=job.data_root,
        images=job.adaptation,
        data_digest=data_digest,
        extractor=method.extractor.component,
        classifier=method.classifier.component,
        code=code,
        weights=weights,
        search=measurement.search or NoSearch(),
        protocols=job.protocols,
        seeds=seeds,
        unlabelled=unlabelled if measurement.unlabelled is None else measurement.unlabelled,
        deviations=measurement.deviations,
        settings={
            "measurement": measurement.model_dump(mode="json"),
            "dataset": choice.model_dump(),
            "protocols": {name: protocol.model_dump() for name, protocol in job.protocols.items()},
            "seeds": seeds.model_dump(),
        },
        identity=digest_of(decisive),
        device=job.device,
        store=job.store,
        results=job.results,
    )


def _check_search(job: Job, method: Method) -> None:
    """Raise `InputError` for a search that no protocol has images for, or of settings that the classifier has not."""
    search = method.settings.search
    if search is None:
        return
    without = [name for name, protocol in job.protocols.items() if protocol.validation is None]
    if without:
        raise InputError(
            f"{job.where} has a search, but the protocol {without[0]} no images for it; give the protocol 'validation'"
        )
    drawn = min((protocol.draws for protocol in job.protocols.values()), default=search.draws)
    if search.draws > drawn:
        raise InputError(f"{job.where}: the search wants {search.draws} label draws of {drawn}; lower its 'draws'")
    for name in search.space:
        if name not in method.classifier.parameters:
            raise unknown_name("setting", name, method.classifier.parameters, f"{job.where}, search")
