"""Memorisation: planted copies are found, independent draws and smooth samples are not copies."""

import json

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score

from dcgan_features.benchmarks.memorisation import study as memory_study
from dcgan_features.benchmarks.memorisation.__main__ import app
from dcgan_features.benchmarks.memorisation.study import (
    Found,
    Space,
    common,
    compare_found,
    neighbours,
    plant,
    probability_below,
)
from dcgan_features.data.utils.hashing import array_digest
from dcgan_features.gan.networks import Discriminator, Generator
from dcgan_features.gan.weights_file import save_weights
from tests.gan.tiny import TINY

PIXELS = Space("pixels", lambda block: block)


def pictures(count, seed, size=8):
    """Smooth patterns: draws of one distribution in which neighbours are of some use."""
    noise = np.random.default_rng(seed).normal(0, 1, (count, size, size, 3))
    return np.clip(128 + 160 * gaussian_filter(noise, (0, 1.5, 1.5, 0)), 0, 255).astype(np.uint8)


def found_in(training, *sets):
    return neighbours(PIXELS, list(sets), training, torch.device("cpu"), lambda count: None)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(memory_study, "RESAMPLES", 300)


def test_neighbours_are_those_of_brute_force(monkeypatch):
    monkeypatch.setattr(memory_study, "REFERENCE_BLOCK", 7)
    training, queries = pictures(40, 0), pictures(9, 1)
    told: list[float] = []
    (first, second) = neighbours(PIXELS, [queries[:4], queries[4:]], training, torch.device("cpu"), told.append)
    differences = queries[:, None].astype(float) - training[None]
    distances = np.sqrt((differences**2).sum((2, 3, 4)))
    expected = np.sort(distances, 1)
    np.testing.assert_allclose(np.concatenate([first.first, second.first]), expected[:, 0])
    np.testing.assert_allclose(np.concatenate([first.ratio, second.ratio]), expected[:, 0] / expected[:, 1])
    assert np.concatenate([first.index, second.index]).tolist() == distances.argmin(1).tolist()
    assert sum(told) == 40


def test_probability_is_the_area_under_the_roc_curve():
    random = np.random.default_rng(0)
    ours, theirs = random.integers(0, 6, 50), random.integers(1, 8, 70)
    counts = [np.bincount(values, minlength=8) for values in (ours, theirs)]
    area = roc_auc_score([0] * 50 + [1] * 70, [*ours, *theirs])
    assert probability_below(*counts) == pytest.approx(area)


def test_figures_by_hand():
    """Four samples beside four held-out images; the lowest ratio of the latter, 0.5, is the threshold."""
    ones = np.ones(4)
    samples = Found(np.array([1.0, 2, 3, 10]), np.array([10.0, 4, 3, 10]), np.arange(4))  # ratios 0.1, 0.5, 1, 1
    held_out = Found(np.array([2.0, 4, 6, 8]), np.array([4.0, 5, 6, 8]), np.arange(4))  # ratios 0.5, 0.8, 1, 1
    result = compare_found(samples, held_out)
    assert result.nearer.value == (4 + 3.5 + 3 + 0) / 16
    assert result.nearer_ratio.value == (4 + 3.5 + 1 + 1) / 16
    assert result.copies.value == 25
    assert result.median.value == 2 / 4
    assert Found(0 * ones, 0 * ones, np.arange(4)).ratio.tolist() == [0] * 4  # a copy of two equal training images


def test_intervals_of_independent_draws_cover_what_is_expected():
    """95% intervals: of 20 draws about one misses, and hardly ever more than four."""
    training = pictures(1000, 0)
    found = found_in(training, *(pictures(300, 1 + draw) for draw in range(40)))
    results = [
        compare_found(ours, theirs, seed)
        for seed, (ours, theirs) in enumerate(zip(found[:20], found[20:], strict=True))
    ]
    for name in ("nearer", "nearer_ratio"):
        assert sum(getattr(result, name).low < 0.5 < getattr(result, name).high for result in results) >= 16
    assert sum(result.median.low < 1 < result.median.high for result in results) >= 16
    assert sum(result.copied for result in results) <= 1


def test_planted_copies_show():
    training = pictures(1500, 0)
    copies = plant(training, 40, 0)
    samples, held_out, planted = found_in(training, pictures(800, 1), pictures(800, 2), copies)
    assert not compare_found(samples, held_out).copied
    with_copies = compare_found(samples.with_replaced(np.arange(40), planted), held_out)
    assert with_copies.copied
    assert with_copies.copies.low <= 5 <= with_copies.copies.high


def test_smooth_samples_are_near_to_everything_and_no_copies():
    training = pictures(1500, 0)
    blurred = gaussian_filter(pictures(800, 1).astype(float), (0, 2, 2, 0)).astype(np.uint8)
    samples, held_out = found_in(training, blurred, pictures(800, 2))
    result = compare_found(samples, held_out)
    assert result.nearer.low > 0.9
    assert result.median.high < 0.9
    assert not result.copied


def test_planted_images_are_training_images_under_faint_noise():
    training = pictures(50, 0)
    planted = plant(training, 10, 3)
    distances = np.abs(planted[:, None].astype(float) - training[None]).mean((2, 3, 4))
    assert distances.min(1).max() < memory_study.NOISE
    assert len(set(distances.argmin(1))) == 10
    assert common(training[:5], training) == 5
    assert common(planted, training) == 0


@pytest.fixture
def trained(tmp_path):
    """Weights that say they were trained on train.npy, and images beside it."""
    training = pictures(300, 0)
    np.save(tmp_path / "train.npy", training)
    np.save(tmp_path / "other.npy", pictures(600, 1))
    np.save(tmp_path / "mixed.npy", np.concatenate([training[:20], pictures(580, 1)]))
    data = {"digest": array_digest(training), "description": "train (300 images)"}
    save_weights(tmp_path / "net", Discriminator(TINY), Generator(TINY), {"data": data})
    return tmp_path


def test_command(cli, trained):
    code, out, err = cli(
        trained / "net", "--data", trained / "train.npy", "--held-out", trained / "other.npy", "--samples", "500",
        "--device", "cpu", "--name", "tiny", app=app, folders=["--results", str(trained / "results")],
    )  # fmt: skip
    assert (code, "error" in err) == (0, False)
    stem = trained / "results" / "memory-tiny"
    content = json.loads(stem.with_suffix(".json").read_text())
    page = stem.with_suffix(".md").read_text()
    assert content["conclusion"] in out
    assert content["conclusion"] in page
    assert content["training_images"] == 300
    assert list(content["spaces"]) == ["pixels", "discriminator", "untrained"]
    planted = content["spaces"]["pixels"]["planted"]["copies"]["value"]
    assert planted >= content["spaces"]["pixels"]["comparison"]["copies"]["value"] + 4
    for name in ("memory-tiny.png", "memory-tiny-pairs.png"):
        assert (trained / "results" / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "train.npy"], "no image is left to compare its samples with"),
        (["--data", "other.npy"], "was trained on train (300 images), not on other"),
        (["--data", "train.npy", "--held-out", "mixed.npy"], "20 of the images of mixed are among the training images"),
        (["--data", "train.npy", "--held-out", "train.npy"], "300 held-out images are too few"),
    ],
)
def test_what_cannot_be_measured_is_refused(cli, trained, monkeypatch, arguments, message):
    monkeypatch.chdir(trained)
    code, _, err = cli(
        trained / "net", *arguments, "--device", "cpu", app=app, folders=["--results", str(trained / "results")]
    )
    assert code == 2
    assert message in err
    assert not (trained / "results" / "memory-net.json").exists()
