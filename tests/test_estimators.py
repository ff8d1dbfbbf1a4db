"""scikit-learn's conventions, on every public extractor of `features` and every public classifier of `eval`.

Classifiers run through scikit-learn's own suite. Its checks feed tables of numbers, so of those only the ones that feed
nothing apply to extractors; the others are done here with images.
"""

import copy
import inspect
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import ClassifierMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from dcgan_features import eval, features
from dcgan_features.eval.knn_probe import KNNProbe
from dcgan_features.features.cache.fingerprint import describe
from tests.small import public, small

# In its last part this check labels a class -1, which to a semi-supervised classifier means "no label".
MISSING_LABELS = {"check_classifiers_classes": "y = -1 means that a row has no label"}


def expected_to_fail(classifier: Any) -> dict[str, str]:
    return MISSING_LABELS if getattr(classifier, "semi_supervised", False) else {}


CLASSIFIERS = [*(small(kind) for kind in public(eval, ClassifierMixin)), KNNProbe(5), KNNProbe(3, metric="euclidean")]


@parametrize_with_checks(CLASSIFIERS, expected_failed_checks=expected_to_fail)
def test_classifiers(estimator, check):
    check(estimator)


@pytest.mark.parametrize("device", ["cuda:99", "mps", "cudo"])
@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=str)
def test_devices_that_are_not_there_are_refused_by_fit(classifier, device):
    if device == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has it")
    X, y = np.random.default_rng(0).normal(size=(12, 4)), np.arange(12) % 2
    with pytest.raises(ValueError, match=device):
        clone(classifier).set_params(device=device).fit(X, y)


def test_solvers_that_need_float64_refuse_apples_gpus(monkeypatch):
    monkeypatch.setattr(torch.mps, "is_available", lambda: True, raising=False)
    monkeypatch.setattr(torch.mps, "device_count", lambda: 1)
    for classifier in (eval.L2SVM(device="mps"), eval.LogisticProbe(device="mps"), eval.TSVM(device="mps")):
        with pytest.raises(ValueError, match="'mps' does not compute in float64"):
            classifier.fit(np.eye(4), [0, 1, 0, 1])


every_extractor = pytest.mark.parametrize("kind", public(features, features.Extractor), ids=lambda kind: kind.__name__)

FEED_NOTHING = [
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
]


@every_extractor
@pytest.mark.parametrize("check", FEED_NOTHING)
def test_extractors_by_scikit_learns_checks(kind, check):
    needed = [item for item in inspect.signature(kind).parameters.values() if item.default is inspect.Parameter.empty]
    if check == "check_parameters_default_constructible" and needed:
        pytest.skip(f"{needed[0].name} has no default")
    getattr(estimator_checks, check)(kind.__name__, small(kind))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)


def numbers(made):
    return made.float().numpy() if isinstance(made, torch.Tensor) else made


def assert_same(first, second):
    np.testing.assert_allclose(numbers(first), numbers(second), rtol=2e-2, atol=2e-2)  # of bfloat16, blocks differ


@every_extractor
def test_fit_learns_without_changing_parameters_or_images(kind, images):
    extractor, given = small(kind), images.copy()
    parameters, described = extractor.get_params(deep=False), repr(describe(extractor))
    before = set(vars(extractor))
    assert extractor.fit(given) is extractor
    np.testing.assert_array_equal(given, images)
    for name, value in extractor.get_params(deep=False).items():
        assert value is parameters[name], name
    assert repr(describe(extractor)) == described  # nor has what they hold, such as weights, changed
    learned = set(vars(extractor)) - before
    assert learned
    assert [name for name in learned if not name.endswith("_") or name.startswith("_")] == []


@every_extractor
def test_features_are_one_finite_row_an_image(kind, images):
    extractor = small(kind)
    with pytest.raises(NotFittedError):
        extractor.transform(images)
    made = extractor.fit(images).transform(images)
    assert tuple(made.shape) == (12, extractor.n_features_out_)
    assert np.isfinite(numbers(made)).all()
    assert numbers(made).std(axis=0).max() > 0
    order = np.random.default_rng(1).permutation(12)
    assert_same(extractor.transform(images[order]), made[order])
    assert_same(extractor.transform(images[3:5]), made[3:5])
    np.testing.assert_array_equal(numbers(extractor.transform(images)), numbers(made))


@every_extractor
def test_fitting_again_finds_the_same_whatever_the_labels(kind, images):
    extractor = small(kind)
    made = numbers(extractor.fit(images).transform(images))
    np.testing.assert_array_equal(numbers(extractor.fit(images, np.arange(12)).transform(images)), made)
    np.testing.assert_array_equal(numbers(clone(extractor).fit_transform(images)), made)
    extractor.fit(images[:, ::-1].copy()).fit(images)  # nothing is left of an earlier fit
    np.testing.assert_array_equal(numbers(extractor.transform(images)), made)


@every_extractor
def test_copies_of_a_fitted_extractor_and_unfitted_clones(kind, images):
    extractor = small(kind).fit(images)
    made = numbers(extractor.transform(images))
    for copied in (copy.deepcopy(extractor), pickle.loads(pickle.dumps(extractor))):
        np.testing.assert_array_equal(numbers(copied.transform(images)), made)
    with pytest.raises(NotFittedError):
        clone(extractor).transform(images)


@every_extractor
def test_images_of_any_memory_and_no_others(kind, images, tmp_path):
    extractor = small(kind).fit(images)
    made = extractor.transform(images)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    wide = np.repeat(images, 2, axis=2)[:, :, ::2]
    for same in (mapped, wide, np.asfortranarray(images)):
        assert_same(small(kind).fit(same).transform(same), made)
    for wrong in (images[0], images / 255.0, images[:0], images.astype(np.int64)):
        with pytest.raises(ValueError, match="image"):
            small(kind).fit(wrong)
        with pytest.raises(ValueError, match="image"):
            extractor.transform(wrong)
    with pytest.raises(ValueError, match="fitted on images of"):
        extractor.transform(images[:, :31])


@every_extractor
def test_in_a_pipeline(kind, images):
    labels = np.arange(12) % 3
    pipeline = make_pipeline(small(kind), eval.L2SVM(C=0.1)).fit(images, labels)
    assert set(pipeline.predict(images)) <= {0, 1, 2}
    step = pipeline.steps[0][0]
    for name, value in pipeline[0].get_params(deep=False).items():
        assert pipeline.get_params()[f"{step}__{name}"] is value
        assert pipeline.set_params(**{f"{step}__{name}": value})[0].get_params(deep=False)[name] is value
