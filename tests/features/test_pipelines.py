"""Extractors among scikit-learn's estimators: in pipelines, in a parallel search, pickled, cloned, as data frames."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from dcgan_features import features
from tests.small import public, small

every_extractor = pytest.mark.parametrize("kind", public(features, features.Extractor), ids=lambda kind: kind.__name__)


@pytest.fixture(scope="module")
def images():
    """24 images of noise, bright, middling or dark by class."""
    noise = np.random.default_rng(0).integers(0, 100, (24, 32, 32, 3), dtype=np.uint8)
    return noise + (np.arange(24) % 3 * 70).astype(np.uint8)[:, None, None, None]


LABELS = np.array(["dark", "middling", "bright"])[np.arange(24) % 3]


@every_extractor
def test_features_are_numpy_float32_that_every_estimator_takes(kind, images):
    made = small(kind).fit_transform(images)
    assert type(made) is np.ndarray
    assert made.dtype == np.float32
    # Exact directions and a seeded solver: at one contrast these images are noise, which others divide anew each time.
    directions = PCA(2, svd_solver="full")
    for probe in (LogisticRegression(), KNeighborsClassifier(3), LinearSVC(random_state=0)):
        pipeline = make_pipeline(small(kind), StandardScaler(), clone(directions), probe).fit(images, LABELS)
        expected = make_pipeline(StandardScaler(), clone(directions), clone(probe)).fit(made, LABELS)
        assert np.mean(pipeline.predict(images) == expected.predict(made)) > 0.9  # but for the solver's rounding
        restored = pickle.loads(pickle.dumps(pipeline))
        np.testing.assert_array_equal(restored.predict(images), pipeline.predict(images))


@every_extractor
def test_in_a_search_by_two_processes(kind, images):
    pipeline = make_pipeline(small(kind), StandardScaler(), LogisticRegression())
    search = GridSearchCV(pipeline, {"logisticregression__C": [0.01, 1.0]}, cv=2, n_jobs=2, error_score="raise")
    assert set(search.fit(images, LABELS).predict(images)) <= set(LABELS)
    assert len(search.cv_results_["mean_test_score"]) == 2


@every_extractor
def test_data_frames_name_their_columns(kind, images):
    extractor = small(kind).fit(images)
    made = extractor.transform(images)
    frame = extractor.set_output(transform="pandas").transform(images)
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == list(extractor.get_feature_names_out())
    assert frame.columns.is_unique
    assert frame.columns[1] == f"{kind.__name__.lower()}1"
    np.testing.assert_array_equal(frame.to_numpy(), made)
