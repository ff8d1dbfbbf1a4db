import csv

import numpy as np
import pytest

from dcgan_features.benchmarks.records.reading import read_predictions
from dcgan_features.benchmarks.reporting.controls import verdict_of
from dcgan_features.eval import compare, holm
from tests.benchmarks.conftest import MEANS


def test_rows_are_compared_with_their_control_and_adjusted_for_the_tables_comparisons(cli, make_table, tmp_path):
    rows = [
        {"name": "means", "title": "Means", "extractor": {"class": MEANS}, "control": "chance"},
        {"name": "pixels", "title": "Pixels", "extractor": {"class": "RawPixels"}, "control": "means"},
        {"name": "chance", "title": "Chance", "extractor": {"class": MEANS},
         "classifier": {"class": "tests.benchmarks.spies:Majority"}},
    ]  # fmt: skip
    table = make_table(rows=rows)
    code, _, _ = cli("--table", table)
    assert code == 0
    results = tmp_path / "results"
    with open(results / "tiny.csv", newline="") as file:
        lines = {(line["row"], line["protocol"]): line for line in csv.DictReader(file)}
    kept = {name: read_predictions(results, "tiny", name) for name in ("means", "pixels", "chance")}
    for protocol in ("all-labels", "5-per-class"):
        pairs = [("means", "chance"), ("pixels", "means")]
        found = [
            compare(kept[a].truth, kept[a].by_protocol[protocol], kept[b].by_protocol[protocol], (a, b))
            for a, b in pairs
        ]
        for (row, control), item, p_value in zip(pairs, found, holm([item.p_value for item in found]), strict=True):
            line = lines[row, protocol]
            assert line["control"] == control
            assert float(line["control_difference"]) == pytest.approx(item.difference, abs=0.006)
            assert float(line["control_low"]) == pytest.approx(item.wide_low, abs=0.006)
            assert float(line["control_p"]) == pytest.approx(p_value, rel=1e-2)
            decided = p_value < 0.05
            word = ("better" if item.difference > 0 else "worse") if decided else "not told apart"
            assert line["control_verdict"].startswith(word)
        assert lines["chance", protocol]["control_verdict"] == ""
    assert "| Against its control |" in (results / "tiny.md").read_text()
    (results / "tiny" / "chance.npz").unlink()  # a report says what it can
    assert cli("--table", table, "--dry-run")[0] == 0


def test_verdicts_name_no_rows():
    truth = np.array([0, 1] * 200)
    right, wrong = truth[None].repeat(3, 0), 1 - truth[None].repeat(3, 0)
    wrong[:, 0] = truth[0]
    assert verdict_of(compare(truth, right, wrong, ("dcgan", "random-dcgan"))).startswith("better")
    assert verdict_of(compare(truth, wrong, right, ("dcgan", "random-dcgan"))).startswith("worse")
    assert verdict_of(compare(truth, right, right, ("dcgan", "random-dcgan"))) == "not told apart"
