"""A folder of results as the commands would write them, with made-up figures, so that nothing has to be measured."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from dcgan_features.benchmarks.records.predictions import write_predictions
from dcgan_features.benchmarks.records.reading import read_rows
from dcgan_features.benchmarks.records.rows import Outline, ProtocolResult, RowResult, write_row
from dcgan_features.benchmarks.reporting.table import write_table
from dcgan_features.data.utils.files import write_json
from dcgan_features.eval.protocols import NORMAL_QUANTILE, wilson_interval

TITLES = {"all-labels": "all labels", "5-per-class": "5 a class"}
ROWS = {"first": "First & <best>", "second": "Second", "third": "Third"}
PUBLISHED = {"first": {"all-labels": {"value": 80.6}, "5-per-class": {"value": 63.7, "pm": 0.7}},
             "third": {"all-labels": {"value": 84.3}}}  # fmt: skip
IMAGES = 1000


def outline(name="tiny"):
    rows = [
        {"name": row, "title": title, "units": 64, "citation": f"{title}, 2011.", "note": "",
         "published": PUBLISHED.get(row, {})}
        for row, title in ROWS.items()
    ]  # fmt: skip
    return Outline.model_validate(
        {"format": 1, "name": name, "title": "Tiny table", "metric": "accuracy", "preset": "quick",
         "protocols": list(TITLES), "titles": TITLES, "rows": rows}
    )  # fmt: skip


def protocol(row, name, values):
    published = PUBLISHED.get(row, {}).get(name, {})
    mean = float(np.mean(values))
    low, high = wilson_interval(mean, IMAGES)
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return ProtocolResult(
        metric="accuracy", published=published.get("value"), published_pm=published.get("pm"), measured=mean,
        difference=mean - published["value"] if published else None, sd=sd, pm=sd and NORMAL_QUANTILE * sd,
        low=low, high=high,
        values=list(values), labels=50, test_images=IMAGES, seconds=20.5, draw_digests=["ab" * 32] * len(values),
        chosen=[{"C": 0.1, "scores": {"0.01": 50.0, "0.1": 61.25, "1.0": 60.0}}] * len(values),
    )  # fmt: skip


def add_row(folder, row="first", skill=0.8, seed=0, **changes):
    """Write the result and the predictions of a row that is right on about `skill` of the images."""
    random = np.random.default_rng(seed)
    truth = np.arange(IMAGES) % 10
    predictions = {}
    for name, draws, share in (("all-labels", 1, skill), ("5-per-class", 3, skill - 0.1)):
        right = random.random((draws, IMAGES)) < share
        predictions[name] = np.where(right, truth, (truth + random.integers(1, 10, (draws, IMAGES))) % 10)
    kept = write_predictions(folder, "tiny", row, truth, predictions)
    found = {name: protocol(row, name, 100 * (made == truth).mean(1)) for name, made in predictions.items()}
    content = {
        "format": 1, "identity": "c" * 64, "table": "tiny", "row": row, "title": ROWS[row], "preset": "quick",
        "stand_in": False, "data": "cifar10", "data_note": "made up", "unlabelled": "none", "protocols": found,
        "features": {"count": 1000 + 7 * seed, "dtype": "bfloat16"}, "seconds": {"features": 10.0 + seed},
        "peak_gib": 1.5, "peak_device_gib": None, "device": "cpu, 1 threads", "seeds": {"draws": 0},
        "digests": {"data": "d" * 64, "weights": None, "predictions": kept},
        "settings": {"measurement": {"classifier": {"name": "L2SVMCV", "settings": {"Cs": [0.1, 1.0]}}}},
        "commit": "e" * 40, "versions": {"python": "3.11", "torch": "2.6"},
        "deviations": ["of <a> test"], "finished": "2026-01-02T03:04:05+00:00", **changes,
    }  # fmt: skip
    write_row(folder, RowResult.model_validate(content))


def finish(folder):
    write_table(outline(), read_rows(folder, outline()), folder)


def write_lines(path, lines):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


@pytest.fixture
def results(tmp_path):
    """A folder with two measured rows of three, and nothing else."""
    folder = tmp_path / "results"
    add_row(folder, "first", 0.8, 1)
    add_row(folder, "second", 0.6, 2)
    finish(folder)
    return folder


@pytest.fixture
def everything(results):
    """The same with all else that the page can show."""
    write_lines(
        results / "tiny-labels.csv",
        [
            {"row": row, "labels": 10 * count, "protocol": f"{count}-per-class", "measured": 40 + 5.5 * step, "sd": 0.5}
            for row in ROWS
            for step, count in enumerate((1, 5, 25, 125))
        ],
    )
    write_lines(
        results / "tiny-layers.csv",
        [
            {"layer": layer, "grid": grid, "protocol": name, "measured": 50 + grid, "sd": "", "device": "cpu"}
            for name in TITLES
            for grid in (1, 2)
            for layer in ("1", "2", "all")
        ],
    )
    write_lines(
        results / "tiny-paired.csv",
        [
            {"row_a": "first", "row_b": "second", "protocol": "all-labels", "difference": 19.5, "low": 15.25,
             "high": 23.75, "verdict": "first over second", "stand_in": "False"},
            {"row_a": "second", "row_b": "third", "protocol": "all-labels", "difference": -0.25, "low": -1.0,
             "high": 0.5, "verdict": "not told apart", "stand_in": "False"},
        ],
    )  # fmt: skip
    found = {"measured": 61.234, "sd": None, "low": 58.2, "high": 64.2}
    pair = {"extractor": "mine", "reference": "first", "protocol": "all-labels", "difference": -18.5, "low": -20.0,
            "high": -17.0, "verdict": "first over mine"}  # fmt: skip
    extractors = [{"name": "mine", "title": "my.py:Mine", "protocols": {"all-labels": found}}]
    write_json(
        results / "compare" / "tiny-comparison" / "comparison.json",
        {"title": "Tiny table", "stand_in": False, "extractors": extractors, "pairs": [pair]},
    )
    (results / "speed").mkdir()
    (results / "speed" / "svm.json").write_text(
        json.dumps({"measured": {"fits": [{"rows": 6250, "seconds": 11.909, "ratio": 1.0000009967}], "peak_gib": 4.08},
                    "commit": "f" * 40, "versions": {"torch": "2.6"}})
    )  # fmt: skip
    (results / "figures").mkdir()
    Image.new("RGB", (40, 30), "red").save(results / "figures" / "red-square.png")
    return results
