"""Extractors and classifiers that tables of the tests name: they note what reaches them, fail, or take their time."""

import json
import os
import time
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin

from dcgan_features.data.utils.hashing import digest_array
from dcgan_features.eval import L2SVMCV


class Means(TransformerMixin, BaseEstimator):
    """Mean colours of the image's quarters, after a note of what it was given, in the file that `notes` names."""

    def __init__(self, notes=None, seconds=0.0, poison=False, error=None, die=False):
        self.notes = notes
        self.seconds = seconds
        self.poison = poison
        self.error = error
        self.die = die

    def fit(self, images, y=None):
        assert y is None
        note(self.notes, {"call": "extractor.fit", "images": digest_array(images)})
        if self.error is not None:
            raise ValueError(self.error) if self.error.startswith("bad") else RuntimeError(self.error)
        if self.die:
            os.kill(os.getpid(), 9)
        time.sleep(self.seconds)
        return self

    def transform(self, images):
        note(self.notes, {"call": "extractor.transform", "images": digest_array(images)})
        half = images.shape[1] // 2
        quarters = [images[:, a : a + half, b : b + half].mean((1, 2)) for a in (0, half) for b in (0, half)]
        made = np.concatenate(quarters, axis=1).astype(np.float32) / 255
        if self.poison:
            made[3, 1] = np.nan
        return made


class SpiedSVM(L2SVMCV):
    """`L2SVMCV` that notes the labels and features of each fit, and the weights it found."""

    def fit(self, X, y, sample_weight=None):
        super().fit(X, y, sample_weight)
        seen = {"labels": digest_array(np.asarray(y)), "features": digest_array(X.numpy()), "rows": len(y)}
        note(os.environ.get("SPY_NOTES"), {"call": "classifier.fit", **seen, "weights": digest_array(self.coef_)})
        return self


class SemiSupervised(ClassifierMixin, BaseEstimator):
    """Always the first class; notes the labels that each fit is given."""

    semi_supervised = True

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y, X_validation=None, y_validation=None):
        assert len(X_validation) == len(y_validation)
        seen = {"labels": y.tolist(), "validation": y_validation.tolist(), "state": self.random_state}
        note(os.environ.get("SPY_NOTES"), seen)
        return self

    def predict(self, X):
        return np.zeros(len(X), int)


class Majority(ClassifierMixin, BaseEstimator):
    """The commonest label, whatever the image; takes NumPy arrays only."""

    def fit(self, X, y):
        assert isinstance(X, np.ndarray)
        values, counts = np.unique(y, return_counts=True)
        self.answer_ = values[counts.argmax()]
        return self

    def predict(self, X):
        assert isinstance(X, np.ndarray)
        return np.full(len(X), self.answer_)


def note(path, content):
    if path is not None:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(content) + "\n")


def notes(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
