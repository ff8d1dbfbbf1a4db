"""Training in two precisions, compared on a tiny network."""

import json
import sys

import numpy as np
import pytest

from dcgan_features import data
from dcgan_features.benchmarks.precision import study as precision
from dcgan_features.benchmarks.precision.__main__ import app
from dcgan_features.benchmarks.precision.study import (
    ACCURACY,
    agreement,
    chance_apart,
    compare,
    curve_agreement,
    losses,
)
from dcgan_features.data.dataset import Dataset
from dcgan_features.data.utils.cli import run
from dcgan_features.features import DiscriminatorFeatures
from dcgan_features.gan.training.dcgan import Run
from dcgan_features.gan.training.recipe import make_recipe
from tests.gan.tiny import DATA, TINY, tiny_images, tiny_recipe


def call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["precision.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        run(app)
    return ended.value.code


def test_agreement_is_a_distance_within_the_spread_of_the_first():
    found = agreement([1.0, 2.0, 3.0], [4.0, 4.0, 4.0])
    assert found == {"fp32": 2.0, "bf16": 4.0, "distance": 2.0, "spread": 2.0, "agrees": True}
    assert not agreement([1.0, 2.0, 3.0], [4.1, 4.1, 4.1])["agrees"]
    assert not agreement([2.0, 2.0], [2.5, 1.0])["agrees"]


def test_a_curve_is_compared_over_all_its_parts():
    plain = [[1.0, 2.0, 3.0], [1.0, 4.0, 3.0]]  # the mean is 1, 3, 3; the two are sqrt(4 / 3) apart
    found = curve_agreement(plain, [[1.0, 3.0, 5.0], [1.0, 3.0, 4.0]])
    by_hand = {"fp32": 7 / 3, "bf16": 17 / 6, "distance": (1.5**2 / 3) ** 0.5, "spread": (4 / 3) ** 0.5}
    assert {key: found[key] for key in by_hand} == pytest.approx(by_hand)
    assert found["agrees"]
    assert not curve_agreement(plain, [[1.0, 3.0, 5.1]] * 2)["agrees"]


def test_two_seeds_are_close_to_each_other_by_chance():
    """The distance has the variance s^2, the seeds' difference 2 s^2: P(|d| > |r|) = 2 atan(1 / sqrt 2) / pi."""
    assert chance_apart(2) == pytest.approx(2 * np.arctan(1 / np.sqrt(2)) / np.pi, abs=0.01)
    assert chance_apart(2) > chance_apart(3) > chance_apart(6)


def test_curves_and_the_accuracy_decide_and_single_figures_are_listed():
    def run(value):
        parts = {f"loss {name}, part {part} of 2": value * part for name in precision.LOSSES for part in (1, 2)}
        return {**parts, ACCURACY: 10 * value}

    whole, single = compare({"fp32": [run(1.0), run(2.0)], "bf16": [run(3.0), run(3.0)]})
    assert list(whole) == [*(f"loss {name}, as a curve" for name in precision.LOSSES), ACCURACY]
    assert len(single) == 7
    assert not any(found["agrees"] for found in (*whole.values(), *single.values()))
    assert whole["loss fake, as a curve"]["distance"] == pytest.approx((1.5**2 * (1 + 4) / 2) ** 0.5)


def test_losses_are_averaged_over_parts_of_the_training(tmp_path):
    run = Run(tiny_recipe(images=16 * 40, log_every=1), tiny_images(), tmp_path, DATA)
    step, seen = run.training.step, []

    def noted():
        found = step()
        seen.append(None if found.real is None else float(found.real))
        return found

    run.training.step = noted  # type: ignore[method-assign]
    run.finish()
    found = losses(tmp_path, 40)
    assert len(found) == 30
    third = [value for value in seen[8:12] if value is not None]
    assert len(third) == 2
    assert found["loss real, part 3 of 10"] == pytest.approx(np.mean(third), rel=1e-5)


@pytest.fixture
def tiny_data(monkeypatch):
    images, labels = tiny_images(80), np.arange(80) % 4
    images[labels == 1] //= 2
    dataset = Dataset("made-up", images, labels, images[:40], labels[:40], tuple("abcd"), stand_in=True)
    monkeypatch.setattr(data, "load", lambda source: dataset)
    monkeypatch.setattr(precision, "CS", (0.1, 1.0))
    begin = DiscriminatorFeatures.__init__
    monkeypatch.setattr(
        "dcgan_features.benchmarks.precision.study.make_recipe",
        lambda settings: make_recipe({**settings, "batch_size": 16}),
    )
    monkeypatch.setattr(DiscriminatorFeatures, "__init__", small_grid(begin))


def small_grid(begin):
    def begun(self, *arguments, **settings):
        begin(self, *arguments, **{**settings, "grid": 2})

    return begun


def test_the_command_trains_either_way_and_compares(tmp_path, monkeypatch, capsys, tiny_data):
    places = ["--store", tmp_path / "runs", "--results", tmp_path / "results", "--device", "cpu"]
    arguments = ["--network", TINY.name, "--images", 16 * 40, "--seeds", 2, *places]
    assert call(monkeypatch, *arguments) == 0
    measured = json.loads((tmp_path / "results" / "precision.json").read_text())
    assert {key: len(runs) for key, runs in measured["runs"].items()} == {"fp32": 2, "bf16": 2}
    assert len(measured["compared"]) == 4
    assert len(measured["single"]) == 31
    first, second = (run[ACCURACY] for run in measured["runs"]["fp32"])
    assert measured["compared"][ACCURACY]["fp32"] == pytest.approx((first + second) / 2)
    name = "loss fake, part 10 of 10"
    values = [run[name] for runs in measured["runs"].values() for run in runs]
    assert len(set(values)) == 4  # of four runs, each of its own seed and precision
    assert measured["single"][name]["distance"] < 0.2
    page = (tmp_path / "results" / "precision.md").read_text()
    assert page.startswith("# Training in bfloat16 and in float32 (stand-in)")
    capsys.readouterr()
    assert call(monkeypatch, *arguments) == 0  # the runs are there
    assert json.loads((tmp_path / "results" / "precision.json").read_text())["runs"] == measured["runs"]


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["--network", "paper"], "unknown network 'paper'"),
    (["--images", "100"], "fewer than 20 minibatches; give 2560"),
])  # fmt: skip
def test_bad_options(monkeypatch, capsys, arguments, sentence):
    assert call(monkeypatch, *arguments) == 2
    assert sentence in capsys.readouterr().err
