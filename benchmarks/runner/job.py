"""A job as it is asked for: one row of a table, a preset, and where everything lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dcgan_features.benchmarks.config.components import Chosen, find
from dcgan_features.benchmarks.config.images import LabelledDataset, adapt, load_dataset
from dcgan_features.benchmarks.config.schema import TABLES, Adaptation, Measurement, Protocol, Row, Table
from dcgan_features.benchmarks.records.rows import row_path
from dcgan_features.data.download import chosen_root
from dcgan_features.data.utils.devices import device_option
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import home_path


@dataclass(frozen=True)
class Method:
    """How a row is measured: what the table says, and the classes of its extractor and classifier."""

    settings: Measurement
    extractor: Chosen
    classifier: Chosen


@dataclass(frozen=True)
class Job:
    """A row of a table under a preset, and where everything lies.

    table_folder : that files of weights are relative to. data_root : folder of the official data sets. device : "cpu",
    "cuda", "cuda:N". store : folder of features and trained networks. results : folder of the results.
    """

    table: Table
    table_folder: Path
    row: str
    preset: str
    data_root: Path
    device: str
    store: Path
    results: Path

    @property
    def where(self) -> str:
        """Table and row, for messages."""
        return f"row {self.row} of the table {self.table.name}"

    @cached_property
    def line(self) -> Row:
        """The row as the table has it."""
        return next(row for row in self.table.rows if row.name == self.row)

    @cached_property
    def measurement(self) -> Measurement | None:
        """How the row is measured, or None where it is not."""
        return self.line.measurement(self.preset, self.table.classifier)

    @property
    def minutes(self) -> float | None:
        """About how long the table says that it takes on two CPU cores; None where it does not say."""
        return None if self.measurement is None else self.measurement.minutes

    @cached_property
    def method(self) -> Method:
        """How the row is measured. Raises `InputError` where it is not, and for unknown classes and settings."""
        settings = self.measurement
        if settings is None or settings.extractor is None or settings.classifier is None:
            raise InputError(f"{self.where}: there is no class; give one")
        extractor = find(settings.extractor, "features", self.where)
        return Method(settings, extractor, find(settings.classifier, "eval", self.where))

    @cached_property
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

    def original(self) -> LabelledDataset:
        """The preset's data set as it came; see `load_dataset`."""
        return load_dataset(self.table.presets[self.preset].dataset, self.data_root)

    @property
    def adaptation(self) -> Adaptation:
        """What is done with the images before anything else."""
        wanted = None if self.measurement is None else self.measurement.images
        return wanted or Adaptation()

    def dataset(self) -> LabelledDataset:
        """The preset's data set, its images adapted as the row says."""
        return adapt(self.original(), self.adaptation)


def make_jobs(
    table: Table,
    path: Path | None,
    rows: Sequence[Row],
    preset: str,
    data_root: Path | None,
    device: str | None,
    results: Path | None,
    store: Path,
) -> list[Job]:
    """Jobs for rows of a table, from what was given on the command line; `path` is None for a shipped table."""
    return [
        Job(
            table=table,
            table_folder=(path.parent if path is not None else TABLES).resolve(),
            row=row.name,
            preset=preset,
            data_root=chosen_root(data_root),
            device=str(device_option(device)),
            store=home_path(store, "give --store in full").resolve(),
            results=(results or Path("results", "" if preset == table.default_preset else preset)).resolve(),
        )
        for row in rows
    ]
