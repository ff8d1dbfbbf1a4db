import sys
from functools import partial

import pytest
import yaml

from dcgan_features.benchmarks.cifar10 import app
from dcgan_features.benchmarks.config.images import load_dataset
from dcgan_features.benchmarks.config.schema import load_table
from dcgan_features.benchmarks.records.rows import outline
from dcgan_features.benchmarks.runner import executor as runner
from dcgan_features.benchmarks.runner.job import Job
from dcgan_features.benchmarks.runner.resolve import resolve
from dcgan_features.benchmarks.runner.worker import attempt
from dcgan_features.data.utils.cli import run

MEANS, SVM = "tests.benchmarks.spies:Means", "tests.benchmarks.spies:SpiedSVM"


@pytest.fixture(autouse=True)
def no_dataset_remembered():
    yield
    load_dataset.cache_clear()


def write_table(folder, **changes):
    """Write a table of tiny rows; keyword arguments replace its keys, `rows` its rows. Returns the path."""
    content = {
        "name": "tiny",
        "title": "A tiny table",
        "classifier": {"class": "L2SVMCV", "Cs": [0.1, 1.0]},
        "protocols": {
            "all-labels": {"title": "all labels", "holdout": 50},
            "5-per-class": {"title": "5 a class", "per_class": 5, "draws": 3, "folds": 2},
            "10-per-class": {"title": "10 a class", "per_class": 10, "draws": 2, "holdout": 20},
        },
        "presets": {
            "quick": {
                "dataset": {"source": "stand-in", "n_train": 250, "n_test": 100},
                "protocols": {"all-labels": {}, "5-per-class": {}},
                "curve": ["5-per-class", "10-per-class", "all-labels"],
            }
        },
        "rows": [
            {
                "name": "means",
                "title": "Mean colours",
                "published": {"all-labels": {"value": 50.5, "pm": 0.3}},
                "citation": "Nobody, 2020.",
                "deviations": ["of a test"],
                "extractor": {"class": MEANS},
            },
            {"name": "pixels", "title": "Pixels_&_more", "extractor": {"class": "RawPixels"}},
            {"name": "absent", "title": "Absent", "published": {"all-labels": {"value": 60.0}}},
        ],
        **changes,
    }
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


@pytest.fixture
def make_table(tmp_path):
    """`write_table` into the test's folder."""
    return partial(write_table, tmp_path)


def measure_rows(folder, table):
    """Measure all rows of a table's first preset in this process; results in `folder`/results. Returns the jobs."""
    loaded = load_table(table)
    preset = loaded.preset(None)[0]
    common = {"table": loaded, "table_folder": folder, "preset": preset, "data_root": folder, "device": "cpu"}
    places = {"store": folder / "store", "results": folder / "results"}
    jobs = [Job(row=row.name, **common, **places) for row in loaded.rows]
    for job in jobs:
        assert job.measurement is None or attempt(resolve(job)).status == "measured"
    runner.update_table(outline(loaded, preset), folder / "results")
    return jobs


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """Run `python -m benchmarks.cifar10` with arguments, rows in this process; returns (exit code, stdout, stderr)."""
    monkeypatch.setattr(runner, "launch", attempt)
    monkeypatch.setenv("COLUMNS", "120")
    own = ["--results", str(tmp_path / "results"), "--store", str(tmp_path / "store")]

    def call(*arguments, app=app, folders=own):
        monkeypatch.setattr(sys, "argv", ["cifar10.py", *map(str, arguments), *folders])
        with pytest.raises(SystemExit) as ended:
            run(app)
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return call
