import io
import json
import sys

import pytest
import torch
from rich.console import Console
from scipy.spatial.distance import cdist

from dcgan_features.benchmarks.speed import __main__ as speed
from dcgan_features.benchmarks.speed import kmeans as speed_kmeans
from dcgan_features.benchmarks.speed.kmeans import measure_kmeans, print_kmeans, quantisation_error
from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.data.utils.cli import run


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(speed_kmeans, "_PAUSE", 0)


@pytest.fixture(scope="module")
def images():
    return stand_in(n_train=60, n_test=1).train_images[:, :16, :16]


def test_quantisation_error_against_scipy():
    generator = torch.Generator().manual_seed(0)
    patches, centroids = torch.randn(1500, 5, generator=generator), torch.randn(9, 5, generator=generator)
    expected = cdist(patches.double(), centroids.double(), "sqeuclidean").min(1).mean()
    assert quantisation_error(patches, centroids) == pytest.approx(expected, rel=1e-5)


def test_measurements_are_consistent_and_printed(images, monkeypatch):
    monkeypatch.setattr(speed_kmeans, "_BATCHES", (500,))
    measured = measure_kmeans(images, "made-up", lambda text: None, 3000, (20, 30), n_images=4, repeats=2)
    assert [training["units"] for training in measured["training"]] == [20, 30]
    for training in measured["training"]:
        errors = training["quantisation_error"]
        assert (errors["scikit-learn"] <= 1.01 * errors["bfloat16"]) == training["scikit_learn"]["within_1_percent"]
        assert errors["bfloat16"] == pytest.approx(errors["float32"], rel=0.02)
    assert [(row["encoder"], row["dtype"], row["units"]) for row in measured["encoding"]] == [
        (encoder, dtype, units)
        for units in (20, 30)
        for encoder in ("threshold", "triangle")
        for dtype in ("bfloat16", "float32")
    ]
    for row in measured["encoding"]:
        assert row["difference"] < (0.01 if row["dtype"] == "bfloat16" else 1e-4)
        assert row["ratio"] == pytest.approx(row["gflops"] / row["product_gflops"])
        # 11 x 11 positions of 6 x 6 x 3 values, a multiply-add counting as two.
        assert row["gflops"] * row["seconds_per_image"] == pytest.approx(2e-9 * 121 * 108 * row["units"])
    for together in measured["together"]:
        learnt = next(
            training["seconds"] for training in measured["training"] if training["units"] == together["units"]
        )
        row = next(
            row
            for row in measured["encoding"]
            if (row["encoder"], row["dtype"], row["units"]) == ("threshold", "bfloat16", together["units"])
        )
        assert together["seconds"] == pytest.approx(learnt["bfloat16"] + 50_000 * row["seconds_per_image"])
        others = learnt["scikit-learn"] + 50_000 * row["numpy_seconds_per_image"]
        assert together["times_faster"] == pytest.approx(others / together["seconds"])
    out = io.StringIO()
    print_kmeans(measured, Console(file=out, width=160))
    assert "Target, 20 units: learning at least 5 times faster" in out.getvalue()
    assert "made-up" in out.getvalue()


def run_command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["speed.py", "kmeans", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        run(speed.app)
    return ended.value.code


def test_the_command_writes_what_it_measured_and_names_the_stand_in(tmp_path, monkeypatch, images):
    measure = speed_kmeans.measure_kmeans
    monkeypatch.setattr(speed_kmeans, "_BATCHES", (500,))
    monkeypatch.setattr(
        speed_kmeans,
        "measure_kmeans",
        lambda images, title, say: measure(images[:60, :16, :16], title, say, 2000, (20,), n_images=2, repeats=1),
    )
    assert run_command(monkeypatch, "--results", tmp_path) == 0
    written = json.loads((tmp_path / "speed" / "kmeans.json").read_text())
    assert "stand-in" in written["measured"]["data"]
    assert "scikit-learn" in written["versions"]


def test_a_data_root_without_the_images_is_refused(tmp_path, monkeypatch, capsys):
    assert run_command(monkeypatch, "--data-root", tmp_path) == 2
    assert "cifar" in capsys.readouterr().err.lower()
