"""`python -m benchmarks.curves` on tiny tables, and the picture that it draws."""

import csv
import json
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from PIL import Image
from sklearn.isotonic import IsotonicRegression

from dcgan_features import data
from dcgan_features.benchmarks.curves.__main__ import app
from dcgan_features.benchmarks.curves.label_counts import COLUMNS
from dcgan_features.benchmarks.records.reading import read_predictions
from dcgan_features.benchmarks.reporting.plots.label_curves import GAP, Curve, Point, draw, spread_out
from dcgan_features.benchmarks.runner.protocol import C_BOUNDS
from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.eval import L2SVMCV
from tests.benchmarks.conftest import MEANS
from tests.benchmarks.spies import Means, notes


@pytest.fixture
def curves(cli):
    """Run the command with arguments; returns (exit code, stdout, stderr)."""

    def call(*arguments):
        return cli(*arguments, app=app)

    return call


def lines_of(tmp_path):
    with open(tmp_path / "results" / "tiny-labels.csv", newline="") as file:
        return list(csv.DictReader(file))


def protocols_of(tmp_path, table, row):
    return json.loads((tmp_path / "results" / table / f"{row}.json").read_text())["protocols"]


def test_a_curve_joins_the_tables_points_and_its_own(cli, curves, make_table, tmp_path):
    table = make_table()
    assert cli("--table", table)[0] == 0
    code, out, err = curves("--table", table)
    assert (code, "error" in err) == (0, False)
    lines = lines_of(tmp_path)
    assert list(lines[0]) == list(COLUMNS)
    assert [(line["row"], line["labels_per_class"], line["draws"]) for line in lines] == [
        (row, labels, draws) for row in ("means", "pixels") for labels, draws in (("5", "3"), ("10", "2"), ("25", "1"))
    ]
    for row in ("means", "pixels"):
        of_table, own = (protocols_of(tmp_path, name, row) for name in ("tiny", "tiny-labels"))
        assert list(own) == ["10-per-class"]  # the others are the table's, and are not measured twice
        points = [of_table["5-per-class"], own["10-per-class"], of_table["all-labels"]]
        for line, point in zip([line for line in lines if line["row"] == row], points, strict=True):
            assert float(line["measured"]) == pytest.approx(np.mean(point["values"]), abs=0.0051)
            assert line["sd"] == ("" if point["sd"] is None else f"{np.std(point['values'], ddof=1):.2f}")
            assert line["stand_in"] == "True"
    assert [line["published"] for line in lines] == ["", "", "50.5", "", "", ""]
    markdown = (tmp_path / "results" / "tiny-labels.md").read_text()
    assert "A tiny table, by number of labels (stand-in)" in markdown
    assert "made-up images" in markdown
    assert "| Labels a class | 5 | 10 | 25 |" in markdown
    assert "| label draws | 3 | 2 | 1 |" in markdown
    assert f"| Mean colours | {lines[0]['measured']} ±{lines[0]['sd']} |" in markdown
    with Image.open(tmp_path / "results" / "tiny-labels.png") as picture:
        assert min(picture.size) > 500
    assert "tiny-labels.csv, .md and .png" in out


def test_drawn_labels_with_a_hold_out_are_what_they_say(cli, curves, make_table, tmp_path):
    """C from the same places of each draw, chosen and fitted here."""
    table = make_table()
    cli("--table", table, "--only", "means")
    assert curves("--table", table)[0] == 0
    dataset: Any = stand_in(250, 100)
    X, X_test, y = Means().transform(dataset.train_images), Means().transform(dataset.test_images), dataset.train_labels
    held = data.holdout(100, 20, 0)[1]
    draws = data.class_balanced_draws(y, 10, 2, 0)
    fits = [L2SVMCV((0.1, 1.0), extend=C_BOUNDS, holdout=held).fit(X[draw], y[draw]) for draw in draws]
    kept = read_predictions(tmp_path / "results", "tiny-labels", "means")
    np.testing.assert_array_equal(kept.by_protocol["10-per-class"], [fit.predict(X_test) for fit in fits])
    found = protocols_of(tmp_path, "tiny-labels", "means")["10-per-class"]
    assert [chosen["C"] for chosen in found["chosen"]] == [fit.C_ for fit in fits]
    assert found["labels"] == 100
    assert found["draw_digests"] == [data.digest_indices(indices) for indices in draws]


def test_a_rows_own_number_of_draws_is_for_the_table(cli, curves, make_table, tmp_path):
    rows = [
        {"name": "means", "title": "Means", "extractor": {"class": MEANS}, "draws": 4},
        {"name": "others", "title": "Others", "extractor": {"class": MEANS}},
    ]
    table = make_table(rows=rows, metric="error")
    assert cli("--table", table)[0] == 0
    assert curves("--table", table)[0] == 0
    assert [(line["labels_per_class"], line["draws"]) for line in lines_of(tmp_path)] == [
        ("5", "4"), ("10", "2"), ("25", "1"), ("5", "3"), ("10", "2"), ("25", "1"),
    ]  # fmt: skip
    markdown = (tmp_path / "results" / "tiny-labels.md").read_text()
    assert "| label draws | 3 to 4 | 2 | 1 |" in markdown
    assert "Error in percent on the whole test set: lower is better." in markdown


def test_features_and_finished_curves_are_not_made_again(cli, curves, make_table, tmp_path):
    log = tmp_path / "log"
    rows = [{"name": "means", "title": "Means", "extractor": {"class": MEANS, "notes": str(log)}}]
    table = make_table(rows=rows)
    cli("--table", table)
    seen = notes(log)
    assert "about" in curves("--table", table)[1]
    assert notes(log) == seen
    before = (tmp_path / "results" / "tiny-labels" / "means.json").read_bytes()
    (tmp_path / "results" / "tiny-labels.png").unlink()
    assert "measured already" in curves("--table", table)[1]
    assert (tmp_path / "results" / "tiny-labels" / "means.json").read_bytes() == before
    assert (tmp_path / "results" / "tiny-labels.png").exists()
    assert curves("--table", table, "--rerun")[0] == 0
    assert (tmp_path / "results" / "tiny-labels" / "means.json").read_bytes() != before
    rows[0]["classifier"] = {"class": "L2SVMCV", "Cs": [0.5]}
    code, _, err = curves("--table", make_table(rows=rows))  # the table's points would not match the curve's
    assert code == 2
    assert "no row of the table tiny is measured" in err


def test_rows_that_are_not_measured_are_left_out_or_refused(cli, curves, make_table, tmp_path):
    table = make_table()
    code, _, err = curves("--table", table)
    assert (code, err.count("\n")) == (2, 1)
    assert "no row of the table tiny is measured" in err
    cli("--table", table, "--only", "means")
    code, _, err = curves("--table", table, "--only", "pixels")
    assert code == 2
    assert "row pixels of the table tiny is not measured in" in err
    code, out, _ = curves("--table", table)
    assert code == 0
    assert "left out: row pixels of the table tiny is not measured in" in out
    assert {line["row"] for line in lines_of(tmp_path)} == {"means"}
    cli("--table", table, "--only", "pixels")
    assert curves("--table", table, "--only", "pixels")[0] == 0
    assert {line["row"] for line in lines_of(tmp_path)} == {"means", "pixels"}  # what is on disk is drawn too


def test_rows_of_another_preset_on_the_same_images_are_taken_as_they_were_measured(cli, curves, make_table, tmp_path):
    def preset(n_train):
        dataset = {"source": "stand-in", "n_train": n_train, "n_test": 100}
        return {"dataset": dataset, "protocols": {"5-per-class": {}}, "curve": ["5-per-class", "10-per-class"]}

    protocols = {
        "5-per-class": {"title": "5 a class", "per_class": 5, "draws": 2, "folds": 2},
        "10-per-class": {"title": "10 a class", "per_class": 10, "draws": 2, "folds": 2},
    }
    slow = {"presets": {"paper": {"extractor": {"class": MEANS}}}}
    other = {"presets": {"small": {"extractor": {"class": MEANS}}}}
    rows = [
        {"name": "pixels", "title": "Pixels", "extractor": {"class": "RawPixels"}},
        {"name": "slow", "title": "Slow", **slow},
        {"name": "small", "title": "Small", **other},
    ]
    presets = {"quick": preset(250), "paper": preset(250), "small": preset(200)}
    table = make_table(presets=presets, protocols=protocols, rows=rows)
    for name, row in (("quick", "pixels"), ("paper", "slow"), ("small", "small")):
        assert cli("--table", table, "--preset", name, "--only", row)[0] == 0
    assert curves("--table", table)[0] == 0
    lines = lines_of(tmp_path)
    # The row `small` is of other images.
    assert [(line["row"], line["labels_per_class"]) for line in lines] == [
        (row, labels) for row in ("pixels", "slow") for labels in ("5", "10")
    ]
    found = json.loads((tmp_path / "results" / "tiny-labels" / "slow.json").read_text())
    assert (found["preset"], list(found["protocols"])) == ("paper", ["10-per-class"])


def test_presets_without_a_curve_and_points_that_cannot_be(cli, curves, make_table, tmp_path):
    preset: dict[str, Any] = {
        "dataset": {"source": "stand-in", "n_train": 250, "n_test": 100}, "protocols": {"5-per-class": {}},
    }  # fmt: skip
    protocols = {
        "5-per-class": {"title": "5 a class", "per_class": 5, "draws": 2, "folds": 2},
        "30-per-class": {"title": "30 a class", "per_class": 30},
    }
    table = make_table(presets={"quick": preset}, protocols=protocols, rows=[
        {"name": "means", "title": "Means", "extractor": {"class": MEANS}}
    ])  # fmt: skip
    cli("--table", table)
    code, _, err = curves("--table", table)
    assert (code, err.count("\n")) == (2, 1)
    assert "the preset quick of the table tiny has no curve" in err
    preset["curve"] = ["5-per-class"]
    rows = [{"name": "means", "title": "Means", "extractor": {"class": MEANS}}]
    code, out, _ = curves("--table", make_table(presets={"quick": preset}, protocols=protocols, rows=rows))
    assert (code, "nothing to measure" in out) == (0, True)
    assert [line["labels_per_class"] for line in lines_of(tmp_path)] == ["5"]
    preset["curve"] = ["5-per-class", "30-per-class"]
    code, _, err = curves("--table", make_table(presets={"quick": preset}, protocols=protocols, rows=rows))
    assert code == 2
    assert "row means is not measured: 30 labels per class were asked for" in err
    assert lines_of(tmp_path) == []


def points(start, published=None):
    """Two points over several draws and one over a single draw."""
    return tuple(Point(n, start + n / 10, sd, published, 0.3) for n, sd in ((10, 0.5), (100, 0.5), (1000, None)))


def test_the_picture_shows_what_it_is_given():
    curves = [Curve("One", points(10.0)), Curve("Two", points(10.5, published=60.0))]
    figure = draw(curves, "Title (stand-in)", "accuracy", "A warning.")
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    drawn: Any = [line.get_xydata() for line in axes.lines]
    assert [line.tolist() for line in drawn if len(line) == 3] == [
        [[point.labels, point.measured] for point in curve.points] for curve in curves
    ]
    bands: Any = [band.get_paths()[0].vertices for band in axes.collections if isinstance(band, PolyCollection)]
    for band, curve in zip(bands, curves, strict=True):
        assert {point.labels for point in curve.points if point.sd} == set(band[:, 0])
        assert band[:, 1].min() == pytest.approx(curve.points[0].measured - 0.5)
        assert band[:, 1].max() == pytest.approx(curve.points[1].measured + 0.5)
    hollow: Any = [line.get_xydata() for line in axes.lines if to_hex(line.get_markerfacecolor()) == "#ffffff"]
    assert [line.tolist() for line in hollow] == [[[labels, 60.0]] for labels in (10, 100, 1000)]
    assert [text.get_text() for text in axes.texts] == ["One", "Two"]
    heights = [text.get_position()[1] for text in axes.texts]
    bottom, top = axes.get_ylim()
    assert heights[1] - heights[0] >= GAP * (top - bottom) * 0.999
    assert figure.texts[0].get_text() == "A warning."
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()][-1] == "published"
    assert draw([], "Title", "accuracy").axes  # nothing measured yet


def test_names_move_as_little_as_they_must():
    """The least squares of all ways to move them apart, by scikit-learn's isotonic regression."""
    random = np.random.default_rng(0)
    for count in (1, 2, 7, 12):
        heights = np.sort(random.uniform(0, 10, count))
        steps = 1.0 * np.arange(count)
        best = IsotonicRegression().fit_transform(np.arange(count), heights - steps) + steps
        assert spread_out(heights.tolist(), 1.0) == pytest.approx(best.tolist())
        below = IsotonicRegression(y_max=9.5 - steps[-1]).fit_transform(np.arange(count), heights - steps) + steps
        assert spread_out(heights.tolist(), 1.0, most=9.5) == pytest.approx(below.tolist())
    assert spread_out([1.0, 5.0], 1.0) == [1.0, 5.0]
    assert spread_out([], 1.0) == []
