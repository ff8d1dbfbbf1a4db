"""Logistic regression on features: multinomial or one against the rest, exact to a certified duality gap."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.exceptions import ConvergenceWarning

from dcgan_features.data.utils.checks import check_positive
from dcgan_features.data.utils.identity import known_as
from dcgan_features.eval.l2svm import matrices
from dcgan_features.eval.l2svm.estimator import LinearClassifier
from dcgan_features.eval.l2svm.gram import GramSpace, gram_matrix
from dcgan_features.eval.l2svm.primal import WeightSpace
from dcgan_features.eval.l2svm.problem import EXACT_ROWS, GRAM_ROWS
from dcgan_features.eval.l2svm.space import Space
from dcgan_features.eval.l2svm.validation import Features, Rows, check_device, check_problem
from dcgan_features.eval.logistic.losses import Loss, Multinomial, OneVsRest
from dcgan_features.eval.logistic.newton import Fitted, SharedInverse, minimise

_SMALL = 1 << 17  # numbers in X, up to which float64 costs nothing
_FEW = 3  # fits up to which multiplying out X X' or X' X may not be worth it,
_EASY = 20.0  # if the Hessian's condition outside a few leading directions is below this, and where either is large
_LARGE = 1 << 32


@known_as("eval.logistic.LogisticProbe")
class LogisticProbe(LinearClassifier):
    """L2-regularised logistic regression.

    It minimises 1/2 |W|^2 + C sum_i -log softmax(W x_i)_y or, for each class,
    1/2 |w|^2 + C sum_i log(1 + exp(-t_i w.x_i)), the intercept being the weight of a constant feature of 1, as in
    `L2SVM`. So `coef_` equals that of `sklearn.linear_model.LogisticRegression(C=C, fit_intercept=False)` on features
    with such a column.

    Parameters
    ----------
    C : weight of the losses, > 0.
    multi_class : "multinomial", or "ovr" for each class against the rest. Two classes have one column either way:
        then both are the same model with the same loss, w regularised as one vector.
    tol : relative duality gap at which the fit ends, > 0; the certificate is `duality_gap_`.
    max_iter : most Newton steps, >= 1; when they do not suffice, a `ConvergenceWarning` says so.
    fit_intercept, class_weight, device, sharded : as in `L2SVM`, but that a class's weight counts for its rows in every
        column, as in scikit-learn's `LogisticRegression`.

    Attributes
    ----------
    classes_ : (n_classes,), sorted. coef_, intercept_ : (n_classes, d) and (n_classes,), or (1, d) and (1,) for two.
    objective_, duality_gap_ : (1,), or (n_classes,) one against the rest. n_iter_ : Newton steps. n_products_ : passes
        over the data.
    """

    def __init__(
        self,
        C: float = 1.0,
        *,
        multi_class: str = "multinomial",
        tol: float = 1e-4,
        max_iter: int = 100,
        fit_intercept: bool = True,
        class_weight: Any = None,
        device: str | None = None,
        sharded: bool = False,
    ) -> None:
        self.C = C
        self.multi_class = multi_class
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.device = device
        self.sharded = sharded

    def fit(self, X: Features, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Fit to X (n, d) and labels y (n,). Raises ValueError for unusable input or parameters."""
        C = check_positive("C", self.C)
        problem = _Problem(self, X, y, sample_weight, [C])
        for _, fitted in problem.path([C], self.tol, self.max_iter):
            problem.store(self, fitted)
        return self

    def predict_proba(self, X: Features) -> npt.NDArray[Any]:
        """Probabilities of the classes, (n, n_classes); one against the rest they are scaled to a sum of 1."""
        values = torch.from_numpy(np.ascontiguousarray(self.decision_function(X)))
        if values.dim() == 1:
            positive = values.sigmoid()
            return torch.stack([1 - positive, positive], 1).numpy()
        if self.multi_class == "multinomial":
            return values.softmax(1).numpy()
        each = values.sigmoid()
        return (each / each.sum(1, keepdim=True)).numpy()


def logistic_path(
    X: Features, y: npt.ArrayLike, Cs: Iterable[float], *, sample_weight: npt.ArrayLike | None = None, **options: Any
) -> list[LogisticProbe]:
    """Fit a `LogisticProbe` for each C, from the smallest to the largest, each begun from the one before.

    Returns the fitted classifiers in the order of `Cs`. The options are those of `LogisticProbe`.
    """
    values = [check_positive("C", C) for C in Cs]
    fitted = {C: LogisticProbe(C, **options) for C in values}
    if not fitted:
        return []
    first = fitted[values[0]]
    problem = _Problem(first, X, y, sample_weight, values)
    for C, solution in problem.path(values, first.tol, first.max_iter):
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(first, name):
                setattr(fitted[C], name, getattr(first, name))
        problem.store(fitted[C], solution)
    return [fitted[C] for C in values]


@known_as("eval.logistic.LogisticProbeCV")
class LogisticProbeCV(LogisticProbe):
    """`LogisticProbe` that chooses C by its mean accuracy on the folds' held-out rows, then fits all of X with it.

    Parameters
    ----------
    Cs : values of C to choose from, each > 0. The best mean accuracy wins; of equals the smallest C.
    cv : number of stratified folds, a scikit-learn splitter, or (train, test) pairs.
    The others are those of `LogisticProbe`; `sharded` is not among them.

    Attributes
    ----------
    C_ : the chosen C. scores_ : mean held-out accuracy in percent for each C.
    """

    def __init__(
        self,
        Cs: Sequence[float] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0),
        *,
        cv: Any = 5,
        multi_class: str = "multinomial",
        tol: float = 1e-4,
        max_iter: int = 100,
        fit_intercept: bool = True,
        class_weight: Any = None,
        device: str | None = None,
    ) -> None:
        self.Cs = Cs
        self.cv = cv
        self.multi_class = multi_class
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.device = device

    def fit(self, X: Features, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Choose C and fit to X (n, d), y (n,). Raises ValueError for unusable input or parameters."""
        candidates = [check_positive("each of Cs", C) for C in self.Cs]
        if not candidates:
            raise ValueError("Cs is empty; give at least one value of C")
        from sklearn.model_selection import check_cv

        problem = _Problem(self, X, y, sample_weight, [*candidates] * 2)
        index = problem.rows.index
        splits = list(check_cv(self.cv, index, classifier=True).split(np.zeros((len(index), 1)), index))
        scores: dict[float, list[float]] = {C: [] for C in sorted(set(candidates))}
        if any(len(np.unique(index[train])) < len(problem.rows.classes) for train, _ in splits):
            raise ValueError("a fold of cv holds out every row of a class; stratify the folds")
        begun: list[Fitted | None] = [None] * len(splits)
        for C in scores:  # all folds at one C, by the same inverse
            for fold, (train, test) in enumerate(splits):
                kept = np.zeros(len(index), bool)
                kept[train] = True
                fitted = problem.solve(C, max(self.tol, 1e-3), self.max_iter, kept, begun[fold])
                begun[fold] = fitted
                values = fitted.decision[torch.from_numpy(test)]
                chosen = values.argmax(1) if values.shape[1] > 1 else (values[:, 0] > 0).long()
                scores[C].append(100 * float((chosen.cpu().numpy() == index[test]).mean()))
        self.scores_ = {C: float(np.mean(each)) for C, each in scores.items()}
        self.C_ = max(self.scores_, key=lambda value: (self.scores_[value], -value))
        for _, fitted in problem.path([self.C_], self.tol, self.max_iter):
            problem.store(self, fitted)
        return self


class _Problem:
    """X and its labels, ready to be solved for any C and any subset of the rows.

    Cs : those of all fits that there will be; how many they are and how large decides what is worth preparing.
    """

    def __init__(
        self,
        estimator: Any,
        X: Features,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None,
        Cs: Sequence[float],
    ) -> None:
        if estimator.multi_class not in ("multinomial", "ovr"):
            raise ValueError(f"multi_class must be 'multinomial' or 'ovr', not {estimator.multi_class!r}")
        device = check_device(estimator.device)
        self.rows: Rows = check_problem(estimator, X, y, sample_weight, each_column=False)
        self.multinomial = estimator.multi_class == "multinomial"
        self.intercept = estimator.fit_intercept
        features = self.rows.features
        self.place = features.device if device is None else device
        count, dimensions = len(self.rows.index), features.shape[1]  # of all processes, so that they decide alike
        self.out_dtype = torch.float64 if features.dtype == torch.float64 else torch.float32
        self.use_gram = self.rows.processes.count == 1 and count < dimensions and count <= GRAM_ROWS
        exact = (self.use_gram and count <= EXACT_ROWS) or count * dimensions <= _SMALL
        self.small = count * dimensions <= _SMALL
        self.dtype = torch.float64 if exact else self.out_dtype
        self.exact = True
        self.space: Space
        if not exact and len(Cs) <= _FEW and count * dimensions * min(count, dimensions) > _LARGE:
            direct = WeightSpace(features, self.intercept, self.dtype, self.place, self.rows.processes)
            # The curvature of a logistic loss is largest where nothing is decided yet.
            share = 1 / max(len(self.rows.classes), 2)
            if max(Cs) * share * (1 - share) * direct.beyond() < _EASY:
                self.use_gram, self.exact, self.space = False, False, direct
        if self.exact:
            self.space = self._space(self.dtype)
        self.inverse = SharedInverse(self.space, self.exact)

    def _space(self, dtype: torch.dtype) -> Space:
        features = self.rows.features
        if self.use_gram:
            if self.place.type == "cpu" and features.device.type == "cpu":
                wide = np.float64 if dtype == torch.float64 else np.float32
                return GramSpace(torch.from_numpy(matrices.gram_matrix(features, self.intercept, wide)))
            return GramSpace(gram_matrix(features, self.intercept, dtype, self.place))
        return WeightSpace(features, self.intercept, dtype, self.place, self.rows.processes)

    def _loss(self, kept: npt.NDArray[Any] | None) -> Loss:
        own = self.rows.index[self.rows.own]
        m = np.ones(len(own)) if self.rows.weights is None else self.rows.weights[0]
        weights = torch.from_numpy(m if kept is None else m * kept)[:, None].to(self.place, self.space.dtype)
        index = torch.from_numpy(own).to(self.place)
        classes = len(self.rows.classes)
        if self.multinomial and classes > 2:
            return Multinomial(index, classes, weights)
        return OneVsRest(index, 1 if classes == 2 else classes, weights)

    def path(self, Cs: Iterable[float], tol: float, max_iter: int) -> Iterator[tuple[float, Fitted]]:
        """Yield (C, solution) in ascending order of C, each begun from the one before."""
        start = None
        for C in sorted(set(Cs)):
            start = self.solve(C, tol, max_iter, start=start)
            yield C, start

    def solve(
        self,
        C: float,
        tol: float,
        max_iter: int,
        kept: npt.NDArray[Any] | None = None,
        start: Fitted | None = None,
    ) -> Fitted:
        """The solution for one C. kept : (n,) of bool, the rows that count; None is all. start : one to begin from."""
        if start is not None and start.vector.dtype != self.space.dtype:
            start = self._restated(start)
        shared: dict[str, Any] = {"tol": tol, "to_the_end": self.small}
        fitted = minimise(
            self.space, self._loss(kept), C, max_iter=max_iter, inverse=self.inverse, start=start, **shared
        )
        if fitted.converged or fitted.iterations == max_iter or self.space.dtype == torch.float64:
            return fitted
        self.space = self._space(torch.float64)  # float32 has no digits left: the rest is done in float64
        self.inverse = SharedInverse(self.space, self.exact)
        begun, left = self._restated(fitted), max_iter - fitted.iterations
        exact = minimise(self.space, self._loss(kept), C, max_iter=left, inverse=self.inverse, start=begun, tol=tol)
        exact.iterations += fitted.iterations
        exact.products += fitted.products
        return exact

    def _restated(self, fitted: Fitted) -> Fitted:
        vector = self.space.restated(fitted.vector)
        return Fitted(vector, self.space.decision(vector), fitted.objective, fitted.gap, 0, 0.0, False)

    def store(self, estimator: Any, fitted: Fitted) -> None:
        """Set the attributes that end in an underscore from a solution."""
        if not fitted.converged:
            worst = float((fitted.gap / fitted.objective).max())
            warnings.warn(
                f"{type(estimator).__name__} stopped after {fitted.iterations} of at most {estimator.max_iter} Newton "
                f"steps with a relative duality gap of {worst:.1e}; raise max_iter or tol, or scale the features",
                ConvergenceWarning,
                stacklevel=3,
            )
        whole = fitted.vector
        if self.use_gram:
            explicit = WeightSpace(self.rows.features, self.intercept, fitted.vector.dtype, self.place)
            whole = explicit.adjoint(fitted.vector[0])
        estimator.classes_ = self.rows.classes
        estimator.coef_ = whole[:-1].T.contiguous().to(self.out_dtype).cpu().numpy()
        estimator.intercept_ = whole[-1].to(self.out_dtype).cpu().numpy()
        estimator.objective_ = fitted.objective.cpu().numpy()
        estimator.duality_gap_ = fitted.gap.cpu().numpy()
        estimator.n_iter_ = max(fitted.iterations, 1)
        estimator.n_products_ = fitted.products
