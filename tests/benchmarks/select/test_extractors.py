import json
from typing import Any

import numpy as np
import pytest
import yaml
from sklearn.svm import LinearSVC
from typer.testing import CliRunner

from dcgan_features import data
from dcgan_features.benchmarks.select.__main__ import app
from dcgan_features.benchmarks.select.measure import split_images
from dcgan_features.benchmarks.select.study import load_selection
from dcgan_features.data.utils.errors import InputError
from dcgan_features.features import RawPixels

CONTENT: dict[str, Any] = {
    "name": "tiny",
    "title": "A tiny selection",
    "dataset": {"source": "stand-in", "n_train": 300, "n_test": 10},
    "per_class": 6,
    "draws": 2,
    "pool": 12,
    "evaluated": 80,
    "seed": 0,
    "Cs": [0.1, 1.0],
    "candidates": [
        {"name": "pixels", "title": "Pixels", "extractor": {"class": "RawPixels"}},
        {"name": "components", "title": "PCA", "extractor": {"class": "PrincipalComponents", "n_components": 5,
         "n_images": 100}, "against": "pixels"},
    ],
}  # fmt: skip


def test_a_selection_among_extractors_says_what_an_svm_on_their_features_does(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(CONTENT))
    arguments = [str(path), "--store", str(tmp_path / "store"), "--results", str(tmp_path)]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    pixels, components = json.loads((tmp_path / "select-tiny.json").read_text())["candidates"]
    assert components["features"] == 5
    assert components["against"]["difference"] == pytest.approx(components["accuracy"] - pixels["accuracy"])

    study, dataset = load_selection(str(path)), data.STAND_INS["stand-in"](n_train=300, n_test=10, seed=0)
    assert dataset.train_labels is not None
    split = split_images(study, dataset.train_labels)
    X = np.asarray(RawPixels().fit_transform(dataset.train_images[split.images])).astype(np.float64)
    y = dataset.train_labels[split.images]
    scores = []
    for rows in split.draws:
        own = X[rows] - X[rows].mean(0)
        scale = np.sqrt((own**2).sum(1).mean())
        svm = LinearSVC(C=pixels["C"], tol=1e-6, max_iter=100_000).fit(own / scale, y[rows])
        scores.append(100 * svm.score((X[split.evaluated] - X[rows].mean(0)) / scale, y[split.evaluated]))
    assert pixels["scores"] == pytest.approx(scores, abs=2.6)  # two of 80 images


def test_images_of_a_group_are_all_evaluated_or_none(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(CONTENT))
    groups = np.arange(300) // 4
    split = split_images(load_selection(str(path)), np.arange(300) % 10, groups)
    evaluated = split.images[split.evaluated]
    assert not set(groups[evaluated]) & set(groups[split.fitted_on])
    assert not {*np.concatenate(split.draws)} & {*split.evaluated}
    assert 80 <= len(evaluated) < 84


def test_candidates_that_no_selection_can_have(tmp_path):
    path = tmp_path / "tiny.yaml"
    candidates = [{**CONTENT["candidates"][1], "against": "pixel"}, CONTENT["candidates"][0]]
    path.write_text(yaml.safe_dump({**CONTENT, "candidates": candidates}))
    with pytest.raises(InputError, match="did you mean 'pixels'"):
        load_selection(str(path))
