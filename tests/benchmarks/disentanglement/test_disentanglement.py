import csv
import json
import sys

import numpy as np
import pytest
import yaml

from dcgan_features.benchmarks.disentanglement.__main__ import app
from dcgan_features.benchmarks.disentanglement.measuring import by_value, explained
from dcgan_features.benchmarks.disentanglement.results import mean_interval, read_result
from dcgan_features.benchmarks.disentanglement.settings import read_settings
from dcgan_features.data.utils.cli import run
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_sealed

TINY = {
    "training_images": 120,
    "test_images": 100,
    "latent_sizes": [6],
    "latents": ["uniform", "normal"],
    "seeds": [0, 1],
    "training": {"network": "svhn-32-narrow-spectral", "images": 64, "precision": "fp32"},
    "encoder_samples": 128,
    "encoder_epochs": 1,
    "votes": 20,
    "votes_images": 8,
    "forest": 2,
    "inverted": 12,
    "inversion_steps": 3,
    "pairs": 12,
    "walks": 2,
}


def command(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["disentanglement", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        run(app)
    return ended.value.code, capsys.readouterr()


def test_the_study_from_end_to_end_and_again(tmp_path, monkeypatch, capsys):
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump({**TINY, "latents": ["normal"]}), encoding="utf-8")
    given = ("--settings", settings, "--work", tmp_path / "work", "--results", tmp_path / "results")
    one = "z6-normal-seed1"
    code, said = command(monkeypatch, capsys, *given, "--only", one)
    assert code == 0, said.err
    first = read_sealed(tmp_path / "results" / "latent-measures" / f"{one}.json")
    code, said = command(monkeypatch, capsys, *given)
    assert code == 0, said.err
    assert "1 of 2 are measured already" in said.out
    assert read_sealed(tmp_path / "results" / "latent-measures" / f"{one}.json") == first

    with open(tmp_path / "results" / "latent-measures.csv", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    own = [
        read_sealed(tmp_path / "results" / "latent-measures" / f"z6-normal-seed{seed}.json")["measured"]["paths"]
        for seed in (0, 1)
    ]
    line = next(line for line in lines if line["latent_size"] == "6" and line["measure"] == "perceptual path length")
    assert float(line["mean"]) == pytest.approx(np.mean([found["perceptual path length"] for found in own]))
    assert line["seeds"] == "2"
    page = (tmp_path / "results" / "latent-measures.md").read_text(encoding="utf-8")
    assert "stand-in" in page.splitlines()[0]
    assert "2 of 2 GANs" in page
    assert page.count("| principal components |") == 1
    for name in ("latent-measures.png", "latent-measures-samples.png", "latent-measures-worst.png"):
        assert (tmp_path / "results" / name).stat().st_size > 5_000

    settings.write_text(yaml.safe_dump({**TINY, "latents": ["normal"], "votes": 21}), encoding="utf-8")
    code, said = command(monkeypatch, capsys, *given)
    assert code == 2
    assert "other settings" in said.err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latent_size": [3]}, "did you mean 'latent_sizes'"),
        ({"latents": ["round"]}, "uniform"),
        ({"seeds": [0, 0]}, "twice"),
        ({"training": {"imagess": 3}}, "did you mean 'images'"),
        ({"test_images": 3}, "test_images"),
    ],
)
def test_wrong_settings_are_one_sentence(tmp_path, changes, message):
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump({**TINY, **changes}), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_settings(path)


def test_names_and_reports_that_there_are_not(tmp_path, monkeypatch, capsys):
    code, said = command(monkeypatch, capsys, "--demo", "--only", "z6", "--results", tmp_path)
    assert code == 2
    assert "unknown GAN 'z6'" in said.err
    code, said = command(monkeypatch, capsys, "--report", "--results", tmp_path)
    assert code == 2
    assert "nothing of the study is measured" in said.err


def test_a_damaged_result_is_refused(tmp_path):
    settings = read_settings(None)
    path = tmp_path / "latent-measures" / "z10-uniform-seed0.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"identity": "x"}), encoding="utf-8")
    with pytest.raises(InputError, match="damaged"):
        read_result(tmp_path, settings, settings.runs()[0])


def test_every_latent_space_comes_once_before_any_comes_twice():
    runs = read_settings(None).runs()
    assert len(runs) == 24
    assert len({(run.latent_size, run.latent) for run in runs[:8]}) == 8
    assert {run.seed for run in runs[:8]} == {0}
    recipe = read_settings(None).recipe(runs[-1])
    assert (recipe.spec.latent_size, recipe.spec.latent, recipe.seed) == (200, "normal", 2)


def test_explained_is_epsilon_squared_by_hand_and_zero_for_chance():
    errors, column = np.array([1.0, 2, 3, 5, 6, 7]), np.array([0, 0, 0, 1, 1, 1])
    # Within: 2 + 2; total: 28; 1 - (4 / 4) / (28 / 5).
    assert explained(errors, column) == pytest.approx(1 - 1 / 5.6)
    random = np.random.default_rng(0)
    chance = [explained(random.normal(size=60), random.integers(0, 5, 60)) for _ in range(400)]
    assert abs(np.mean(chance)) < 3 * np.std(chance) / 20
    assert explained(np.ones(6), column) == 0
    assert by_value(errors, column, 3) == [2.0, 6.0, None]


def test_intervals_are_students():
    mean, low, high = mean_interval([1.0, 2.0, 4.0])
    half = 4.302653 * np.std([1, 2, 4], ddof=1) / np.sqrt(3)  # the 97.5% point of t with two degrees of freedom
    assert (mean, low, high) == (pytest.approx(7 / 3), pytest.approx(7 / 3 - half), pytest.approx(7 / 3 + half))
    assert mean_interval([2.0]) == (2.0, None, None)
