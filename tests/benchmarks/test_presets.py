"""Presets and results: none writes over another's, and what is committed is what the tables' default says."""

import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest

from dcgan_features.benchmarks.config.schema import TABLES, load_table
from dcgan_features.benchmarks.curves.label_counts import label_table
from dcgan_features.benchmarks.records.reading import read_row
from dcgan_features.benchmarks.runner.job import make_jobs
from dcgan_features.benchmarks.runner.plan import Finished, plan
from dcgan_features.data.download import chosen_root
from dcgan_features.data.utils.formats import write_sealed
from tests.benchmarks.conftest import MEANS

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
SHIPPED = sorted(path.stem for path in TABLES.glob("*.yaml"))


def jobs_of(table, preset, results=None, data_root=None):
    return make_jobs(table, None, table.rows, preset, data_root, "cpu", results, Path("feature-store"))


def written_by(name, preset):
    """Every path that the table's command and that of its curves write results to under a preset."""
    table = load_table(name)
    tables = [table, *([label_table(table, preset)] if table.presets[preset].curve else [])]
    jobs = [job for each in tables for job in jobs_of(each, preset)]
    return {job.path for job in jobs} | {job.results / f"{job.table.name}.csv" for job in jobs}


def test_no_command_and_preset_writes_to_the_paths_of_another():
    commands = [(name, preset) for name in SHIPPED for preset in load_table(name).presets]
    written = {command: written_by(*command) for command in commands}
    assert len(commands) > 8
    for one, other in itertools.combinations(commands, 2):
        assert not written[one] & written[other], f"{one} and {other}"


def test_the_default_preset_has_the_folder_of_the_committed_results():
    for name in SHIPPED:
        table = load_table(name)
        (folder,) = {job.results for job in jobs_of(table, table.default_preset)}
        assert folder == Path("results").resolve()


def test_a_preset_is_kept_from_anothers_results_in_a_folder_that_is_named(cli, make_table, tmp_path):
    data: dict[str, Any] = {
        "dataset": {"source": "stand-in", "n_train": 100, "n_test": 50},
        "protocols": {"5-per-class": {}},
    }
    other = {**data, "dataset": {**data["dataset"], "n_train": 120}}
    row = {"name": "a", "title": "A", "extractor": {"class": MEANS}}
    table = make_table(rows=[row], presets={"one": data, "two": other}, renamed={"presets": {"uno": "one"}})
    assert cli("--table", table)[0] == 0
    path = tmp_path / "results" / "tiny" / "a.json"
    before = path.read_bytes()
    for more in ([], ["--rerun"]):
        code, out, err = cli("--table", table, "--preset", "two", *more)
        assert code == 2 or "cannot be measured" in out
        assert "a preset never writes over another's results; give --results another folder" in out + err
        assert path.read_bytes() == before
    # Of the same preset, whatever an earlier release called it, a result may be replaced.
    content = json.loads(before)
    write_sealed(path, {**content, "preset": "uno", "identity": "0" * 64})
    assert "replaces" in cli("--table", table, "--dry-run")[1]


@pytest.mark.parametrize("name", ["cifar10", "mnist", "svhn"])
def test_committed_results_carry_what_the_table_says_of_them(name):
    """Names, titles and published figures; the figures themselves are measured."""
    table = load_table(name)
    rows = {row.name: row for row in table.rows}
    for path in sorted((RESULTS / name).glob("*.json")):
        result, row = read_row(path), rows[path.stem]
        measurement = row.measurement(table.default_preset, table.classifier)
        assert measurement is not None, f"{path.stem} is not measured by default"
        assert result is not None
        assert (result.row, result.title) == (row.name, row.title)
        assert table.renamed.presets.get(result.preset, result.preset) == table.default_preset
        for protocol, found in result.protocols.items():
            published = row.published.get(protocol)
            assert (found.published, found.published_pm) == (
                (None, None) if published is None else (published.value, published.pm)
            )


@pytest.mark.real_data
@pytest.mark.skipif(
    not (chosen_root(os.environ.get("DATA_ROOT")) / "cifar-10-batches-py").is_dir(), reason="CIFAR-10 is not here"
)
def test_the_default_preset_finds_every_row_of_the_committed_table_measured():
    table = load_table("cifar10")
    jobs = [
        job for job in jobs_of(table, "default", RESULTS, os.environ.get("DATA_ROOT")) if job.measurement is not None
    ]
    assert [job.row for job in jobs if not isinstance(plan(job, look_only=True), Finished)] == []
