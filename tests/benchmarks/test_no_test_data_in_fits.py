"""No test image and no test label reaches a fit: spies in the table note everything that fits are given."""

from typing import Any

import numpy as np
import pytest

from dcgan_features import data
from dcgan_features.benchmarks import cifar10
from dcgan_features.benchmarks.curves import __main__ as curves
from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.data.utils.hashing import digest_array
from tests.benchmarks.conftest import MEANS, SVM
from tests.benchmarks.spies import Means, notes


@pytest.fixture
def spied(cli, make_table, tmp_path, monkeypatch):
    """Measure the spies on a data set, their curve included; returns what extractor and classifier were given."""

    def measure(name, dataset):
        monkeypatch.setitem(data.LOADERS, name, lambda root, download: dataset)
        seen, classifier_seen = tmp_path / f"{name}-extractor", tmp_path / f"{name}-classifier"
        monkeypatch.setenv("SPY_NOTES", str(classifier_seen))
        preset = {
            "dataset": {"source": name},
            "protocols": {"all-labels": {}, "5-per-class": {}},
            "curve": ["5-per-class", "10-per-class"],
        }
        row = {
            "name": name,
            "title": name,
            "extractor": {"class": MEANS, "notes": str(seen)},
            "classifier": {"class": SVM, "Cs": [0.1, 10.0]},
        }
        table = make_table(rows=[row], presets={"quick": preset})
        for app in (cifar10.app, curves.app):
            code, _, err = cli("--table", table, app=app)
            assert (code, "error" in err) == (0, False)
        return notes(seen), notes(classifier_seen)

    return measure


def variant(test_images=None, test_labels=None, train_labels=None):
    made: Any = stand_in(250, 100)
    return data.Dataset(
        name="variant",
        train_images=made.train_images,
        train_labels=made.train_labels if train_labels is None else train_labels,
        test_images=made.test_images if test_images is None else test_images,
        test_labels=made.test_labels if test_labels is None else test_labels,
        classes=made.classes,
    )


def test_fits_are_given_training_images_and_labels_only(spied):
    dataset: Any = variant()
    extractor, classifier = spied("plain", dataset)
    fits = [call["images"] for call in extractor if call["call"] == "extractor.fit"]
    assert fits
    assert set(fits) == {digest_array(dataset.train_images)}
    features = Means().transform(dataset.train_images)
    draws = [
        draw
        for per_class, count in ((5, 3), (10, 2))
        for draw in data.class_balanced_draws(dataset.train_labels, per_class, count, 0)
    ]
    expected = [(features, dataset.train_labels)] + [(features[draw], dataset.train_labels[draw]) for draw in draws]
    assert [(call["features"], call["labels"], call["rows"]) for call in classifier] == [
        (digest_array(X), digest_array(y), len(y)) for X, y in expected
    ]


def test_what_is_fitted_depends_on_no_test_image_or_label(spied):
    """Other test images and labels change nothing about what was fitted; other training labels do."""
    random = np.random.default_rng(0)
    made: Any = stand_in(250, 100)
    other_images = random.integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    plain = spied("plain", variant())[1]
    assert len({call["weights"] for call in plain}) == len(plain) == 6
    assert spied("labels", variant(test_labels=random.permutation(made.test_labels)))[1] == plain
    assert spied("images", variant(test_images=other_images, test_labels=made.test_labels[:60]))[1] == plain
    changed = spied("training", variant(train_labels=np.roll(made.train_labels, 1)))[1]
    assert [call["weights"] for call in changed] != [call["weights"] for call in plain]
