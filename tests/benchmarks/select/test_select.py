import json
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from sklearn.svm import LinearSVC
from typer.testing import CliRunner

from dcgan_features.benchmarks.config.components import find
from dcgan_features.benchmarks.config.schema import Component
from dcgan_features.benchmarks.config.studies import STUDIES
from dcgan_features.benchmarks.select.__main__ import app
from dcgan_features.benchmarks.select.blocks import Sources, gram, of_draw
from dcgan_features.benchmarks.select.measure import fit_on_gram, split_images
from dcgan_features.benchmarks.select.study import Block, ExtractorStudy, load_selection
from dcgan_features.data.utils.errors import InputError
from dcgan_features.features import RandomDiscriminator, SecondOrderFeatures

EXTRACTOR: dict[str, Any] = {
    "class": "SecondOrderFeatures",
    "network": {"class": "RandomDiscriminator", "network": "svhn-32"},
    "layers": [1, 2],
    "rank": [6, 4],
    "cells": [2, 1],
    "normalisation": "none",
    "first_order": True,
    "n_images": 50,
}


def view(down):
    return {"extractor": {**EXTRACTOR, "shifts": [[down, down]], "flip": False}}


@pytest.fixture
def study_file(tmp_path):
    content = {
        "name": "tiny",
        "title": "A tiny selection",
        "dataset": {"source": "stand-in", "n_train": 400, "n_test": 10},
        "per_class": 10,
        "draws": 2,
        "pool": 15,
        "evaluated": 80,
        "seed": 0,
        "Cs": [0.1, 1.0],
        "sources": {"here": view(0), "moved": view(2)},
        "candidates": [
            {"name": "base", "title": "Maxima", "blocks": [{"sources": ["here"]}]},
            {
                "name": "both",
                "title": "Both",
                "blocks": [{"sources": ["here"]}, {"sources": ["here", "moved"], "layer": 1, "rank": 4, "weight": 2}],
                "against": "base",
            },
        ],
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(content))
    return path, content


def test_the_command_writes_tables_that_agree_with_their_predictions(study_file, tmp_path):
    path, _ = study_file
    arguments = [str(path), "--store", str(tmp_path / "store"), "--results", str(tmp_path)]
    outcome = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert outcome.exit_code == 0
    found = json.loads((tmp_path / "select-tiny.json").read_text())
    base, both = found["candidates"]
    assert base["features"] == (64 + 128 + 256) * 16
    assert both["features"] == base["features"] + 4 * 10
    assert both["against"]["difference"] == pytest.approx(both["accuracy"] - base["accuracy"])
    assert base["accuracy"] == pytest.approx(max(base["by_C"].values())) == pytest.approx(np.mean(base["scores"]))
    text = (tmp_path / "select-tiny.md").read_text()
    assert f"| Both | {both['features']:,} | {both['accuracy']:.2f} |" in text
    assert both["against"]["verdict"] in text


def test_a_selection_that_was_killed_goes_on_at_the_next_candidate(study_file, tmp_path, monkeypatch):
    path, _ = study_file
    arguments = [str(path), "--store", str(tmp_path / "store"), "--results", str(tmp_path)]
    asked = []

    def fit(products, labels, Cs):
        asked.append(len(labels))
        if len(asked) == 3:  # the second candidate's first draw
            raise KeyboardInterrupt
        return fit_on_gram(products, labels, Cs)

    monkeypatch.setattr("dcgan_features.benchmarks.select.measure.fit_on_gram", fit)
    CliRunner().invoke(app, arguments)
    assert len(asked) == 3
    outcome = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert outcome.exit_code == 0
    assert len(asked) == 5  # two draws of the second candidate, none of the first
    first = (tmp_path / "select-tiny.md").read_bytes()
    damaged = next((tmp_path / "store" / "selections").iterdir())
    damaged.write_bytes(damaged.read_bytes()[:-20])
    CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert len(asked) == 7  # one candidate's again
    assert (tmp_path / "select-tiny.md").read_bytes() == first


def raw_sources(images, **settings):
    made = {}
    for name, down in (("here", 0), ("moved", 2)):
        options = {key: value for key, value in EXTRACTOR.items() if key not in ("class", "network")} | settings
        made[name] = SecondOrderFeatures(
            RandomDiscriminator("svhn-32"), **options, flip=False, shifts=[(down, down)], dtype="float32"
        ).fit(images)
    return Sources(made, {name: torch.as_tensor(own.transform(images)) for name, own in made.items()})


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (60, 8, 8, 3)).repeat(4, axis=1).repeat(4, axis=2)
    return np.clip(coarse + random.normal(0, 20, coarse.shape), 0, 255).astype(np.uint8)


def test_blocks_are_the_features_that_an_extractor_of_their_own_makes(images):
    sources, rows = raw_sources(images), np.arange(60)
    whole = SecondOrderFeatures(
        RandomDiscriminator("svhn-32"), layers=[1], rank=4, cells=2, flip=False, shifts=[(0, 0), (2, 2)], n_images=50,
        dtype="float32",
    ).fit(images)  # fmt: skip
    made = sources.block(Block(sources=["here", "moved"], layer=1, rank=4), rows)
    np.testing.assert_allclose(made, whole.transform(images), atol=2e-3)
    one_cell = whole.set_params(cells=1).fit(images)
    made = sources.block(Block(sources=["here", "moved"], layer=1, rank=4, whole=True), rows)
    np.testing.assert_allclose(made, one_cell.transform(images), atol=2e-3)


def test_unsuitable_blocks(images):
    sources, rows = raw_sources(images, first_order=False), np.arange(3)
    for block, message in [
        (Block(sources=["here"], layer=0), "has the layers 1, 2, not 0"),
        (Block(sources=["here"], layer=2, rank=5), "has 4 directions of layer 2, not 5"),
        (Block(sources=["here"]), "has no maxima"),
    ]:
        with pytest.raises(InputError, match=message):
            sources.block(block, rows)


def test_products_are_of_features_centred_on_the_labelled_rows(images):
    sources, labelled, others = raw_sources(images), np.arange(0, 60, 2), np.arange(1, 60, 2)
    block = Block(sources=["here"], layer=2)
    features = sources.block(block, np.arange(60)).double().numpy()
    features -= features[labelled].mean(0)
    expected = features[np.concatenate([labelled, others])] @ features[labelled].T
    expected *= len(labelled) / np.trace(expected[: len(labelled)])
    pool = np.arange(0, 60)[np.arange(60) % 4 < 3]  # the labelled rows and some more
    made = of_draw(gram(sources, block, pool), pool, labelled, others)
    np.testing.assert_allclose(made, expected, atol=1e-4)


def test_a_fit_on_products_is_the_svm_on_the_features():
    random = np.random.default_rng(0)
    features = random.normal(size=(150, 20)) / np.sqrt(20)
    labels = np.digitize(features[:, 0] + 0.3 * random.normal(size=150) / np.sqrt(20), [-0.1, 0.1])
    features -= features[:90].mean(0)
    products = torch.from_numpy(features @ features[:90].T).float()
    scale = np.sqrt(90 / np.trace(features[:90] @ features[:90].T))
    for C, predicted in fit_on_gram(products, labels[:90], [0.3, 3.0]).items():
        reference = LinearSVC(C=C, dual=True, tol=1e-6, max_iter=100_000).fit(scale * features[:90], labels[:90])
        assert (predicted == reference.predict(scale * features[90:])).mean() > 0.98


def test_no_evaluated_image_is_labelled_or_fitted_on(study_file):
    study = load_selection(str(study_file[0]))
    labels = np.random.default_rng(0).integers(0, 10, 400)
    split = split_images(study, labels)
    seen = {int(split.images[row]) for own in split.draws for row in own} | set(split.fitted_on.tolist())
    assert not seen & set(split.images[split.evaluated].tolist())
    assert len(split.evaluated) == 80
    for own in split.draws:
        assert np.bincount(labels[split.images[own]]).tolist() == [10] * 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["candidates"][1].update(against="basis"), "basis.*did you mean 'base'"),
        (lambda c: c["candidates"][0]["blocks"][0].update(sources=["her"]), "did you mean 'here'"),
        (lambda c: c["candidates"][1].update(name="base"), "two candidates are named 'base'"),
        (lambda c: c.update(pool=5), "raise 'pool'"),
        (lambda c: c["sources"]["here"]["extractor"].update(normalisation="root"), "normalisation: none"),
        (lambda c: c["sources"]["here"]["extractor"].update(weights=[1, 1, 1]), "no 'weights'"),
    ],
)
def test_what_a_selection_cannot_say(study_file, change, message):
    path, content = study_file
    change(content)
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=message):
        load_selection(str(path))


def test_shipped_selections_can_be_read():
    found = [path.stem.removeprefix("select-") for path in STUDIES.glob("select-*.yaml")]
    assert found
    for name in found:
        study = load_selection(name)
        assert study.name == name
        chosen = study.candidates if isinstance(study, ExtractorStudy) else study.sources.values()
        for item in chosen:
            find(item.extractor, "features", name).build({"discriminator": "weights", "device": "cpu"})


def test_a_setting_that_is_a_component_is_built_with_what_is_offered():
    settings: dict[str, Any] = {"network": {"class": "DiscriminatorFeatures", "grid": 2}, "layers": [0]}
    component = Component(name="SecondOrderFeatures", settings=settings)
    made = find(component, "features", "here").build({"discriminator": "w"})
    assert made.network.discriminator == "w"
    assert made.network.grid == 2
    settings["network"]["gird"] = 3
    chosen = Component(name="SecondOrderFeatures", settings=settings)
    with pytest.raises(InputError, match=r"gird.*grid"):
        find(chosen, "features", "here").build({"discriminator": "w"})
