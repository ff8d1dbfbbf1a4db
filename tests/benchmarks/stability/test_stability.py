"""The study from its YAML to its page, on synthetic images."""

import sys

import pytest
import yaml
from PIL import Image

from dcgan_features.benchmarks.config.schema import DatasetChoice
from dcgan_features.benchmarks.config.studies import STUDIES
from dcgan_features.benchmarks.stability import trial as trials
from dcgan_features.benchmarks.stability.__main__ import app
from dcgan_features.benchmarks.stability.study import load_stability
from dcgan_features.benchmarks.stability.trial import Material, measure_trial, probe, read_trial, trial_key
from dcgan_features.data.utils.cli import run
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_yaml
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.spec import SPECS
from dcgan_features.gan.weights_file import save_weights
from tests.gan.tiny import cut_off_at

DEMO = STUDIES / "stability-demo.yaml"


def small(tmp_path, **changes):
    """The demonstration's study with fewer images and one seed, as a file."""
    content = read_yaml(DEMO, "study")
    content |= {"name": "small", "readings": 4, "snapshots": 4, "seeds": 1, "choosing": 0, "unlabelled": 256}
    content["dataset"] = {"source": "stand-in", "n_train": 420, "n_test": 10}
    content["recipe"]["images"] = 512
    content["probe"] |= {"per_class": 10, "evaluated": 128, "statistics": 64}
    content |= changes
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    def call_with(study, *arguments):
        options = ["--study", str(study), "--results", str(tmp_path / "results"), "--store", str(tmp_path / "store")]
        monkeypatch.setattr(sys, "argv", ["benchmarks.stability", *options, *arguments])
        with pytest.raises(SystemExit) as raised:
            run(app)
        captured = capsys.readouterr()
        return raised.value.code, captured.out, captured.err

    return call_with


def test_from_a_study_to_its_page(call, tmp_path, monkeypatch):
    study = small(tmp_path)
    code, out, err = call(study)
    assert code == 0, err
    results = tmp_path / "results"
    assert sorted(path.name for path in (results / "small").glob("*.json")) == [
        "bare-0.json", "bare-spectral-0.json", "healthy-0.json",
    ]  # fmt: skip
    page = (results / "small.md").read_text()
    assert "made-up images" in page
    assert page.count("| healthy |") == 1
    assert "spectral normalisation: " in out
    assert len((results / "small.csv").read_text().splitlines()) == 4
    for name in ("small.png", "small-warnings.png"):
        with Image.open(results / "figures" / name) as picture:
            assert picture.width > 300
    assert not list((tmp_path / "store" / "small").iterdir())
    found = read_trial(results / "small" / "healthy-0.json")
    assert [score.images for score in found.scores] == [0, 128, 256, 384, 512]
    assert [reading.images for reading in found.readings] == [0, 128, 256, 384, 512]
    assert all(len(score.accuracies) == 2 for score in found.scores)
    monkeypatch.setattr(trials, "Run", None)  # what is measured is kept
    assert call(study)[0] == 0
    (results / "small" / "bare-0.json").write_text("{}")
    code, _, err = call(study)
    assert code == 2
    assert "bare-0.json" in err


def test_a_run_that_was_cut_off_goes_on(tmp_path, monkeypatch):
    study = load_stability(str(small(tmp_path, recipe={**read_yaml(DEMO, "study")["recipe"], "images": 512,
                                                       "checkpoint_every": 4})))  # fmt: skip
    material = Material.of(study, None)
    healthy = study.condition("healthy")
    whole = measure_trial(study, healthy, 0, material, tmp_path / "whole.json", tmp_path / "store")
    with cut_off_at(monkeypatch, 10):
        measure_trial(study, healthy, 0, material, tmp_path / "cut.json", tmp_path / "store")
    cut = measure_trial(study, healthy, 0, material, tmp_path / "cut.json", tmp_path / "store")
    assert cut.scores == whole.scores
    assert cut.readings == whole.readings


def test_the_probe_knows_more_than_chance_and_nothing_of_a_broken_network(tmp_path):
    study = load_stability(str(small(tmp_path)))
    material = Material.of(study, None)
    network = Discriminator(SPECS["svhn-32-narrow"])
    path = save_weights(tmp_path / "weights", network, None, {})
    accuracies = probe(path, study.probe, material)
    assert len(accuracies) == 2
    assert min(accuracies) > 20
    for parameter in network.parameters():
        parameter.data.fill_(float("nan"))
    path = save_weights(tmp_path / "broken", network, None, {})
    assert probe(path, study.probe, material) == [10.0, 10.0]


def test_what_decides_a_run_is_in_its_key(tmp_path):
    study = load_stability(str(small(tmp_path)))
    material = Material.of(study, None)
    healthy, bare = study.condition("healthy"), study.condition("bare")
    keys = {
        trial_key(study, healthy, 0, material),
        trial_key(study, healthy, 1, material),
        trial_key(study, bare, 0, material),
        trial_key(study, healthy.model_copy(update={"unlabelled": 64}), 0, material),
        trial_key(study.model_copy(update={"readings": 8}), healthy, 0, material),
    }
    assert len(keys) == 5
    renamed = healthy.model_copy(update={"title": "in good health"})
    assert trial_key(study, renamed, 0, material) in keys


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"readings": 5}, "512 images are not 5 times a number of whole minibatches of 32; change 'images' or 'readings'"),
    ({"conditions": [{"name": "ill", "title": "ill"}]}, "no condition is named 'healthy'"),
    ({"conditions": [{"name": "healthy", "title": "a", "recipe": {"losss": "hinge"}}]}, "did you mean 'loss'"),
    ({"conditions": [{"name": "healthy", "title": "a"}, {"name": "b", "title": "b", "of": "helthy"}]},
     "unknown condition 'helthy'"),
    ({"conditions": [{"name": "healthy", "title": "a"}, {"name": "healthy", "title": "b"}]},
     "two conditions are named"),
    ({"colour": "red"}, "unknown key 'colour'"),
])  # fmt: skip
def test_a_study_that_is_wrong_is_one_sentence(call, tmp_path, changes, sentence):
    code, _, err = call(small(tmp_path, **changes))
    assert code == 2
    assert sentence in err
    assert err.count("\n") == 1


def test_too_few_images_and_unknown_names_are_one_sentence(call, tmp_path):
    assert "has 420 training images; lower 'unlabelled' or 'evaluated'" in call(small(tmp_path, unlabelled=400))[2]
    assert "unknown condition 'bar'" in call(small(tmp_path), "--only", "bar")[2]
    assert "unknown study 'stabilty'" in call("stabilty")[2]


def test_shipped_studies_are_sound():
    for name in ("stability", "stability-demo"):
        study = load_stability(name)
        assert sum(condition.kind is not None and condition.of is None for condition in study.conditions) >= 1
        assert study.choosing < study.seeds
        assert isinstance(study.dataset, DatasetChoice)
    with pytest.raises(InputError, match="unknown study"):
        load_stability("none")
