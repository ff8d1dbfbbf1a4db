"""What was measured, on disk: one JSON a row, and the lines of a table's CSV that are made from them."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dcgan_features.benchmarks.config.described import is_seeded, units_of, views_of
from dcgan_features.benchmarks.config.schema import Published, Table
from dcgan_features.benchmarks.config.search import Trial
from dcgan_features.benchmarks.records.figures import DIGITS, rounded
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path
from dcgan_features.data.utils.formats import opened, read_json, write_sealed
from dcgan_features.data.utils.settings import first_mistake
from dcgan_features.eval.significance import accuracy_interval

FORMAT = 1
COLUMNS = (
    "row", "group", "protocol", "metric", "published", "published_pm", "measured", "sd", "low", "high", "draws",
    "control", "control_difference", "control_low", "control_high", "control_p", "control_verdict", "units", "features",
    "views", "unlabelled", "unlabelled_images", "training_seeds", "training_sd",
    "C_at_end", "seconds", "peak_gib", "device", "data",
    "stand_in", "deviations",
)  # fmt: skip
# Columns that are rounded, and to how many digits after the point; lines hold the raw values.
_DIGITS = {
    **dict.fromkeys(("measured", "sd", "low", "high", "difference", "wide_low", "wide_high"), DIGITS),
    **dict.fromkeys(("control_difference", "control_low", "control_high", "training_sd"), DIGITS),
    "seconds": 1,
    "peak_gib": 2,
}

_OF_A_TABLE = {"title", "lines", "outline", "seal"}
REMEDY = "delete it, restore it from a copy, or measure the row again with --rerun"

Model = TypeVar("Model", bound=BaseModel)
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
    commit : of the code; None where it was not committed, or is no clone. Results from before that was so may have
    "-changed" after it. source_tree : SHA-256 of the code's files; None in results from before it was recorded.
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
    source_tree: str | None = None
    versions: dict[str, str]
    deviations: list[str]
    finished: str


class RowOutline(Checked):
    """What a table shows of a row even before it is measured."""

    name: str
    title: str
    group: str | None = None
    control: str | None = None
    replicate_of: str | None = None
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


def outline(table: Table, preset: str) -> Outline:
    """The outline of a table as a preset measures it: rows that were published, or that the preset measures."""
    rows = [
        RowOutline(**{name: getattr(row, name) for name in RowOutline.model_fields})
        for row in table.rows
        if row.published or row.measured_in is None or preset in row.measured_in
    ]
    return Outline(
        format=1,
        name=table.name,
        title=table.title,
        metric=table.metric,
        preset=preset,
        protocols=list(table.presets[preset].protocols),
        titles={name: item.title for name, item in {**table.protocols, **table.protocols_of(preset)}.items()},
        rows=rows,
    )


def row_path(folder: Path, table: str, row: str) -> Path:
    """Where a row's result lies."""
    return folder / table / f"{row}.json"


def write_row(folder: Path, result: RowResult) -> Path:
    """Write a row's result, atomically; return its path."""
    path = row_path(folder, result.table, result.row)
    write_sealed(path, result.model_dump())
    return path


def read_outline(path: Path) -> Outline:
    """The outline in a table's JSON. A damaged one is an `InputError` that names it."""
    content = read_json(path, REMEDY)
    if not isinstance(content, dict) or not {"title", "lines", "outline"} <= set(content) <= _OF_A_TABLE:
        raise InputError(f"{path} is not a table of results; give a folder that a benchmark wrote")
    return checked(path, Outline, opened(content, path, required=False, remedy=REMEDY)["outline"])


def checked(path: Path, model: type[Model], content: Any) -> Model:
    """The content as a model; `InputError`, naming the file, where it is none."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path} is damaged or of another version: {first_mistake(error)}; {REMEDY}") from None


def table_lines(rows: Outline, results: dict[str, RowResult]) -> list[dict[str, Any]]:
    """The CSV's lines, one a row and protocol, keys as `COLUMNS`; what is not known is None, nothing is rounded.

    `low` and `high` are the 95% interval over label draws and test images; see `eval.significance.accuracy_interval`.
    `seconds` is what the row's line cost: training, features, and the protocol's own fits.
    """
    lines = []
    for row in rows.rows:
        result = results.get(row.name)
        measured = result.protocols if result is not None else {}
        # A row that is not measured shows all that was published of it, whatever the preset measures.
        for protocol in dict.fromkeys([*rows.protocols, *(measured or row.published)]):
            published, found = row.published.get(protocol), measured.get(protocol)
            if published is None and found is None:
                continue
            line: dict[str, Any] = dict.fromkeys(COLUMNS)
            line.update(row=row.name, protocol=protocol, metric=rows.metric)
            if published is not None:
                line.update(published=published.value, published_pm=published.pm)
            if result is not None and found is not None:
                before = sum(seconds for stage, seconds in result.seconds.items() if stage not in result.protocols)
                low, high = accuracy_interval(found.values, found.low, found.high)
                line.update(
                    measured=found.measured,
                    sd=found.sd,
                    low=low,
                    high=high,
                    draws=len(found.values),
                    units=row.units,
                    features=result.features["count"],
                    unlabelled=result.unlabelled,
                    unlabelled_images=_images_in(result.unlabelled),
                    C_at_end=at_end_of_grid(found),
                    seconds=before + found.seconds,
                    peak_gib=result.peak_gib,
                    device=result.device,
                    data=result.data,
                    stand_in=result.stand_in,
                    deviations="; ".join(result.deviations),
                )
                measurement = result.settings.get("measurement", {})
                if measurement.get("extractor"):
                    line.update(units=row.units or units_of(measurement), views=views_of(measurement))
                    line.update(_of_trainings(rows, results, row.name, protocol) if is_seeded(measurement) else {})
            lines.append(line)
    return lines


def values_by_seed(rows: Outline, results: Mapping[str, RowResult], row: str, protocol: str) -> list[float]:
    """The measured figures of a row and of its replicates, one a training seed, of those that are measured."""
    names = [row, *(item.name for item in rows.rows if item.replicate_of == row)]
    found = [results[name].protocols.get(protocol) for name in names if name in results]
    return [item.measured for item in found if item is not None]


def _of_trainings(rows: Outline, results: Mapping[str, RowResult], row: str, protocol: str) -> dict[str, Any]:
    values = values_by_seed(rows, results, row, protocol)
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"training_seeds": len(values), "training_sd": sd}


def _images_in(unlabelled: str) -> int | None:
    """How many images were learnt from without labels: the sum of the numbers that the description gives."""
    numbers = [int(found.replace(",", "")) for found in re.findall(r"\(([\d,]+) images[,)]", unlabelled)]
    return sum(numbers) if numbers else None


def at_end_of_grid(found: ProtocolResult) -> int | None:
    """In how many fits the C chosen was the smallest or the largest that was tried; None where none was chosen."""
    grids = [(float(item["C"]), sorted(map(float, item["scores"]))) for item in found.chosen if item.get("scores")]
    if found.settings is not None and "C" in found.settings:
        tried = sorted({float(trial.settings["C"]) for trial in found.trials})
        grids = [(float(found.settings["C"]), tried)] * len(found.values)
    several = [(C, grid) for C, grid in grids if len(grid) > 1]
    return sum(C in (grid[0], grid[-1]) for C, grid in several) if several else None


def write_csv(path: Path, lines: list[dict[str, Any]], columns: Sequence[str] = COLUMNS) -> None:
    """Write the lines with these columns, in this order; what is not known stays empty, percentages are rounded."""
    shown = [{name: _in_csv(name, line.get(name)) for name in columns} for line in lines]
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(shown)


def _in_csv(name: str, value: Any) -> Any:
    return rounded(value, _DIGITS[name]) if name in _DIGITS and isinstance(value, float) else value
