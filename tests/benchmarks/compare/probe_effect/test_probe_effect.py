"""`python -m benchmarks.compare.probe_effect`: the figures against those of hand, and the command on tiny pictures."""

import csv
import json

import numpy as np
import pytest
import yaml
from PIL import Image

from dcgan_features.benchmarks.compare.probe_effect.__main__ import app
from dcgan_features.benchmarks.compare.probe_effect.effects import best_on_test, changes, rankings
from dcgan_features.benchmarks.compare.probe_effect.study import read_study
from dcgan_features.data.utils.errors import InputError

STUDY = {
    "name": "tiny",
    "data": {"woods": {"source": "woods", "size": 8}},
    "extractors": ["mine.py:Colours", "RawPixels"],
    "k": [3],
    "fixed_C": [1e-6, 1.0],
    "rates": [0.1],
}


def predictions(truth, accuracy):
    """Of which the first so many are right."""
    found = truth.copy()
    found[round(accuracy * len(truth)) :] += 1
    return found[None]


def test_orders_are_those_of_hand():
    truth = np.zeros(1000, np.int64)
    shares = {"a": (0.9, 0.5), "b": (0.5, 0.9), "c": (0.3, 0.305)}
    predicted = {
        title: {probe: predictions(truth, share) for probe, share in zip("xy", pair, strict=True)}
        for title, pair in shares.items()
    }
    (found,) = rankings(truth, predicted, ["x", "y"])
    assert (found.pairs, found.swapped, found.contradicted, found.largest_move) == (3, 1, 1, 1)
    assert found.tau == pytest.approx(1 / 3)
    (change, *_) = changes(truth, predicted, [("x", "y")])
    assert change.comparison.difference == pytest.approx(40)
    assert best_on_test(truth, predicted["a"], ["y", "x"]) == "x"


def test_the_command_measures_writes_and_goes_on(cli, folder, here):
    (here / "tiny.yaml").write_text(yaml.safe_dump(STUDY))
    code, _, err = cli("tiny.yaml", app=app)
    assert code == 0, err
    with open("results/tiny.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    content = json.loads((here / "results/tiny.json").read_text())["data"]["woods"]
    probes = ["l2-svm", "logistic", "knn-k3", "knn-plain-k3", "l2-svm-C1e-06", "l2-svm-C1", "sgd"]
    assert [line["probe"] for line in lines] == probes * 2
    best = {
        title: max(float(line["accuracy"]) for line in lines if line["extractor"] == title and "-C1" in line["probe"])
        for title in STUDY["extractors"]
    }
    inside = {line["extractor"]: float(line["accuracy"]) for line in lines if line["probe"] == "l2-svm"}
    for change in content["by_test"]:
        title = change["extractor"]
        assert change["comparison"]["difference"] == pytest.approx(best[title] - inside[title], abs=1e-2)
    page = (here / "results/tiny.md").read_text()
    assert all(f"{float(line['accuracy']):.2f}" in page for line in lines if line["probe"] in probes[:4])
    assert np.asarray(Image.open("results/tiny.png").convert("L")).std() > 5
    before = {path: path.stat().st_mtime_ns for path in here.glob("results/compare/woods-*/*.json")}
    assert cli("tiny.yaml", app=app)[0] == 0
    assert before == {path: path.stat().st_mtime_ns for path in before}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"probes": ["knn"]}, "the probes lack l2-svm"),
        ({"label_noise": [0.1]}, "say nothing here"),
        ({"fixedC": [1]}, "did you mean 'fixed_C'"),
        ({"rates": [-1]}, "above 0"),
    ],
)
def test_wrong_studies_are_a_sentence(cli, folder, here, changed, words):
    (here / "tiny.yaml").write_text(yaml.safe_dump({**STUDY, **changed}))
    code, _, err = cli("tiny.yaml", app=app)
    assert (code, words in err) == (2, True), err


def test_the_shipped_study_names_ten_rows_and_no_unknown_data_set(cli):
    study = read_study("probe-effect")
    other = study.model_copy(update={"logistic_C": [0.5, 5.0]})
    assert [probe.values for probe in other.honest() if probe.kind == "logistic"] == [(0.5, 5.0)]
    assert len(set(study.extractors)) == 10
    with pytest.raises(InputError, match="nowhere"):
        read_study("nowhere")
    code, _, err = cli("--only", "cifar100", app=app)
    assert (code, "did you mean 'cifar10'" in err) == (2, True)
