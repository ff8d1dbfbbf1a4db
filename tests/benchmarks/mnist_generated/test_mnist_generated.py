"""`python -m benchmarks.mnist_generated`: errors on toy sets by hand, choices, resuming, and the files."""

import csv
import json
from typing import Any

import filelock
import numpy as np
import pytest
import torch
import yaml

from dcgan_features.benchmarks.mnist_generated import study as generated_study
from dcgan_features.benchmarks.mnist_generated.__main__ import app
from dcgan_features.benchmarks.mnist_generated.files import read_lines
from dcgan_features.benchmarks.mnist_generated.study import (
    choose,
    load_study,
    nearest_label,
    over_generated,
    real_images,
    train,
)
from dcgan_features.data.dataset import Dataset
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.random_streams import stream
from dcgan_features.gan.conditional.networks import CONDITIONAL_SPECS, ConditionalGenerator
from dcgan_features.gan.conditional.training import draw_classes, load_conditional_generator
from tests.gan.tiny_conditional import TINY, bars

CPU = torch.device("cpu")
TINY_RECIPE = {"network": TINY.name, "batch_size": 16, "precision": "fp32", "sample_every": None, "images": 320}
STUDY = {
    "name": "toy",
    "title": "Bars",
    "citation": "Nobody, 2020",
    "published_real_images": 100,
    "published_images_seen": 1000,
    "holdout": 30,
    "choose_with": 60,
    "seed": 0,
    "presets": {"quick": {"dataset": "bars", "generated": [50, 120], "deviations": "tiny"}},
    "systems": [
        {"name": "real", "title": "Real images", "published": {50: 3.1}},
        {
            "name": "toy-gan",
            "title": "Toy GAN",
            "published": {50: 6.5, 1000: 5.0},
            "recipes": {"quick": {**TINY_RECIPE, "snapshot_every": 160}},
        },
    ],
}


def bars_dataset():
    images, labels = bars(130)
    test_images, test_labels = bars(60, seed=1)
    test_labels[:6] = (test_labels[:6] + 1) % 3  # so that the control's error is 10% and no more
    return Dataset("bars", images, labels, test_images, test_labels, ("a", "b", "c"))


@pytest.fixture
def real():
    return real_images(bars_dataset(), 30, 0)


def test_the_shipped_study_is_the_table_of_the_paper():
    study = load_study("mnist-generated")
    published = {system.name: system.published for system in study.systems}
    assert published == {
        "real": {50_000: 3.1},
        "gan": {50_000: 6.28, 10_000_000: 5.65},
        "dcgan": {50_000: 2.98, 10_000_000: 1.48},
    }
    for system in study.systems[1:]:
        assert set(system.recipes) == set(study.presets)
        assert {recipe["network"] for recipe in system.recipes.values()} <= set(CONDITIONAL_SPECS)


def test_nearest_label_by_hand():
    images = np.array([0, 10, 200], np.uint8).reshape(3, 1, 1, 1)
    queries = np.array([3, 7, 90, 120], np.uint8).reshape(4, 1, 1, 1)
    found = nearest_label(queries, images, np.array([5, 6, 7]))
    assert found.labels.tolist() == [5, 6, 6, 7]
    assert found.distances.tolist() == [3, 3, 80, 80]


def test_choices_are_made_on_images_that_nothing_was_trained_on(real):
    assert len(real.held_out) == 30
    assert not set(real.held_out) & set(real.kept)
    assert set(real.held_out) | set(real.kept) == set(range(130))
    images, labels = real.training
    assert np.array_equal(images, real.all_images[real.kept])
    assert np.array_equal(labels, real.all_labels[real.kept])


def test_choose_takes_the_smallest_error_on_the_held_out_images(real, tmp_path):
    train({**TINY_RECIPE, "snapshot_every": 96}, real, tmp_path, CPU)
    said: list[Any] = []
    chosen = choose(tmp_path, real, 60, 0, CPU, said.append)
    assert len(chosen.errors) == len(said) == 8  # three snapshots and the end, normalised either way
    images_seen = {int(words.split(" ")[0]) for words in chosen.errors}
    assert images_seen == {96, 192, 288, 320}
    statistics = "statistics of each batch" if chosen.own_statistics else "running statistics"
    assert chosen.errors[f"{chosen.images_seen} images seen, {statistics}"] == min(chosen.errors.values())
    generator, about = load_conditional_generator(chosen.weights)
    assert about["images_seen"] == chosen.images_seen
    images, labels = draw_classes(generator, 60, stream(0, generated_study._CHOICE), chosen.own_statistics)
    distances = ((real.all_images[real.held_out][:, None].astype(float) - images[None]) ** 2).sum((2, 3, 4))
    error = 100 * (labels[distances.argmin(1)] != real.all_labels[real.held_out]).mean()
    assert error == pytest.approx(min(chosen.errors.values()), abs=1e-3)


def search(file, counts, identity="a", queries=None):
    queries = bars(20, seed=3)[0] if queries is None else queries
    generator = ConditionalGenerator(TINY, torch.Generator().manual_seed(0))
    return over_generated(generator, True, queries, counts, 0, file, identity, CPU), queries, generator


def test_search_in_blocks_is_that_of_all_images_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(generated_study, "BLOCK", 40)
    results, queries, generator = search(tmp_path / "a.npz", [30, 80, 130])
    found = {count: item for count, item, _ in results if item is not None}
    assert list(found) == [30, 80, 130]
    blocks = [draw_classes(generator, 40, stream(0, generated_study._MEASUREMENT, block)) for block in range(4)]
    images, labels = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    for count, item in found.items():
        distances = ((queries[:, None].astype(float) - images[None, :count]) ** 2).sum((2, 3, 4))
        np.testing.assert_allclose(item.distances, np.sqrt(distances.min(1)))
        assert item.labels.tolist() == labels[distances.argmin(1)].tolist()


def test_a_killed_search_goes_on_and_another_begins_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(generated_study, "BLOCK", 40)
    file = tmp_path / "a.npz"
    whole = [item for _, item, _ in search(tmp_path / "b.npz", [160])[0] if item is not None]
    steps = search(file, [160])[0]
    assert [next(steps)[0], next(steps)[0]] == [40, 80]
    del steps
    drawn: list[Any] = []
    study: Any = generated_study
    original = study.draw_classes

    def counted(*arguments):
        drawn.append(1)
        return original(*arguments)

    monkeypatch.setattr(generated_study, "draw_classes", counted)
    found = [item for _, item, _ in search(file, [160])[0] if item is not None]
    assert len(drawn) == 2
    assert np.array_equal(found[0].labels, whole[0].labels)
    assert np.array_equal(found[0].distances, whole[0].distances)
    assert [count for count, item, _ in search(file, [160])[0] if item is not None] == [160]
    assert len(drawn) == 2  # it was there
    file.write_bytes(file.read_bytes()[:100])
    list(search(file, [80])[0])
    list(search(file, [80], identity="b")[0])
    list(search(file, [40], identity="b")[0])
    assert len(drawn) == 2 + 2 + 2 + 1


@pytest.fixture
def toy(cli, tmp_path, monkeypatch):
    """Run the command on the toy study; returns (exit code, stdout, stderr)."""
    monkeypatch.setattr("dcgan_features.benchmarks.mnist_generated.run.load", lambda source, root: bars_dataset())
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(STUDY))
    return lambda *arguments: cli("--study", path, "--device", "cpu", *arguments, app=app)


def test_command(toy, tmp_path, real):
    code, out, err = toy()
    assert (code, "error:" in err) == (0, False)
    stem = tmp_path / "results" / "toy"
    with open(stem.with_suffix(".csv"), newline="") as file:
        lines = {(line["row"], int(line["images"])): line for line in csv.DictReader(file)}
    assert list(lines) == [("real", 100), ("real", 130), ("toy-gan", 50), ("toy-gan", 120)]
    assert float(lines["real", 100]["measured"]) == 10
    assert [line["published"] for line in lines.values()] == ["3.1", "", "6.5", ""]
    assert lines["toy-gan", 50]["real_images"] == "100"
    by_row = {(line["row"], line["images"]): line for line in read_lines(stem.with_suffix(".json"))}
    against = by_row["toy-gan", 120]["against_real"]
    assert against["difference"] == pytest.approx(by_row["toy-gan", 120]["measured"] - by_row["real", 100]["measured"])
    assert by_row["real", 100]["against_real"] is None
    assert by_row["real", 130]["deviations"] == "130 real images instead of 100"
    assert by_row["toy-gan", 50]["deviations"] == "320 images seen in training instead of 1,000; tiny"
    page = stem.with_suffix(".md").read_text()
    assert "| Toy GAN | 1,000 |  | 5.00 | not measured |" in page
    assert stem.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    # Again: nothing is trained or searched.
    before = json.loads(stem.with_suffix(".json").read_text())["lines"]
    code, out, _ = toy()
    assert code == 0
    assert "Toy GAN, 120 images" not in out
    after = json.loads(stem.with_suffix(".json").read_text())["lines"]
    assert [line["measured"] for line in after] == [line["measured"] for line in before]
    # And one number more: only that.
    _, out, _ = toy("--generated", "90")
    assert "Toy GAN, 90 images" in out
    assert "Toy GAN, 120 images" not in out
    assert len(read_lines(stem.with_suffix(".json"))) == 5
    with filelock.FileLock(tmp_path / "results" / ".toy.lock"):
        code, _, err = toy()
    assert code == 2
    assert "another process measures toy" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "quik"], "unknown preset 'quik' in the study toy: did you mean 'quick'"),
        (["--only", "dcgan"], "unknown system 'dcgan'"),
    ],
)
def test_wrong_names_are_refused(toy, arguments, message):
    code, _, err = toy(*arguments)
    assert code == 2
    assert message in err


def test_wrong_studies_are_refused(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(yaml.safe_dump({**STUDY, "holdot": 3}))
    with pytest.raises(InputError, match=r"did you mean 'holdout'"):
        load_study(path)
    path.write_text(yaml.safe_dump({**STUDY, "holdout": 0}))
    with pytest.raises(InputError, match=r"holdout: input should be greater than or equal to 1"):
        load_study(path)
    with pytest.raises(InputError, match="did you mean 'mnist-generated'"):
        load_study("mnist-genrated")
