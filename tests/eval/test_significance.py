"""Paired comparisons against scipy, published examples, and what happens when the same experiment is repeated often."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import stats

from dcgan_features.eval.protocols import wilson_interval
from dcgan_features.eval.significance import accuracy_interval, compare, holm, mcnemar, newcombe_interval


def labels_of(both, only_first, only_second, neither):
    """One draw of predictions of a two-class test set with these counts: (truth, first, second)."""
    first = [1] * both + [1] * only_first + [0] * only_second + [0] * neither
    second = [1] * both + [0] * only_first + [1] * only_second + [0] * neither
    return np.ones(len(first), int), np.array([first]), np.array([second])


@pytest.mark.parametrize(("counts", "low", "high"), [
    ((59, 6, 16, 80), -11.86, -0.46),  # Cavo et al. (2012), in Fagerland, Lydersen & Laake's R package
    ((1, 1, 7, 12), -50.69, -2.56),  # Bentur et al. (2009), in the same
])  # fmt: skip
def test_newcombes_interval_of_published_tables(counts, low, high):
    assert newcombe_interval(*counts) == pytest.approx((low, high), abs=0.01)


def test_newcombes_interval_by_hand():
    """Counts whose correlation is negative, and margins that are empty: nothing to correct, nothing to divide by."""
    a, b, c, d = 10, 30, 25, 15
    n, z = 80, stats.norm.ppf(0.975)

    def wilson(right):
        p = right / n
        half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return (p + z**2 / (2 * n) - half) / (1 + z**2 / n), (p + z**2 / (2 * n) + half) / (1 + z**2 / n)

    p, q = (a + b) / n, (a + c) / n
    (p_low, p_high), (q_low, q_high) = wilson(a + b), wilson(a + c)
    phi = (a * d - b * c) / np.sqrt((a + b) * (c + d) * (a + c) * (b + d))
    below = np.sqrt((p - p_low) ** 2 - 2 * phi * (p - p_low) * (q_high - q) + (q_high - q) ** 2)
    above = np.sqrt((p_high - p) ** 2 - 2 * phi * (p_high - p) * (q - q_low) + (q - q_low) ** 2)
    assert newcombe_interval(a, b, c, d) == pytest.approx((100 * (p - q - below), 100 * (p - q + above)))
    low, high = newcombe_interval(30, 0, 0, 0)
    assert low == pytest.approx(-high)


def test_newcombes_interval_covers_the_difference_as_often_as_it_says():
    random = np.random.default_rng(0)
    for shares in ((0.5, 0.2, 0.1, 0.2), (0.8, 0.02, 0.04, 0.14)):
        true = 100 * (shares[1] - shares[2])
        intervals = [newcombe_interval(*map(int, counts)) for counts in random.multinomial(300, shares, 1500)]
        covered = np.mean([low <= true <= high for low, high in intervals])
        assert 0.935 < covered < 0.975


@pytest.mark.parametrize(("b", "c"), [(0, 0), (3, 0), (0, 7), (9, 9), (17, 7)])
def test_few_discordant_images_are_counted_out(b, c):
    """All 2^(b + c) ways in which each could have gone, where both classifiers are equally good."""
    n = b + c
    if n > 12:
        assert mcnemar(b, c) == pytest.approx(min(1, 2 * stats.binom.cdf(min(b, c), n, 0.5)))
        return
    extreme = [abs(2 * sum(way) - n) >= abs(b - c) for way in product((0, 1), repeat=n)]
    assert mcnemar(b, c) == pytest.approx(np.mean(extreme))


@pytest.mark.parametrize(("b", "c"), [(25, 0), (20, 15), (30, 30), (700, 900), (59, 40)])
def test_many_discordant_images_take_chi_squared(b, c):
    """McNemar's corrected statistic is Yates' for b and c against their mean, which scipy computes from a table."""
    mean = (b + c) / 2
    yates = 2 * max(abs(b - mean) - 0.5, 0) ** 2 / mean
    assert mcnemar(b, c) == mcnemar(c, b) == pytest.approx(stats.chi2.sf(yates, 1))
    assert mcnemar(b, c) == pytest.approx(stats.binomtest(b, b + c).pvalue, abs=0.01)


def test_one_draw_is_mcnemars():
    truth, first, second = labels_of(50, 30, 12, 8)
    found = compare(truth, first, second, ("A", "B"))
    assert (found.draws, found.test_images, found.only_first, found.only_second) == (1, 100, (30,), (12,))
    assert found.difference == pytest.approx(18.0)
    assert (found.low, found.high) == (found.wide_low, found.wide_high) == newcombe_interval(50, 30, 12, 8)
    assert found.p_value == found.adjusted == mcnemar(30, 12)
    assert found.verdict == "A over B"
    assert compare(truth, second, first, ("B", "A")).verdict == "A over B"
    assert compare(truth, second, first).difference == pytest.approx(-18.0)
    assert replace(found, adjusted=0.05).verdict == "not told apart"
    same = compare(truth, first, first)
    assert (same.difference, same.p_value, same.verdict) == (0.0, 1.0, "not told apart")


def experiment(random, draws=8, images=300, gain=0.0, spread=0.15):
    """Predictions of two classifiers: images differ in difficulty for each, draws in how well they teach each."""
    easy = random.normal(0.3, 1.0, (1, images))
    scores = []
    for better in (gain, 0.0):
        own = easy + random.normal(0, 0.8, (1, images)) + random.normal(0, spread, (draws, 1))
        scores.append(own + random.normal(0, 0.5, (draws, images)) + better > 0)
    return np.ones(images, bool), scores[0], scores[1]


def test_several_draws_are_a_paired_t_test():
    truth, first, second = experiment(np.random.default_rng(1), gain=0.3)
    found = compare(truth, first, second)
    theirs: Any = stats.ttest_rel(100 * first.mean(1), 100 * second.mean(1))
    interval = theirs.confidence_interval()
    assert found.difference == pytest.approx(100 * (first.mean() - second.mean()))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.p_value == pytest.approx(theirs.pvalue)
    assert found.only_first == tuple((first & ~second).sum(1))
    assert found.only_second == tuple((second & ~first).sum(1))
    assert found.wide_low < found.low < found.high < found.wide_high


def test_the_interval_over_both_holds_that_over_the_draws():
    random = np.random.default_rng(5)
    for _ in range(50):
        found = compare(*experiment(random, draws=2, spread=0.4))
        assert found.wide_low <= found.low <= found.difference <= found.high <= found.wide_high


def test_what_holds_on_other_test_images_too():
    """Equal classifiers, many experiments: the interval over draws is right for the images at hand alone."""
    random = np.random.default_rng(2)
    found = [compare(*experiment(random)) for _ in range(300)]
    wide = np.mean([each.wide_low <= 0 <= each.wide_high for each in found])
    narrow = np.mean([each.low <= 0 <= each.high for each in found])
    assert 0.93 < wide < 0.98
    assert narrow < 0.9
    words = {each.verdict for each in found}
    assert "not told apart" in words
    assert {"the first over the second on these test images", "the second over the first on these test images"} & words


def test_clear_differences_are_told_apart():
    random = np.random.default_rng(3)
    verdicts = [compare(*experiment(random, gain=1.0)).verdict for _ in range(20)]
    assert verdicts.count("the first over the second") >= 18


def test_draws_that_differ_equally_leave_no_doubt():
    truth = np.ones(10, int)
    first, second = np.ones((3, 10), int), np.ones((3, 10), int)
    found = compare(truth, first, second)
    assert (found.difference, found.p_value, found.wide_low, found.wide_high) == (0.0, 1.0, 0.0, 0.0)
    second[:, 0] = 0
    found = compare(truth, first, second)
    assert (found.difference, found.low, found.high, found.p_value) == pytest.approx((10.0, 10.0, 10.0, 0.0))
    assert found.verdict == "the first over the second on these test images"  # one image decides it


def test_shapes_that_do_not_match_are_refused():
    truth, first, second = labels_of(1, 1, 1, 1)
    for wrong in ((truth[:3], first, second), (truth, first[0], second[0]), (truth, first, second[:, :3])):
        with pytest.raises(ValueError, match="predictions of shapes"):
            compare(*wrong)
    with pytest.raises(ValueError, match="no predictions"):
        compare(truth, first[:0], second[:0])


def test_holms_adjustment():
    """By the definition: steps from the smallest p-value on, at level/m, level/(m - 1) ..., until one does not hold."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
    random = np.random.default_rng(4)
    for p_values in random.random((20, 6)) ** 3:
        adjusted = np.array(holm(p_values.tolist()))
        for level in (0.01, 0.05, 0.2):
            rejected = np.zeros(6, bool)
            for step, index in enumerate(np.argsort(p_values)):
                if p_values[index] > level / (6 - step):
                    break
                rejected[index] = True
            np.testing.assert_array_equal(adjusted <= level, rejected)


def test_the_interval_of_an_accuracy_covers_draws_and_images():
    """Both the draws of labels and the test images are drawn anew: the true mean lies in about 95% of the intervals."""
    random = np.random.default_rng(0)
    draws, images, inside, narrow = 10, 400, 0, 0
    for _ in range(600):
        skill = np.clip(0.7 + 0.03 * random.standard_normal((draws, 1)), 0, 1)
        hard = 0.5 * (random.random(images) < 0.5)  # half of the images are got right by chance alone
        right = random.random((draws, images)) < skill * (1 - hard) + hard * 0.4
        values = 100 * right.mean(1)
        mean = float(values.mean())
        low, high = accuracy_interval(values.tolist(), *wilson_interval(mean, images))
        truth = 100 * (0.5 * 0.7 + 0.5 * (0.7 * 0.5 + 0.5 * 0.4))
        inside += low <= truth <= high
        narrow += abs(mean - truth) <= 2.262 * values.std(ddof=1) / draws**0.5
    assert inside / 600 >= 0.93
    assert narrow < inside
    assert accuracy_interval([70.0], 65.0, 74.0) == (65.0, 74.0)
