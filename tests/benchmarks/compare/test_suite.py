import csv

import numpy as np
import pytest
import yaml
from PIL import Image

from dcgan_features.benchmarks.compare import files as comparison_files
from dcgan_features.benchmarks.compare.__main__ import app
from dcgan_features.benchmarks.reporting.html.compared import compared_views, suite_views

SUITE = {
    "name": "trees",
    "data": {"woods": {"source": "woods", "size": 8}, "more": {"source": "woods", "size": 6, "fit": "stretch"}},
    "extractors": ["mine.py:Colours", "RawPixels"],
    "probes": ["l2-svm", "knn"],
    "k": [3],
    "C": [1.0],
}


@pytest.fixture
def run(cli, folder, here, monkeypatch):
    for draw in ("draw_confusion", "draw_disagreements"):
        monkeypatch.setattr(comparison_files, draw, lambda *_: None)

    def call(**changes):
        (here / "suite.yaml").write_text(yaml.safe_dump({**SUITE, **changes}))
        return cli("--suite", "suite.yaml", app=app)

    return call


def test_all_with_all_and_again_from_what_is_there(run, here):
    code, _, err = run()
    assert code == 0, err
    with open("results/compare/suite-trees/standing.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 8
    assert {line["data"] for line in lines} == {"woods", "more"}
    text = (here / "results/compare/suite-trees/standing.md").read_text()
    assert "Mean rank" in text
    for line in lines:
        assert f"{float(line['accuracy']):.1f} {line['group']}" in text
    assert run()[1].count("measured already") == 4
    matrix = suite_views(here / "results")
    assert [view["title"] for view in matrix] == ["trees, l2-svm-C1", "trees, knn-k3"]
    assert matrix[0]["headings"] == ["Extractor", "more", "woods"]  # as the file has them
    first = lines[0]
    assert matrix[0]["cells"][0][:2] == [first["extractor"], f"{float(first['accuracy']):.1f} {first['group']}"]
    views = compared_views(here / "results", {})
    assert {line[1] for view in views for line in view["accuracies"]} == {"L2-SVM, C 1", "kNN, cosine, weighted, k 3"}
    assert [len(view["costs"]) for view in views] == [2, 2]


def test_an_extractor_that_fails_leaves_the_others(run):
    code, out, err = run(extractors=["mine.py:Failing", "RawPixels"])
    assert code == 2
    assert "mine.py:Failing is not measured on woods" in err
    assert "RawPixels" in out


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"extractor": ["x"]}, "did you mean 'extractors'"),
        ({"extractors": []}, "extractors"),
        ({"data": {"woods": {"source": "woods", "size": 0}}}, "size"),
        ({"probes": ["svm"]}, "unknown probe"),
    ],
)
def test_wrong_suites_are_a_sentence(run, changes, words):
    code, _, err = run(**changes)
    assert (code, words in err) == (2, True), err


def test_one_picture_is_not_enough(run, here):
    path = here / "lone/a/1.png"
    path.parent.mkdir(parents=True)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)
    assert run(data={"lone": {"source": "lone"}})[0] == 2
