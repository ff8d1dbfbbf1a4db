import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from dcgan_features.eval.disentanglement import (
    dci,
    factor_vae_score,
    linear_decodability,
    mutual_information_gap,
    sap_score,
    scores_of_importance,
)
from dcgan_features.eval.disentanglement.gaps import _binned

KINDS = ("categorical", "ordered", "ordered")
SIZES = (3, 4, 5)


def drawn(count=1500, seed=0):
    random = np.random.default_rng(seed)
    return np.stack([random.integers(0, size, count) for size in SIZES], 1)


def axis_codes(values, noise=0.02, seed=1):
    """Each factor on a dimension of its own, in another order, and a dimension of noise."""
    random = np.random.default_rng(seed)
    codes = np.concatenate([values[:, [2, 0, 1]], np.zeros((len(values), 1))], 1).astype(np.float64)
    return codes + noise * random.normal(size=codes.shape)


def turned(codes, seed=2):
    """The same codes in axes that have nothing to do with the factors."""
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(codes.shape[1], codes.shape[1])))
    return codes / np.array([1.4, 0.8, 1.1, 0.02])[: codes.shape[1]] @ turn


@pytest.mark.parametrize(
    ("importance", "disentanglement", "completeness"),
    [
        (np.eye(3), 1.0, [1, 1, 1]),
        (np.ones((4, 3)), 0.0, [0, 0, 0]),
        # Two dimensions say the first factor alone, the third says the second: no dimension is shared.
        (np.array([[1.0, 0], [1, 0], [0, 1]]), 1.0, [1 - np.log(2) / np.log(3), 1]),
        # By hand: rows (1/2, 1/2) and (0, 1) of weights 2/3 and 1/3; entropies 1 and 0.
        (np.array([[1.0, 1], [0, 1]]), 1 / 3, [1, 0]),
        (np.array([[0.0, 0], [0, 1]]), 1.0, [0, 1]),
        (np.zeros((2, 2)), 0.0, [0, 0]),
    ],
)
def test_scores_of_importance_by_hand(importance, disentanglement, completeness):
    found, by_factor = scores_of_importance(importance.astype(float))
    assert found == pytest.approx(disentanglement)
    np.testing.assert_allclose(by_factor, completeness, atol=1e-12)


@pytest.mark.parametrize("model", ["forest", "boosted", "lasso"])
def test_dci_tells_axes_from_a_turned_code(model):
    values, others = drawn(600), drawn(300, seed=5)
    codes, test_codes = axis_codes(values), axis_codes(others, seed=6)
    straight = dci(codes, values, test_codes, others, model, trees=10)
    slanted = dci(turned(codes), values, turned(test_codes), others, model, trees=10)
    least = 0.7 if model == "lasso" else 0.9  # its indicators of middle values are not linear in a code
    assert straight.disentanglement > least
    assert straight.completeness > least
    assert straight.importance.argmax(0).tolist() == [1, 2, 0]
    assert slanted.disentanglement < straight.disentanglement - 0.3
    if model != "lasso":
        assert straight.informativeness > 0.98
    noise = np.random.default_rng(0).normal(size=codes.shape)
    none = dci(noise, values, noise[:300], others, model, trees=10)
    assert none.informativeness < 0.5


def test_mutual_information_gap_is_that_of_scikit_learns_information():
    values = drawn()
    codes = turned(axis_codes(values))
    _, gaps, shares = mutual_information_gap(codes, values, bins=7)
    for factor, column in enumerate(values.T):
        entropy = mutual_info_score(column, column)
        expected = [mutual_info_score(column, _binned(code, 7)) / entropy for code in codes.T]
        np.testing.assert_allclose(shares[:, factor], expected, atol=1e-10)
        ranked = sorted(expected)
        assert gaps[factor] == pytest.approx(ranked[-1] - ranked[-2])


def test_mutual_information_gap_by_hand():
    values = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 5)
    both = values.astype(float)
    assert mutual_information_gap(both, values)[0] == pytest.approx(1)
    assert mutual_information_gap(np.repeat(both, 2, 1), values)[0] == pytest.approx(0, abs=1e-12)  # each said twice
    assert mutual_information_gap(np.zeros((20, 2)), values)[0] == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="bins=1"):
        mutual_information_gap(both, values, bins=1)


def test_bins_are_equal_parts_of_the_range():
    assert _binned(np.array([0.0, 0.24, 0.26, 0.99, 1.0]), 4).tolist() == [0, 0, 1, 3, 3]
    assert _binned(np.ones(3), 4).tolist() == [0, 0, 0]


def test_sap_is_the_gap_of_squared_correlations():
    values = drawn(4000)[:, 1:2]
    random = np.random.default_rng(0)
    codes = np.concatenate([values + random.normal(size=(4000, 1)) * s for s in (0.5, 2.0)], 1)
    score, _ = sap_score(codes, values, codes, values, ["ordered"])
    squares = [np.corrcoef(code, values[:, 0])[0, 1] ** 2 for code in codes.T]
    assert score == pytest.approx(squares[0] - squares[1], abs=1e-9)


def test_sap_by_thresholds_and_on_a_circle():
    values, others = drawn(), drawn(seed=4)
    codes, test_codes = axis_codes(values), axis_codes(others, seed=3)
    score, gaps = sap_score(codes, values, test_codes, others, KINDS)
    assert score > 0.6
    assert gaps[0] > 0.5  # of the shape: all right against a third
    hue = np.arange(1200)[:, None] % 6
    angle = 2 * np.pi * hue / 6
    circle = np.concatenate([np.cos(angle), np.sin(angle), np.zeros_like(angle)], 1)
    # The cosine and the sine each say half of the point on the circle.
    assert sap_score(circle, hue, circle, hue, ["cyclic"])[0] == pytest.approx(0, abs=1e-9)
    assert sap_score(circle[:, [0, 2]], hue, circle[:, [0, 2]], hue, ["cyclic"])[0] == pytest.approx(0.5)


def test_factor_vae_score_of_axes_of_a_turned_code_and_of_noise():
    values = drawn(3000)
    codes = axis_codes(values)
    random = np.random.default_rng(0)
    assert factor_vae_score(codes, values, random, 200) == 1.0
    # Sum and difference of two factors vary as little whichever of the two is fixed: only the third is told.
    scaled = (codes[:, :3] - codes[:, :3].mean(0)) / codes[:, :3].std(0)
    mixed = np.stack([scaled[:, 0] + scaled[:, 1], scaled[:, 0] - scaled[:, 1], scaled[:, 2]], 1)
    assert factor_vae_score(mixed, values, random, 600) == pytest.approx(2 / 3, abs=0.08)
    assert factor_vae_score(random.normal(size=codes.shape), values, random, 400) < 0.5
    assert factor_vae_score(np.zeros((3000, 2)), values, random) == pytest.approx(1 / 3)
    # A dimension that hardly varies would win every vote, were it not left out.
    assert factor_vae_score(np.concatenate([codes, 1e-6 * random.normal(size=(3000, 1))], 1), values, random, 200) == 1


def test_linear_decodability_against_least_squares():
    values, others = drawn(3000), drawn(2000, seed=9)
    random = np.random.default_rng(0)
    mix = random.normal(size=(3, 6))
    codes, test_codes = (v @ mix + random.normal(size=(len(v), 6)) for v in (values, others))
    found = linear_decodability(codes, values, test_codes, others, KINDS)
    for factor in (1, 2):
        design = np.concatenate([codes, np.ones((3000, 1))], 1)
        weights = np.linalg.lstsq(design, values[:, factor], rcond=None)[0]
        predicted = np.concatenate([test_codes, np.ones((2000, 1))], 1) @ weights
        expected = (
            1
            - ((others[:, factor] - predicted) ** 2).sum() / ((others[:, factor] - others[:, factor].mean()) ** 2).sum()
        )
        assert found[factor] == pytest.approx(expected, abs=2e-3)
    noise = random.normal(size=(3000, 6))
    assert np.abs(linear_decodability(noise, values, noise[:2000], others, KINDS)).max() < 0.05
    corners = np.eye(3)[values[:, 0]] + 0.01 * random.normal(size=(3000, 3))
    assert linear_decodability(corners, values[:, :1], corners, values[:, :1], ["categorical"])[0] == pytest.approx(1)


def test_what_does_not_fit_is_refused():
    values = drawn(20)
    codes = axis_codes(values)
    with pytest.raises(ValueError, match="must be"):
        mutual_information_gap(codes[:10], values)
    with pytest.raises(ValueError, match="finite"):
        mutual_information_gap(codes * np.nan, values)
    with pytest.raises(ValueError, match="same value"):
        mutual_information_gap(codes, values * 0)
    with pytest.raises(ValueError, match="kind"):
        linear_decodability(codes, values, codes, values, ("round", "ordered", "ordered"))
    with pytest.raises(ValueError, match="2 kinds"):
        sap_score(codes, values, codes, values, KINDS[:2])
    with pytest.raises(ValueError, match="model"):
        dci(codes, values, codes, values, "deep")
    with pytest.raises(ValueError, match="votes"):
        factor_vae_score(codes, values, np.random.default_rng(0), votes=0)
