"""One L2-SVM a class, by hand, and the C of the best mean average precision."""

import numpy as np
import torch

from dcgan_features.eval import L2SVM
from dcgan_features.eval.average_precision import mean_average_precision
from dcgan_features.eval.multi_label import chosen_C, decision_values


def material():
    random = np.random.default_rng(0)
    X = random.normal(size=(90, 5))
    truth = np.stack([X[:, 0] > 0.5, X[:, 1] + X[:, 2] > 0, np.zeros(90, bool), np.ones(90, bool)], 1)
    return X, truth


def test_each_class_has_its_own_svm_and_a_class_of_all_or_none_says_nothing():
    X, truth = material()
    found = decision_values(torch.from_numpy(X[:60]), truth[:60], torch.from_numpy(X[60:]), 0.3)
    assert found.shape == (30, 4)
    for label in (0, 1):
        alone = L2SVM(0.3).fit(X[:60], truth[:60, label].astype(int)).decision_function(X[60:])
        np.testing.assert_allclose(found[:, label], alone)
    assert (found[:, 2:] == 0).all()


def test_the_C_chosen_is_best_on_the_rows_held_out_and_the_smallest_of_several():
    X, truth = material()
    own, other = torch.from_numpy(X[:60]), torch.from_numpy(X[60:])
    Cs = [1.0, 1e-3, 0.1, 30.0]
    best = chosen_C(own, truth[:60], Cs, (other, truth[60:]))
    scores = {C: mean_average_precision(truth[60:], decision_values(own, truth[:60], other, C)) for C in Cs}
    assert scores[best] == max(scores.values())
    assert best == min(C for C in Cs if scores[C] == scores[best])
