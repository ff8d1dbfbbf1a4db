"""Disentanglement, completeness and informativeness (DCI).

Source: Eastwood & Williams (2018), "A framework for the quantitative evaluation of disentangled representations",
section 2. Each factor is predicted from the code by a model that says how important every dimension is to it. The
paper has lasso and random forests; gradient-boosted trees are those of Locatello et al. (2019). Every factor is
predicted as a class, so that all are on one scale, and informativeness is accuracy (the paper's is an error).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import Lasso
from sklearn.preprocessing import StandardScaler

from dcgan_features.data.utils.checks import check_choice
from dcgan_features.eval.disentanglement.targets import Codes, Values, check_codes

MODELS = ("forest", "boosted", "lasso")
_PENALTY = 0.005  # of the lasso; the paper chooses it by cross-validation


@dataclass(frozen=True)
class DCI:
    """The three scores, 0..1, and what they come from.

    disentanglement : how far each dimension says one factor alone, dimensions weighted by their importance.
    completeness : how far each factor is said by one dimension alone, mean over factors. informativeness : accuracy on
    the test images, mean over factors. by_factor : completeness of each. accuracies : of each factor.
    importance : (dimensions, factors), each factor's add up to 1.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    by_factor: npt.NDArray[np.float64]
    accuracies: npt.NDArray[np.float64]
    importance: npt.NDArray[np.float64]


def dci(
    codes: Codes,
    values: Values,
    test_codes: Codes,
    test_values: Values,
    model: str = "forest",
    trees: int = 100,
    seed: int = 0,
) -> DCI:
    """The scores of codes; models are fitted on the first two arguments, informativeness is measured on the others.

    model : "forest", "boosted" or "lasso" (regression of each value's indicator, on standardised codes). trees : of
    each forest, or rounds of boosting. Raises ValueError for arrays that do not fit each other or an unknown model.
    """
    check_codes(codes, values)
    check_codes(test_codes, test_values)
    check_choice("model", model, list(MODELS))
    if model == "lasso":
        scaler = StandardScaler().fit(codes)
        codes, test_codes = scaler.transform(codes), scaler.transform(test_codes)
    importance = np.empty((codes.shape[1], values.shape[1]))
    accuracies = np.empty(values.shape[1])
    for factor in range(values.shape[1]):
        fitted = _model(model, trees, seed).fit(codes, values[:, factor])
        accuracies[factor] = (fitted.predict(test_codes) == test_values[:, factor]).mean()
        found = np.abs(fitted.coef_).sum(0) if model == "lasso" else fitted.feature_importances_
        importance[:, factor] = found / max(found.sum(), np.finfo(float).tiny)
    disentanglement, by_factor = scores_of_importance(importance)
    return DCI(disentanglement, float(by_factor.mean()), float(accuracies.mean()), by_factor, accuracies, importance)


def scores_of_importance(importance: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
    """Disentanglement, and the completeness of each factor, of importances (dimensions, factors), none below 0.

    With one factor, or one dimension, there is nothing to tell apart: the score is then 1. A dimension that is
    important to nothing has no weight; a factor to which nothing is important has completeness 0.
    """
    total = importance.sum()
    if total <= 0:
        return 0.0, np.zeros(importance.shape[1])
    of_dimensions = 1 - _entropies(importance)
    weights = importance.sum(1) / total
    return float((weights * of_dimensions).sum()), 1 - _entropies(importance.T)


def _entropies(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Entropy of each row, made to add up to 1, as a part of the largest possible; 1 for a row of zeros."""
    if rows.shape[1] == 1:
        return (rows.sum(1) <= 0).astype(np.float64)
    sums = rows.sum(1, keepdims=True)
    shares = np.divide(rows, sums, out=np.full_like(rows, 1 / rows.shape[1]), where=sums > 0)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    entropies: npt.NDArray[np.float64] = -(shares * logs).sum(1) / np.log(rows.shape[1])
    return entropies


def _model(name: str, trees: int, seed: int) -> Any:
    if name == "forest":
        # All dimensions at each split, as regression forests have it: else chance gives importance to the others.
        return RandomForestClassifier(trees, max_features=None, min_samples_leaf=3, random_state=seed)
    if name == "boosted":
        return GradientBoostingClassifier(n_estimators=trees, random_state=seed)
    return _LassoClassifier()


class _LassoClassifier:
    """The class whose indicator the lasso predicts highest."""

    def fit(self, codes: Codes, column: npt.NDArray[np.int64]) -> Self:
        self.classes_, indices = np.unique(column, return_inverse=True)
        self._lasso = Lasso(_PENALTY).fit(codes, np.eye(len(self.classes_))[indices])
        self.coef_: npt.NDArray[np.float64] = self._lasso.coef_  # (classes, dimensions)
        return self

    def predict(self, codes: Codes) -> npt.NDArray[np.int64]:
        found: npt.NDArray[np.int64] = self.classes_[self._lasso.predict(codes).argmax(1)]
        return found
