import numpy as np
import pytest

from dcgan_features.eval.ranks import inseparable_groups, mean_ranks


def test_mean_ranks_by_hand():
    found = mean_ranks(np.array([[90.0, 80, 80], [70, 60, 75], [50, 40, 30]]))
    # Ranks: 1, 2.5, 2.5; 2, 3, 1; 1, 2, 3.
    assert [item.mean for item in found] == pytest.approx([4 / 3, 2.5, 6.5 / 3])
    half = 4.302653 * np.std([1, 2, 1], ddof=1) / np.sqrt(3)  # Student's quantile for 2 degrees of freedom
    assert found[0].high == pytest.approx(4 / 3 + half)
    assert found[0].low == 1
    assert mean_ranks(np.array([[1.0, 2.0]]))[0].low is None


def test_letters_are_shared_exactly_where_two_are_not_told_apart():
    random = np.random.default_rng(0)
    for _ in range(20):
        p = np.triu(random.random((7, 7)) ** 3, 1)
        p += p.T
        accuracies = random.random(7)
        letters = inseparable_groups(accuracies.tolist(), p)
        for one in range(7):
            for other in range(7):
                shared = bool(set(letters[one]) & set(letters[other]))
                assert shared == (one == other or p[one, other] >= 0.05)


def test_no_false_order_of_three_of_which_the_ends_differ():
    p = np.array([[1, 0.5, 0.01], [0.5, 1, 0.5], [0.01, 0.5, 1]])
    assert inseparable_groups([90, 89, 88], p) == ["a", "ab", "b"]
