import numpy as np
from sklearn.metrics import confusion_matrix

from dcgan_features.eval.confusion import confusion, disagreement


def test_the_confusion_matrix_is_scikit_learns_averaged_over_draws():
    random = np.random.default_rng(0)
    truth, predicted = random.integers(0, 4, 60), random.integers(0, 4, (3, 60))
    expected = np.mean([confusion_matrix(truth, draw, normalize="true") for draw in predicted], axis=0)
    np.testing.assert_allclose(confusion(truth, predicted, 4), 100 * expected)
    assert not confusion(truth, predicted, 5)[4].any()


def test_images_that_only_one_gets_right_in_most_fits():
    truth = np.array([0, 1, 2, 0, 1])
    first = [np.array([[0, 1, 0, 0, 2]]), np.array([[0, 1, 0, 0, 2], [0, 0, 0, 0, 2], [0, 2, 0, 1, 1]])]
    second = [np.array([[1, 2, 0, 0, 1]]), np.array([[1, 2, 0, 0, 1], [2, 0, 0, 0, 1], [2, 0, 2, 0, 0]])]
    found = disagreement(truth, first, second, 3)
    # A protocol of one fit weighs as much as one of three.
    np.testing.assert_allclose(found.first, [1, 2 / 3, 0, 5 / 6, 1 / 6])
    np.testing.assert_allclose(found.second, [0, 0, 1 / 6, 1, 5 / 6])
    assert found.only_first.tolist() == [0, 1]
    assert found.only_second.tolist() == [4]
    assert found.mistaken_second[:2].tolist() == [1, 2]  # of image 0: 1 + 1/3 against 2/3; of image 1: 1 + 1/3, 2/3
    assert found.mistaken_first[4] == 2
