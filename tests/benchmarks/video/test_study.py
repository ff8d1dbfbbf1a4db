"""The study: intervals and differences, the probe, and the command on synthetic clips from trainings to pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from scipy import stats
from sklearn.svm import LinearSVC
from typer.testing import CliRunner

from dcgan_features.benchmarks.config.studies import STUDIES
from dcgan_features.benchmarks.video.__main__ import app
from dcgan_features.benchmarks.video.motion import View, in_own_axes, run_probe
from dcgan_features.benchmarks.video.prediction import copy_last, differences, mean_over_clips, measure
from dcgan_features.benchmarks.video.settings import Probe, load_study
from dcgan_features.data.utils.cli import progress
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_sealed
from dcgan_features.data.video.clips import ArrayClips
from dcgan_features.data.video.moving import steady_motion
from dcgan_features.features import RawPixels


def test_the_last_frame_is_copied_and_measured_frame_by_frame():
    frames = np.random.default_rng(0).integers(0, 256, (130, 4, 12, 12, 1), dtype=np.uint8)
    told: list[float] = []

    def advance(count: float = 1, note: str = "") -> None:
        told.append(count)

    found = measure({"copy": copy_last(2)}, ArrayClips(frames, "noise"), 2, advance)
    expected = ((frames[:, 2:].astype(float) - frames[:, 1:2]) ** 2).sum((2, 3, 4)) / 255**2
    np.testing.assert_allclose(found["copy"]["squared_error"], expected, rtol=1e-5)
    assert sum(told) == 130


def test_intervals_and_differences_are_students_over_clips():
    random = np.random.default_rng(0)
    first = {metric: random.normal(1, 0.2, (40, 3)) for metric in ("squared_error", "ssim", "psnr")}
    second = {metric: values + random.normal(0.3, 0.1, values.shape) for metric, values in first.items()}
    same = {metric: values + random.normal(0, 0.1, values.shape) for metric, values in first.items()}
    clips = first["ssim"].mean(1)
    low, high = stats.t.interval(0.95, 39, clips.mean(), stats.sem(clips))
    found = mean_over_clips(first["ssim"])
    assert (found.value, found.low, found.high) == pytest.approx((clips.mean(), low, high))
    pairs = {(item.second, item.metric): item for item in differences({"a": first, "b": second, "c": same}, "a")}
    assert pairs["b", "squared_error"].better is True  # a smaller error
    assert pairs["b", "ssim"].better is False
    assert pairs["c", "psnr"].better is None
    expected = stats.ttest_rel(first["ssim"].mean(1), second["ssim"].mean(1)).pvalue
    assert pairs["b", "ssim"].p_value == pytest.approx(expected)
    assert pairs["b", "ssim"].adjusted >= expected


def test_the_probe_tells_motion_of_clips_and_not_of_single_frames():
    dots = np.zeros((3, 3, 3), np.uint8)
    dots[0], dots[1, 1], dots[2, :, 0] = 255, 255, 255
    motions = [
        steady_motion(dots, np.arange(3), count, (part,), length=5, size=16, speeds=(0.05, 0.15))
        for part, count in enumerate((300, 200))
    ]
    views = {"clip": View("clip", RawPixels(), "all"), "frame": View("frame", RawPixels(), "middle")}
    probe = Probe(train=300, test=200, Cs=(1e-3, 1e-1))
    with progress(2, "probing") as advance:
        found = run_probe(views, (motions[0], motions[1]), probe, 3, advance)
    assert found["clip"].accuracy["direction"][0] > 60  # of 8
    assert found["frame"].accuracy["direction"][1] < 12.5 < found["frame"].accuracy["direction"][2]
    assert found["frame"].n_features == 256
    assert found["clip"].n_features == 1280
    assert found["frame"].accuracy["pictures"][0] > 50  # of three pairs


def test_turned_features_give_the_same_decisions():
    random = np.random.default_rng(0)
    X, queries = (random.normal(0.5, 1, (count, 90)).astype(np.float32) for count in (30, 20))
    y = random.integers(0, 3, 30)
    own, others = in_own_axes(X, queries)
    assert own.shape == (30, 30)
    expected = LinearSVC(C=0.01, tol=1e-9, max_iter=100_000).fit(X, y).decision_function(queries)
    found = LinearSVC(C=0.01, tol=1e-9, max_iter=100_000).fit(own, y).decision_function(others)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert in_own_axes(X[:, :5], queries[:, :5])[0].shape == (30, 5)


@pytest.fixture
def small_study(tmp_path):
    """The shipped study with a preset that takes seconds."""
    content = yaml.safe_load((STUDIES / "moving-mnist.yaml").read_text("utf-8"))
    demo = content["presets"]["demo"]
    demo |= {"test_clips": 20, "probe": {"train": 60, "test": 20, "Cs": [1e-3]}}
    for recipe in demo["recipes"].values():
        recipe |= {"clips": 64, "batch_size": 8}
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    return path


def test_the_command_on_synthetic_clips(tmp_path, small_study, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["--preset", "demo", "--study", str(small_study), "--device", "cpu"]
    made = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert made.exit_code == 0
    stem = Path("results/video/demo/moving-mnist")
    content = read_sealed(stem.with_suffix(".json"))
    assert content["stand_in"] is True
    systems = {system["name"]: system for system in content["prediction"]["systems"]}
    assert set(systems) == {"dcgan", "l2", "copy", "black"}
    assert systems["dcgan"]["parameters"] == systems["l2"]["parameters"] > 0
    assert systems["dcgan"]["ssim"]["value"] == pytest.approx(np.mean(systems["dcgan"]["by_frame"]["ssim"]))
    page = stem.with_suffix(".md").read_text("utf-8")
    assert "made-up images" in page
    assert "published" not in page.split("## What moves")[0].split("Published:")[0]
    with Image.open(stem.with_suffix(".gif")) as animation:
        assert getattr(animation, "n_frames", 1) == 10
    assert stem.with_suffix(".png").stat().st_size > 10_000
    before = stem.with_suffix(".json").read_bytes()
    again = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "measured already" in again.output
    assert stem.with_suffix(".json").read_bytes() == before
    damaged = json.loads(before)
    damaged["prediction"]["clips"] = 21
    stem.with_suffix(".json").write_text(json.dumps(damaged), "utf-8")
    with pytest.raises(InputError, match=r"moving-mnist\.json"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_studies_are_checked(tmp_path, small_study):
    shipped = load_study("moving-mnist")
    assert shipped.preset(None)[0] == "default"
    with pytest.raises(InputError, match="preset"):
        shipped.preset("defalt")
    content = yaml.safe_load(small_study.read_text("utf-8"))
    del content["presets"]["demo"]["recipes"]["l2"]
    (tmp_path / "less.yaml").write_text(yaml.safe_dump(content), "utf-8")
    with pytest.raises(InputError, match="recipes are needed for dcgan, l2, frames"):
        load_study(tmp_path / "less.yaml")
    content["presetz"] = {}
    (tmp_path / "odd.yaml").write_text(yaml.safe_dump(content), "utf-8")
    with pytest.raises(InputError, match="presetz"):
        load_study(tmp_path / "odd.yaml")
