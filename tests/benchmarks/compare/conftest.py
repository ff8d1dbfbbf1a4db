import sys

import numpy as np
import pytest
from PIL import Image

MINE = """
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

class Colours:
    def transform(self, images):
        return images.mean((1, 2)) / 255

class Step(Colours, TransformerMixin, BaseEstimator):
    def fit(self, images, y=None):
        return self

class Failing:
    def transform(self, images):
        return images[9**9]

def factory():
    return Colours()

pipeline = make_pipeline(Step(), StandardScaler())
number = 3
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of the test's own, with mine.py, in which the test runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PICTURE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


@pytest.fixture
def folder(here):
    """Pictures of unequal sizes, of three classes that their colours nearly tell."""
    random = np.random.default_rng(0)
    for label, name in enumerate(("ash", "birch", "cedar")):
        for number in range(20):
            colour = np.full(3, 90) + 60 * (np.arange(3) == label) + random.integers(-40, 40, 3)
            path = here / "woods" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (10 + number % 3, 9), tuple(map(int, colour))).save(path)
    return here / "woods"


def arrays(seed=0, n=120):
    """(X, y, X_test, y_test): pictures of noise, of three classes that their colours tell."""
    random = np.random.default_rng(seed)
    y = np.arange(n) % 3
    X = random.integers(0, 120, (n, 6, 6, 3)) + 90 * (np.arange(3) == y[:, None])[:, None, None]
    return X[: n // 2].astype(np.uint8), y[: n // 2], X[n // 2 :].astype(np.uint8), y[n // 2 :]
