"""What a result file says, and where it lies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dcgan_features.benchmarks.config.schema import Published
from dcgan_features.benchmarks.config.search import Trial

FORMAT = 1
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Checked(BaseModel):
    """Part of a result file; read back, it must say all that it said when it was written and nothing else."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ProtocolResult(Checked):
    """A row under one protocol; figures in percent.

    values : one a draw of labels, `measured` their mean, `sd` over the draws (None for one draw), `pm` 1.96 sd.
    low, high : 95% interval for the test sample. difference : measured less published; None where nothing comparable
    was published or the data are a stand-in. chosen : what each fit chose inside its labels, with the held-out scores.
    labels : labelled images a draw. draw_digests : SHA-256 of the indices drawn; the hold-out's where there is one.
    scored_on : the images that the figures are of, "test" or "validation"; test_images is their number.
    trials : the settings that were tried on the validation images, before `settings`, the best of them, were used;
    validation_digest : SHA-256 of the validation images' indices. None, or empty, where none were set aside.
    calibration_error : expected, in percentage points, the mean over the draws; None where it was not measured.
    """

    metric: str
    published: Finite | None
    published_pm: Finite | None
    measured: Finite
    difference: Finite | None
    sd: Finite | None
    pm: Finite | None
    low: Finite
    high: Finite
    values: Annotated[list[Finite], Field(min_length=1)]
    chosen: list[dict[str, Any]]
    labels: int
    test_images: int
    seconds: Finite
    draw_digests: list[str]
    scored_on: Literal["test", "validation"] = "test"
    trials: list[Trial] = []
    settings: dict[str, Any] | None = None
    validation_digest: str | None = None
    calibration_error: Finite | None = None


class RowResult(Checked):
    """Everything that one run of a row found and what it depended on.

    identity : digest of settings, data, weights and code version: a row with the same one is not run again.
    seconds : wall time by stage; a stage whose outcome was found on disk counts what it took when it was made.
    peak_gib : largest resident memory of the row's process, memory-mapped features included.
    """

    format: Literal[1]
    identity: str
    table: str
    row: str
    title: str
    preset: str
    stand_in: bool
    data: str
    data_note: str
    unlabelled: str
    protocols: dict[str, ProtocolResult]
    features: dict[str, Any]
    seconds: dict[str, Finite]
    peak_gib: Finite
    peak_device_gib: Finite | None
    device: str
    seeds: dict[str, int]
    digests: dict[str, str | None]
    settings: dict[str, Any]
    commit: str | None
    versions: dict[str, str]
    deviations: list[str]
    finished: str


class RowOutline(Checked):
    """What a table shows of a row even before it is measured."""

    name: str
    title: str
    group: str | None = None
    control: str | None = None
    units: int | None = None
    citation: str
    note: str
    published: dict[str, Published]


class Outline(Checked):
    """What a report needs to know of a table; kept in `<table>.json`, so that reports need nothing else.

    protocols : those that the preset measures. titles : of all the table's protocols, as the preset has them.
    """

    format: Literal[1]
    name: str
    title: str
    metric: str
    preset: str
    protocols: list[str]
    titles: dict[str, str]
    rows: list[RowOutline]


def row_path(folder: Path, table: str, row: str) -> Path:
    """Where a row's result lies."""
    return folder / table / f"{row}.json"
