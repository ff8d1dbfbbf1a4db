"""Which labels a protocol shows, and the figures that come of it."""

import numpy as np
import pytest
import torch

from dcgan_features import data
from dcgan_features.benchmarks.config.components import find
from dcgan_features.benchmarks.config.images import labelled
from dcgan_features.benchmarks.config.schema import Component, Protocol, Seeds
from dcgan_features.benchmarks.runner.progress import Stages
from dcgan_features.benchmarks.runner.protocol import Extracted, in_metric, measure_protocol, split
from dcgan_features.data.utils.distributed import ALONE
from dcgan_features.eval import L2SVM
from tests.benchmarks.spies import Majority

LABELS = np.arange(40, dtype=np.int64) % 4
SEEDS = Seeds(draws=3, holdout=4)


def protocol(**keys):
    return Protocol(title="x", **keys)


def test_all_labels_are_one_draw_of_everything():
    shown = split(protocol(), LABELS, SEEDS)
    assert shown.everything
    np.testing.assert_array_equal(shown.draws, [np.arange(40)])
    assert [len(part) for part in (shown.held, shown.validation, shown.unlabelled)] == [0, 0, 0]
    assert shown.digested == []


def test_a_hold_out_of_all_labels_is_what_is_digested():
    shown = split(protocol(holdout=8), LABELS, SEEDS)
    np.testing.assert_array_equal(shown.held, data.holdout(40, 8, 4)[1])
    assert shown.digested == [data.digest_indices(shown.held)]


def test_draws_are_balanced_and_digested():
    shown = split(protocol(per_class=2, draws=3, holdout=3), LABELS, SEEDS)
    assert not shown.everything
    assert [np.bincount(LABELS[draw]).tolist() for draw in shown.draws] == [[2, 2, 2, 2]] * 3
    assert shown.digested == [data.digest_indices(draw) for draw in data.class_balanced_draws(LABELS, 2, 3, 3)]
    np.testing.assert_array_equal(shown.held, data.holdout(8, 3, 4)[1])


def test_validation_images_are_in_no_draw_and_none_without_a_label_is_shown():
    labels = LABELS.copy()
    labels[::5] = -1
    shown = split(protocol(validation=6), labels, SEEDS)
    (draw,) = shown.draws
    assert len(shown.validation) == 6
    assert (labels[shown.validation] >= 0).all()
    assert not set(draw) & set(shown.validation)
    assert set(draw) | set(shown.validation) == set(np.flatnonzero(labels >= 0))
    assert set(shown.unlabelled) == set(range(40)) - set(shown.validation)
    assert not shown.everything
    drawn = split(protocol(per_class=2, draws=2, folds=2, validation=6), labels, SEEDS)
    assert not set(np.concatenate(drawn.draws)) & set(drawn.validation)


@pytest.fixture
def measured(tmp_path):
    """`measure_protocol` on points of two classes that a line parts; keywords replace what the job says."""
    from dcgan_features.benchmarks.runner.resolve import NoSearch, ResolvedJob

    random = np.random.default_rng(0)
    labels = np.arange(60, dtype=np.int64) % 2
    points = torch.from_numpy(random.normal(size=(60, 3)).astype(np.float32) + 3 * labels[:, None])
    images = np.zeros((60, 4, 4, 1), np.uint8)
    dataset = labelled(data.Dataset("points", images[:40], labels[:40], images[40:], labels[40:], ("a", "b")))

    def measure(classifier, metric="accuracy", how=None, **changes):
        job = ResolvedJob.model_construct(
            table="t", row="r", metric=metric, published={"p": {"value": 60.0, "pm": None}}, search=NoSearch(),
            protocols={"p": how or protocol()}, seeds=SEEDS, device="cpu", store=tmp_path,
        )  # fmt: skip
        job = job.model_copy(update={"published": {}, **changes})
        chosen = find(classifier, "eval", "here")
        return measure_protocol(
            job, "p", dataset, chosen, Extracted(points[:40], points[40:], "key"), Stages("r"), ALONE
        )  # fmt: skip

    return measure, points, labels


def test_the_figure_is_that_of_the_classifier(measured):
    measure, points, labels = measured
    found, (predicted,) = measure(Component(name="L2SVM", settings={"C": 0.1}))
    expected = L2SVM(0.1).fit(points[:40], labels[:40]).predict(points[40:])
    np.testing.assert_array_equal(predicted, expected)
    assert found.measured == pytest.approx(100 * np.mean(expected == labels[40:]))
    assert (found.labels, found.test_images, found.sd, found.draw_digests) == (40, 20, None, [])
    error, _ = measure(Component(name="L2SVM", settings={"C": 0.1}), metric="error")
    assert error.measured == pytest.approx(100 - found.measured)
    assert (error.low, error.high) == pytest.approx((100 - found.high, 100 - found.low))


def test_classifiers_of_others_get_arrays_and_validation_scores_are_of_validation_images(measured):
    measure, *_ = measured
    majority = Component(name=f"{Majority.__module__}:Majority")
    found, predictions = measure(majority, how=protocol(validation=10, scored_on="validation", per_class=5, draws=2))
    assert found.scored_on == "validation"
    assert [len(predicted) for predicted in predictions] == [10, 10]
    assert (found.labels, found.test_images, len(found.values)) == (10, 10, 2)
    assert found.validation_digest is not None


def test_the_error_is_what_accuracy_lacks_of_a_hundred():
    assert in_metric("error", 97.3) == 2.7
    assert in_metric("accuracy", 97.3) == 97.3
