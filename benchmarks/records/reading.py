"""Reading what was measured: results whose figures follow from the kept predictions, and the predictions."""

from __future__ import annotations

from pathlib import Path

from dcgan_features.benchmarks.records.checks import check_figures
from dcgan_features.benchmarks.records.predictions import Predictions, predictions_of
from dcgan_features.benchmarks.records.rows import REMEDY, Model, Outline, RowResult, checked, row_path
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import opened, read_json, read_sealed


def read_row(path: Path) -> RowResult | None:
    """The result in a file; None where there is no file. A damaged or changed one is an `InputError` that names it."""
    if not path.exists():
        return None
    result = checked(path, RowResult, opened(read_json(path, REMEDY), path, required=False, remedy=REMEDY))
    check_figures(path, result)
    return result


def read_kept(path: Path, model: type[Model]) -> Model | None:
    """What a stopped command kept with `write_sealed`; None where it is absent, damaged or of another version."""
    if not path.exists():
        return None
    try:
        return checked(path, model, read_sealed(path))
    except InputError:
        return None


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
