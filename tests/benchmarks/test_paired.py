"""`python -m benchmarks.paired` on tiny rows, against the predictions that they kept."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from dcgan_features.benchmarks.paired.__main__ import app
from dcgan_features.benchmarks.paired.pairs import COLUMNS
from dcgan_features.benchmarks.records.reading import read_predictions
from dcgan_features.data.utils.formats import sealed
from dcgan_features.eval import compare, holm
from tests.benchmarks.conftest import MEANS, measure_rows, write_table


@pytest.fixture
def paired(cli, tmp_path):
    """Run the command with arguments on the test's results; returns (exit code, stdout, stderr)."""

    def call(*arguments):
        return cli("--table", "tiny", *arguments, app=app, folders=["--results", str(tmp_path / "results")])

    return call


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Three measured rows, one of which says the same of every image."""
    folder = tmp_path_factory.mktemp("once")
    rows = [
        {"name": "means", "title": "Means", "extractor": {"class": MEANS}},
        {"name": "pixels", "title": "Pixels", "extractor": {"class": "RawPixels"}},
        {"name": "chance", "title": "Chance", "extractor": {"class": MEANS},
         "classifier": {"class": "tests.benchmarks.spies:Majority"}},
        {"name": "absent", "title": "Absent", "published": {"all-labels": {"value": 60.0}}},
    ]  # fmt: skip
    preset = {
        "dataset": {"source": "stand-in", "n_train": 250, "n_test": 300},
        "protocols": {"all-labels": {}, "5-per-class": {}},
    }
    measure_rows(folder, write_table(folder, rows=rows, presets={"quick": preset}))
    return folder / "results"


@pytest.fixture
def measured(once, tmp_path):
    return shutil.copytree(once, tmp_path / "results")


def lines_of(tmp_path):
    with open(tmp_path / "results" / "tiny-paired.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_all_pairs_are_compared_on_what_they_kept(paired, measured, tmp_path):
    code, out, _ = paired("--all")
    assert code == 0
    lines = lines_of(tmp_path)
    assert list(lines[0]) == list(COLUMNS)
    pairs = [("means", "pixels"), ("means", "chance"), ("pixels", "chance")]
    assert [(line["protocol"], line["row_a"], line["row_b"]) for line in lines] == [
        (protocol, *pair) for protocol in ("all-labels", "5-per-class") for pair in pairs
    ]
    kept = {name: read_predictions(tmp_path / "results", "tiny", name) for name in ("means", "pixels", "chance")}
    for protocol in ("all-labels", "5-per-class"):
        found = [
            compare(kept[a].truth, kept[a].by_protocol[protocol], kept[b].by_protocol[protocol], (a, b))
            for a, b in pairs
        ]
        adjusted = holm([item.p_value for item in found])
        for item, p_holm, line in zip(
            found, adjusted, [line for line in lines if line["protocol"] == protocol], strict=True
        ):
            accuracies = [100 * (kept[name].by_protocol[protocol] == kept[name].truth).mean() for name in item.names]
            assert float(line["difference"]) == pytest.approx(accuracies[0] - accuracies[1], abs=0.005001)
            assert float(line["low"]) == pytest.approx(item.low, abs=0.005001)
            assert float(line["wide_high"]) == pytest.approx(item.wide_high, abs=0.005001)
            assert float(line["p"]) == pytest.approx(item.p_value, rel=1e-2)
            assert float(line["p_holm"]) == pytest.approx(p_holm, rel=1e-2)
            assert line["verdict"] == replace(item, adjusted=p_holm).verdict
            assert float(line["only_a"]) == pytest.approx(np.mean(item.only_first), abs=0.1)
            assert line["stand_in"] == "True"
    assert {line["verdict"] == "not told apart" for line in lines} == {True, False}
    assert float(lines[0]["p_holm"]) >= float(lines[0]["p"])
    markdown = (tmp_path / "results" / "tiny-paired.md").read_text()
    assert markdown.count("(stand-in) |") == 6
    assert "made-up images" in markdown
    assert f": {lines[-1]['verdict']} (stand-in)" in out


def test_named_rows_keep_their_order(paired, measured, tmp_path):
    assert paired("pixels", "means")[0] == 0
    first, _ = lines_of(tmp_path)
    assert (first["row_a"], first["row_b"]) == ("pixels", "means")
    assert first["p"] == first["p_holm"]
    assert paired("means", "pixels")[0] == 0
    assert float(lines_of(tmp_path)[0]["difference"]) == -float(first["difference"])


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["means"], "a comparison needs two rows of the table tiny (3 measured: means, pixels, chance)"),
    (["means", "means"], "a row is named twice"),
    (["means", "pixel"], "unknown measured row 'pixel'"),
    (["means", "absent"], "unknown measured row 'absent'"),
    (["--all", "means"], "give either it or the names of rows"),
])  # fmt: skip
def test_rows_that_cannot_be_compared(paired, measured, arguments, sentence):
    code, _, err = paired(*arguments)
    assert (code, err.count("\n")) == (2, 1)
    assert sentence in err


def test_no_results(paired):
    code, _, err = paired("a", "b")
    assert code == 2
    assert "holds no results of a table tiny" in err


def test_other_draws_images_and_protocols_are_refused(paired, measured, tmp_path):
    folder = tmp_path / "results" / "tiny"
    whole = {name: (folder / f"{name}.json").read_text() for name in ("means", "pixels")}

    def refused(change):
        content = json.loads(whole["pixels"])
        change(content)
        (folder / "pixels.json").write_text(json.dumps(sealed(content)))
        code, _, err = paired("means", "pixels")
        assert (code, err.count("\n")) == (2, 1)
        assert not list((tmp_path / "results").glob("tiny-paired*"))
        return err

    def other_draws(content):
        content["protocols"]["5-per-class"]["draw_digests"].reverse()

    def other_names(content):
        content["protocols"] = {"x": content["protocols"]["all-labels"]}

    assert "the rows means and pixels were measured on different label draws under 5-per-class" in refused(other_draws)
    assert "have no protocol in common" in refused(other_names)
    assert "different images" in refused(lambda content: content["digests"].update(data="other"))
    assert "before predictions were kept" in refused(lambda content: content["digests"].pop("predictions"))
    (folder / "pixels.npz").unlink()
    assert "pixels.npz does not exist" in refused(lambda content: None)


def test_a_protocol_of_one_row_only_is_left_out(paired, measured, tmp_path):
    path = tmp_path / "results" / "tiny" / "pixels.json"
    content = json.loads(path.read_text())
    del content["protocols"]["all-labels"]
    path.write_text(json.dumps(sealed(content)))
    assert paired("means", "pixels")[0] == 0
    assert [line["protocol"] for line in lines_of(tmp_path)] == ["5-per-class"]
