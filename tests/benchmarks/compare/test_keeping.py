"""Probes that are kept and loaded again, by themselves and by `python -m benchmarks.predict`."""

import csv
from typing import Any

import numpy as np
import pytest

from dcgan_features.benchmarks.compare import compare
from dcgan_features.benchmarks.compare import files as comparison_files
from dcgan_features.benchmarks.compare.candidate import name_of
from dcgan_features.benchmarks.compare.keeping import load_probe
from dcgan_features.benchmarks.predict import app
from dcgan_features.data.labelled.load import labelled_images
from dcgan_features.data.labelled.pictures import Form
from dcgan_features.data.utils.errors import InputError
from tests.benchmarks.compare.conftest import arrays


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    for draw in ("draw_confusion", "draw_disagreements"):
        monkeypatch.setattr(comparison_files, draw, lambda *_: None)


def predictions(report, probe):
    (each,) = report.compared.candidates
    classes = report.compared.dataset.classes
    return [classes[int(number)] for number in each.predictions.by_protocol[probe][0]]


@pytest.mark.parametrize("probe", ["l2-svm", "logistic", "knn", "knn-plain"])
@pytest.mark.parametrize("standardise", [False, True])
def test_a_kept_probe_says_what_it_said_when_it_was_measured(here, probe, standardise):
    data = arrays(n=60)
    X_test = data[2]
    fixed = {"k": 3} if probe.startswith("knn") else {"C": 0.1}
    report = compare("RawPixels", data=data, probe=probe, standardise=standardise, save="kept", **fixed)
    kept = load_probe("kept")
    (name,) = report.compared.protocols
    said = kept.predict(X_test)
    agree = np.mean([a == b for a, b in zip(said, predictions(report, name), strict=True)])
    assert agree >= 29 / 30  # rounding may turn a tie
    assert not list(here.glob("kept/*.pkl"))
    if probe != "l2-svm":
        np.testing.assert_allclose(kept.scores(X_test).sum(1), 1, rtol=1e-5)


def test_two_classes_of_an_extractor_of_the_users(here):
    X, y, X_test, y_test = arrays()
    two = [part[labels < 2] for labels, part in ((y, X), (y, y), (y_test, X_test), (y_test, y_test))]
    for probe in ("l2-svm", "logistic"):
        report = compare("mine.py:Colours", data=two, probe=probe, save=probe, C=1.0)
        assert load_probe(probe).predict(two[2]) == predictions(report, f"{probe}-C1")


def test_predict_writes_a_line_a_picture(cli, folder, here):
    report = compare("mine.py:pipeline", data=folder, size=8, save="kept", C=1.0)
    code, out, err = cli("kept", str(folder), app=app, folders=[])
    assert (code, "60 pictures" in out) == (0, True), err
    with open("predictions.csv", newline="") as file:
        lines = {line["path"]: line for line in csv.DictReader(file)}
    dataset: Any = labelled_images(folder, Form(8))
    said = predictions(report, "l2-svm-C1")
    right = np.mean([line["label"] == path.split("/")[0] for path, line in lines.items()])
    assert right > 0.6
    assert sorted(said) == sorted(load_probe("kept").predict(dataset.test_images))
    line = lines["ash/0.png"]
    assert line["label"] == max(("ash", "birch", "cedar"), key=lambda name: float(line[name]))


def test_a_probe_of_few_labels_finds_the_images_that_its_extractor_learnt_from(folder):
    report = compare("mine.py:pipeline", data=folder, size=8, save="kept", C=1.0, labelled=30)
    dataset: Any = labelled_images(folder, Form(8))
    assert load_probe("kept").predict(dataset.test_images) == predictions(report, "l2-svm-C1")


def test_what_cannot_be_kept_or_loaded_is_a_sentence(here, cli):
    data = arrays()
    with pytest.raises(InputError, match="without pickle"):
        compare(lambda images: images.mean((1, 2)), data=data, save="kept", C=1.0)
    with pytest.raises(InputError, match="no kept probe"):
        load_probe("nowhere")
    compare("mine.py:Colours", "RawPixels", data=data, save="both", C=1.0)
    with pytest.raises(InputError, match=r"it holds both"):
        load_probe("both")
    place = here / "both" / name_of("mine.py:Colours") / "l2-svm-C1"
    assert load_probe(place).classes == ["0", "1", "2"]
    with pytest.raises(ValueError, match="resize"):
        load_probe(place).predict(np.zeros((1, 5, 6, 3), np.uint8))
    (place / "probe.safetensors").write_bytes(b"x")
    with pytest.raises(InputError, match="SHA-256"):
        load_probe(place)
    compare("mine.py:pipeline", data=data, save="learns", C=1.0)
    with pytest.raises(InputError, match="given as arrays"):
        load_probe("learns")
    assert cli("nowhere", "woods", app=app, folders=[])[0] == 2
