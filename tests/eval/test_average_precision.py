import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from dcgan_features.eval.average_precision import average_precisions, compare_precision, mean_average_precision


def test_it_is_scikit_learns_with_equal_scores_too():
    random = np.random.default_rng(0)
    truth = random.random((60, 4)) < 0.3
    for scores in (random.normal(size=(60, 4)), random.integers(0, 4, (60, 4)).astype(float)):
        expected = [100 * average_precision_score(truth[:, k], scores[:, k]) for k in range(4)]
        np.testing.assert_allclose(average_precisions(truth, scores), expected)
        assert mean_average_precision(truth, scores) == pytest.approx(np.mean(expected))


def test_a_class_of_no_image_is_left_out():
    truth = np.array([[True, False], [False, False]])
    assert mean_average_precision(truth, np.array([[1.0, 2], [0, 1]])) == 100
    with pytest.raises(ValueError, match="shape"):
        average_precisions(truth, np.zeros((2, 3)))


def test_a_difference_is_found_and_none_is_not():
    random = np.random.default_rng(1)
    truth = random.random((150, 3)) < 0.4
    good, bad = truth + random.normal(size=truth.shape), random.normal(size=truth.shape)
    found = compare_precision(truth, good, bad, resamples=200)
    assert found.low > 0
    assert found.p_value < 0.02
    other = truth + random.normal(size=truth.shape)
    same = compare_precision(truth, good, other, resamples=200)
    assert same.low < same.difference < same.high
    assert compare_precision(truth, good, good, resamples=50).p_value == 1
