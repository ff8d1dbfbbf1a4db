"""One setting of any classifier chosen on held-out rows of its training set, as `L2SVMCV` chooses C."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits
from torch import Tensor

from dcgan_features.data.utils.identity import known_as
from dcgan_features.eval.l2svm.validation import Features

_SMALL = 4_000_000  # numbers in X up to which one thread fits


@known_as("eval.held_out_choice.HeldOutChoice")
class HeldOutChoice(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier with the value of one setting that does best on held-out rows, then fitted to all rows.

    estimator : a scikit-learn classifier. setting : the name of its parameter. values : to choose from; of equals the
    first. holdout : indices of the rows of X that are held out; None is stratified folds, `n_splits` of them, shuffled
    by `seed`.

    Learned: `best_`, the classifier fitted to all rows; `C_`, the value chosen; `scores_`, held-out accuracy in percent
    by value; `classes_`.
    """

    def __init__(
        self,
        estimator: Any,
        values: Sequence[float],
        *,
        setting: str = "C",
        holdout: npt.ArrayLike | None = None,
        n_splits: int = 5,
        seed: int = 0,
    ) -> None:
        self.estimator = estimator
        self.values = values
        self.setting = setting
        self.holdout = holdout
        self.n_splits = n_splits
        self.seed = seed

    def fit(self, X: Features, y: npt.ArrayLike) -> Self:
        """Choose, and fit to X (n, d), y (n,). Raises ValueError for no values and what the classifier refuses."""
        labels = np.asarray(y)
        if not len(self.values):
            raise ValueError("values is empty; give at least one")
        # Small products on several threads wait for each other more than they compute, above all on busy cores.
        with threadpool_limits(1 if np.prod(X.shape) < _SMALL else None):
            return self._fit(X, labels)

    def _fit(self, X: Features, labels: npt.NDArray[Any]) -> Self:
        scores: dict[float, list[float]] = {value: [] for value in self.values}
        if len(scores) > 1:
            for own, held in self._splits(labels):
                train, test = _rows(X, own), _rows(X, held)
                for value in scores:
                    fitted = self._with(value).fit(train, labels[own])
                    scores[value].append(float((fitted.predict(test) == labels[held]).mean()) * 100)
        self.scores_ = {value: float(np.mean(found)) for value, found in scores.items() if found}
        self.C_ = max(self.scores_, key=lambda value: self.scores_[value]) if self.scores_ else self.values[0]
        self.best_ = self._with(self.C_).fit(X, labels)
        self.classes_ = self.best_.classes_
        return self

    def predict(self, X: Features) -> npt.NDArray[Any]:
        """The class of each row, (n,)."""
        check_is_fitted(self)
        chosen: npt.NDArray[Any] = self.best_.predict(X)
        return chosen

    def predict_proba(self, X: Features) -> npt.NDArray[np.float64]:
        """The probability of each class, (n, n_classes), where the classifier has any."""
        check_is_fitted(self)
        shares: npt.NDArray[np.float64] = self.best_.predict_proba(X)
        return shares

    def _with(self, value: float) -> Any:
        return clone(self.estimator).set_params(**{self.setting: value})

    def _splits(self, labels: npt.NDArray[Any]) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        if self.holdout is not None:
            held = np.asarray(self.holdout)
            return [(np.setdiff1d(np.arange(len(labels)), held), held)]
        folds = StratifiedKFold(self.n_splits, shuffle=True, random_state=self.seed)
        return list(folds.split(labels, labels))


def _rows(features: Features, chosen: npt.NDArray[np.int64]) -> Features:
    return features[torch.from_numpy(chosen)] if isinstance(features, Tensor) else features[chosen]
