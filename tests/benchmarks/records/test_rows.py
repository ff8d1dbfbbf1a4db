"""Result files: what is written is read back whole, and what is damaged is named."""

import csv
import json

import pytest

from dcgan_features.benchmarks.config.schema import load_table
from dcgan_features.benchmarks.records.reading import read_row, read_rows
from dcgan_features.benchmarks.records.rows import (
    COLUMNS,
    RowResult,
    outline,
    read_outline,
    row_path,
    table_lines,
    write_csv,
    write_row,
)
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import write_sealed
from tests.benchmarks.conftest import measure_rows


@pytest.fixture
def measured(make_table, tmp_path):
    """The outline of a table whose first row is measured, and the result."""
    path = make_table()
    table = load_table(path)
    measure_rows(tmp_path, path)
    found = read_row(row_path(tmp_path / "results", "tiny", "means"))
    assert found is not None
    return outline(table, "quick"), found


def test_a_result_survives_being_written(measured, tmp_path):
    _, result = measured
    path = write_row(tmp_path / "copy", result)
    assert path == tmp_path / "copy" / "tiny" / "means.json"
    assert read_row(path) == result
    assert read_row(path.with_name("none.json")) is None


@pytest.mark.parametrize("change", [
    {"row": None}, {"unknown": 1}, {"peak_gib": "much"}, {"format": 2}, {"seconds": {"features": "long"}},
])  # fmt: skip
def test_a_damaged_result_is_named(measured, tmp_path, change):
    path = write_row(tmp_path, measured[1])
    write_sealed(path, {**json.loads(path.read_text()), **change})
    with pytest.raises(InputError, match=f"{path} is damaged or of another version: .*{next(iter(change))}"):
        read_row(path)


def test_an_outline_tells_all_that_a_report_needs(measured, tmp_path):
    told, result = measured
    assert told.protocols == ["all-labels", "5-per-class"]
    assert told.titles == {"all-labels": "all labels", "5-per-class": "5 a class", "10-per-class": "10 a class"}
    assert [row.name for row in told.rows] == ["means", "pixels", "absent"]
    assert read_outline(tmp_path / "results" / "tiny.json") == told
    assert read_rows(tmp_path / "results", told)["means"] == result
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(InputError, match="is not a table of results"):
        read_outline(tmp_path / "other.json")


def test_a_line_costs_what_came_before_its_fits_and_they(measured, tmp_path):
    told, result = measured
    lines = table_lines(told, {"means": result})
    assert [(line["row"], line["protocol"]) for line in lines] == [
        ("means", "all-labels"), ("means", "5-per-class"), ("absent", "all-labels")
    ]  # fmt: skip
    assert all(list(line) == list(COLUMNS) for line in lines)
    for line in lines[:2]:
        own = result.protocols[line["protocol"]]
        assert line["seconds"] == pytest.approx(result.seconds["features"] + own.seconds, abs=0.051)
        assert line["measured"] == pytest.approx(own.measured, abs=0.00051)
    assert lines[2]["measured"] is None
    write_csv(tmp_path / "t.csv", lines)
    with (tmp_path / "t.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert read[0]["published"] == "50.5"
    assert read[2]["measured"] == ""


def test_a_row_measured_under_another_presets_protocols_is_still_shown(measured):
    told, result = measured
    fewer = told.model_copy(update={"protocols": ["5-per-class"]})
    assert [line["protocol"] for line in table_lines(fewer, {"means": result})][:2] == ["5-per-class", "all-labels"]


def test_every_field_of_a_result_has_to_be_there_but_one_that_came_later():
    optional = [name for name, field in RowResult.model_fields.items() if not field.is_required()]
    assert optional == ["source_tree"]
