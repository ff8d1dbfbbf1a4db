"""`python -m benchmarks.layers` on a tiny table: which features it measures, and the files it makes of them."""

import csv
import json
from typing import Any

import numpy as np
import pytest
import torch

from dcgan_features.benchmarks.layers import study
from dcgan_features.benchmarks.layers.__main__ import app
from dcgan_features.benchmarks.layers.study import LAYER_COLUMNS, Setting, settings
from dcgan_features.benchmarks.reporting.plots.panels import Panel, Series, apart, draw_panels
from dcgan_features.benchmarks.runner.protocol import C_BOUNDS
from dcgan_features.data.splits import class_balanced_draws
from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.eval import L2SVMCV
from dcgan_features.features import RandomDiscriminator
from dcgan_features.gan.spec import PAPER_32, SPECS, SVHN_32, Convolution, NetworkSpec

NARROW = NetworkSpec(
    "narrow-32", 32, 3, 5, "uniform", (Convolution(4, 3, 2), Convolution(6, 3, 2)), (6, 8, 8),
    (Convolution(5, 3, 2), Convolution(3, 3, 2)),
)  # fmt: skip
NETWORK = {"network": NARROW.name, "dtype": "float32"}
RANDOM = {"name": "random", "title": "Untrained", "extractor": {"class": "RandomDiscriminator", **NETWORK}}
RECIPE = {"network": NARROW.name, "images": 96, "batch_size": 32, "snapshot_every": 64, "precision": "fp32"}
TRAINED = {
    "name": "trained",
    "title": "Trained",
    "extractor": {"class": "DiscriminatorFeatures", "n_statistics": 32},
    "weights": {"train": {"recipe": {**RECIPE, "sample_every": None}}},
}


@pytest.fixture
def layers(cli, make_table, monkeypatch):
    """Run the command on a table of these rows; returns (exit code, stdout, stderr)."""
    monkeypatch.setattr(study, "GRIDS", (1, 4))
    monkeypatch.setitem(SPECS, NARROW.name, NARROW)
    table = make_table(rows=[RANDOM, TRAINED, {"name": "pixels", "title": "P", "extractor": {"class": "RawPixels"}}])

    def call(*arguments):
        return cli("--table", table, *arguments, app=app)

    return call


def lines_of(tmp_path, name):
    with open(tmp_path / "results" / f"tiny-{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_settings_are_those_that_the_maps_allow():
    chosen = settings(SVHN_32, 4)  # maps of 16, 8 and 4 pixels, 64, 128 and 256 of them
    alone = [((layer,), grid) for layer, grids in enumerate([(1, 2, 4, 8), (1, 2, 4, 8), (1, 2, 4)]) for grid in grids]
    assert [(item.layers, item.grid) for item in chosen] == [
        *alone, ((0, 1), 4), ((0, 1, 2), 4), ((0, 1, 2), 1), ((0, 1, 2), 2),
    ]  # fmt: skip
    assert [item.count for item in chosen if item.grid == 4] == [1024, 2048, 4096, 3072, 7168]
    assert len({item.name for item in chosen}) == len(chosen)
    everything = [item for item in settings(PAPER_32, 4) if len(item.layers) == 6]
    assert sorted((item.grid, item.count) for item in everything) == [(1, 1792), (2, 7168), (4, 28672)]
    assert Setting((0, 1), 4, 1).words == "layers 1 to 2, grid 4 x 4"


def test_each_figure_is_that_of_its_own_features(layers, tmp_path):
    code, out, err = layers("--row", "random")
    assert (code, "error" in err) == (0, False)
    assert "no snapshots" in out
    lines = lines_of(tmp_path, "layers-random")
    assert list(lines[0]) == list(LAYER_COLUMNS)
    found = {(line["scope"], line["layer"], line["grid"]): line for line in lines}
    assert sorted(found) == [
        (scope, layer, grid) for scope in ("alone", "cumulative") for layer in "12" for grid in "14"
    ]
    assert {line["protocol"] for line in lines} == {"5-per-class"}
    assert found["alone", "1", "4"]["measured"] == found["cumulative", "1", "4"]["measured"]
    # One of them by hand: the second layer's six maps, each as its one maximum.
    dataset = stand_in(n_train=250, n_test=100)
    assert dataset.test_images is not None
    maps = RandomDiscriminator(NARROW.name, layers=[1], dtype="float32").fit(dataset.train_images)
    train, test = (
        torch.as_tensor(maps.transform(images)).view(-1, 6, 16).amax(2).numpy()
        for images in (dataset.train_images, dataset.test_images)
    )
    scores = []
    assert dataset.train_labels is not None
    for draw in class_balanced_draws(dataset.train_labels, 5, 3, 0):
        # 160 features by 6 are one decade to the nearest.
        fitted = L2SVMCV([1.0, 10.0], extend=C_BOUNDS, n_splits=2).fit(train[draw], dataset.train_labels[draw])
        scores.append((fitted.predict(test) == dataset.test_labels).mean() * 100)
    line = found["alone", "2", "1"]
    assert (line["features"], line["draws"], line["stand_in"]) == ("6", "3", "True")
    assert float(line["measured"]) == pytest.approx(np.mean(scores), abs=0.0051)
    assert float(line["sd"]) == pytest.approx(np.std(scores, ddof=1), abs=0.0051)
    text = (tmp_path / "results" / "tiny-layers-random.md").read_text()
    assert "# A tiny table: Untrained, by layer and pooling grid (stand-in)" in text
    assert f"| 2 alone | {np.mean(scores):.2f} ±{np.std(scores, ddof=1):.2f} |" in text
    assert (tmp_path / "results" / "tiny-layers-random.png").stat().st_size > 10_000
    # Nothing is measured twice.
    before = (tmp_path / "results" / "tiny-layers-random.csv").read_bytes()
    code, out, _ = layers("--row", "random")
    assert "nothing to measure" in out
    assert (tmp_path / "results" / "tiny-layers-random.csv").read_bytes() == before


def test_snapshots_of_the_training_are_scored(layers, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "GRIDS", (1,))
    code, _, err = layers("--row", "trained", "--protocol", "all-labels")
    assert (code, "error" in err) == (0, False)
    lines = lines_of(tmp_path, "training-trained")
    assert [(line["images_seen"], line["protocol"], line["draws"]) for line in lines] == [
        ("64", "all-labels", "1"), ("96", "all-labels", "1"),
    ]  # fmt: skip
    rows = [
        json.loads((tmp_path / "results" / "tiny-training" / f"trained-{seen}-images.json").read_text())
        for seen in ("0000000064", "0000000096")
    ]
    (folder,) = (tmp_path / "store" / "networks").glob("narrow-32-*/")
    digests = [json.loads(path.read_text())["sha256"] for path in (
        folder / "snapshots" / "weights-0000000064.json", folder / "weights.json",
    )]  # fmt: skip
    assert [row["digests"]["weights"] for row in rows] == digests
    assert [f"{row['protocols']['all-labels']['measured']:.3f}" for row in rows] == [
        f"{float(line['measured']):.3f}" for line in lines
    ]
    whole = json.loads((tmp_path / "results" / "tiny-layers" / "trained-layer-1-2-grid-4.json").read_text())
    assert whole["protocols"]["all-labels"]["values"] == rows[-1]["protocols"]["all-labels"]["values"]
    assert (
        "over the training of its network (stand-in)" in (tmp_path / "results" / "tiny-training-trained.md").read_text()
    )


def test_a_snapshot_can_be_chosen_without_test_images(cli, make_table, monkeypatch, tmp_path):
    """As by the protocol `choice` of the table `reference`: scored on training images of which no label was drawn."""
    monkeypatch.setattr(study, "GRIDS", (1,))
    monkeypatch.setitem(SPECS, NARROW.name, NARROW)
    choice = {"title": "choice", "per_class": 5, "draws": 2, "folds": 2, "validation": 60, "scored_on": "validation"}
    dataset = {"source": "stand-in", "n_train": 250, "n_test": 100}
    presets = {"quick": {"dataset": dataset, "protocols": {"choice": {}}}}
    other = {**TRAINED, "name": "other", "weights": {"file": "nowhere"}}
    table = make_table(rows=[TRAINED, other], protocols={"choice": choice}, presets=presets)
    code, _, err = cli("--table", table, "--row", "trained", "--protocol", "choice", app=app)
    assert (code, "error" in err) == (0, False)
    assert [(line["images_seen"], line["protocol"]) for line in lines_of(tmp_path, "training-trained")] == [
        ("64", "choice"), ("96", "choice"),
    ]  # fmt: skip
    for seen in ("0000000064", "0000000096"):
        path = tmp_path / "results" / "tiny-training" / f"trained-{seen}-images.json"
        found = json.loads(path.read_text())["protocols"]["choice"]
        assert (found["scored_on"], found["test_images"]) == ("validation", 60)
    text = (tmp_path / "results" / "tiny-training-trained.md").read_text()
    assert "Accuracy in percent on training images that no label is drawn from. Mean" in text
    # The snapshots of a run alone, of another row than its own and with nothing by layer.
    (run,) = (tmp_path / "store" / "networks").glob("narrow-32-*/")
    for old in (tmp_path / "results").glob("tiny-layers-*.*"):
        old.unlink()
    before = lines_of(tmp_path, "training-trained")
    code, out, _ = cli("--table", table, "--row", "other", "--training", run, "--protocol", "choice", app=app)
    assert (code, "by layer" in out) == (0, False)
    assert not list((tmp_path / "results").glob("tiny-layers-*.*"))
    after = lines_of(tmp_path, "training-other")
    assert [line["row"] for line in after] == ["other", "other"]
    assert [line["measured"] for line in after] == [line["measured"] for line in before]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--row", "pixels"], "row pixels of the table tiny is not made of a discriminator's layers"),
        (["--row", "randm"], "did you mean 'random'"),
        (["--row", "random", "--protocol", "all"], "did you mean 'all-labels'"),
        (["--row", "random", "--training", "nowhere"], "nowhere holds no snapshots"),
    ],
)
def test_what_cannot_be_measured_is_said(layers, arguments, sentence):
    code, _, err = layers(*arguments)
    assert code == 2
    assert sentence in err


def test_long_titles_stay_within_the_picture():
    title = " ".join(["A long title of several words"] * 8)
    figure = draw_panels([Panel("Left", "grid", (Series("One", ((1, 10.0, 0.5),)),))], title, "accuracy", "")
    figure.canvas.draw()
    drawn: Any = figure.texts[0]
    assert drawn.get_text().replace("\n", " ") == title
    assert drawn.get_window_extent().x1 <= figure.bbox.x1


def test_labels_of_places_do_not_run_into_each_other():
    assert apart([1, 2, 4, 8], doubling=True) == [1, 2, 4, 8]
    assert apart([60, 300, 360, 1200, 1260], doubling=True) == [60, 360, 1260]
    assert apart([0, 90, 100], doubling=False) == [0, 100]
    assert apart([5], doubling=False) == [5]


def test_the_picture_shows_what_it_is_given():
    series = Series("One", ((1, 10.0, 0.5), (2, 20.0, None), (8, 15.0, 0.1)))
    figure = draw_panels([Panel("Left", "grid", (series,)), Panel("Right", "layer", ())], "T", "accuracy", "W.")
    left, right = figure.axes
    texts: Any = [text.get_text() for text in left.get_xticklabels()]
    assert texts == ["1", "2", "8"]
    assert left.get_xscale() == "log"
    points: Any = left.containers[0][0].get_xydata()
    assert points.tolist() == [[1, 10], [2, 20], [8, 15]]
    assert right.get_title(loc="left") == "Right"
