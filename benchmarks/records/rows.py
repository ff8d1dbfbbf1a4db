"""What was measured, on disk: one JSON a row, and the lines of a table's CSV that are made from them."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from dcgan_features.benchmarks.config.described import is_seeded, units_of, views_of
from dcgan_features.benchmarks.config.schema import Table
from dcgan_features.benchmarks.records.checks import check_figures
from dcgan_features.benchmarks.records.figures import DIGITS, rounded
from dcgan_features.benchmarks.records.predictions import Predictions, predictions_of
from dcgan_features.benchmarks.records.results import (
    FORMAT,
    Outline,
    ProtocolResult,
    RowOutline,
    RowResult,
    row_path,
)
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path
from dcgan_features.data.utils.formats import opened, read_json, write_sealed
from dcgan_features.data.utils.settings import first_mistake
from dcgan_features.eval.significance import accuracy_interval

__all__ = [
    "COLUMNS",
    "FORMAT",
    "Outline",
    "ProtocolResult",
    "RowOutline",
    "RowResult",
    "outline",
    "read_outline",
    "read_predictions",
    "read_row",
    "read_rows",
    "row_path",
    "table_lines",
    "write_csv",
    "write_row",
]

COLUMNS = (
    "row", "group", "protocol", "metric", "published", "published_pm", "measured", "sd", "low", "high", "draws",
    "control", "control_difference", "control_low", "control_high", "control_p", "control_verdict", "units", "features",
    "views", "unlabelled", "unlabelled_images", "training_seeds", "C_at_end", "seconds", "peak_gib", "device", "data",
    "stand_in", "deviations",
)  # fmt: skip
# Columns that are rounded, and to how many digits after the point; lines hold the raw values.
_DIGITS = {
    **dict.fromkeys(("measured", "sd", "low", "high", "difference", "wide_low", "wide_high"), DIGITS),
    **dict.fromkeys(("control_difference", "control_low", "control_high"), DIGITS),
    "seconds": 1,
    "peak_gib": 2,
}

_OF_A_TABLE = {"title", "lines", "outline", "seal"}
_REMEDY = "delete it, restore it from a copy, or measure the row again with --rerun"

Model = TypeVar("Model", bound=BaseModel)


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


def read_row(path: Path) -> RowResult | None:
    """The result in a file; None where there is no file. A damaged or changed one is an `InputError` that names it."""
    if not path.exists():
        return None
    result = _check(path, RowResult, opened(read_json(path, _REMEDY), path, required=False, remedy=_REMEDY))
    check_figures(path, result)
    return result


def read_rows(folder: Path, rows: Outline) -> dict[str, RowResult]:
    """All results of a table's rows that are there, by row."""
    found = {row.name: read_row(row_path(folder, rows.name, row.name)) for row in rows.rows}
    return {name: result for name, result in found.items() if result is not None}


def read_predictions(results: Path, table: str, row: str) -> Predictions:
    """A row's predictions. Raises `InputError` when there are none, and when they are not those of the row's result."""
    result = read_row(row_path(results, table, row))
    if result is None:
        raise InputError(f"the row {row} of the table {table} is not measured in {results}; measure it first")
    return predictions_of(results, result)


def write_row(folder: Path, result: RowResult) -> Path:
    """Write a row's result, atomically; return its path."""
    path = row_path(folder, result.table, result.row)
    write_sealed(path, result.model_dump())
    return path


def read_outline(path: Path) -> Outline:
    """The outline in a table's JSON. A damaged one is an `InputError` that names it."""
    content = read_json(path, _REMEDY)
    if not isinstance(content, dict) or not {"title", "lines", "outline"} <= set(content) <= _OF_A_TABLE:
        raise InputError(f"{path} is not a table of results; give a folder that a benchmark wrote")
    return _check(path, Outline, opened(content, path, required=False, remedy=_REMEDY)["outline"])


def _check(path: Path, model: type[Model], content: Any) -> Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path} is damaged or of another version: {first_mistake(error)}; {_REMEDY}") from None


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
                    line.update(training_seeds=1 if is_seeded(measurement) else None)
            lines.append(line)
    return lines


def _images_in(unlabelled: str) -> int | None:
    """How many images were learnt from without labels: the sum of the numbers that the description gives."""
    numbers = [int(found.replace(",", "")) for found in re.findall(r"\(([\d,]+) images\)", unlabelled)]
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
