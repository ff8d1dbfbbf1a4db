"""The L2-SVM of the tables: an exact, fast solver for the problem that LIBLINEAR's L2-loss SVC solves."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from dcgan_features.data.utils.checks import check_positive
from dcgan_features.data.utils.identity import known_as
from dcgan_features.eval.l2svm.gram import GramSpace, gram_matrix
from dcgan_features.eval.l2svm.newton import Preconditioner, Solution, minimise
from dcgan_features.eval.l2svm.primal import WeightSpace
from dcgan_features.eval.l2svm.space import Space
from dcgan_features.eval.l2svm.validation import Features, Rows, check_features, check_problem

GRAM_ROWS = 8192  # most rows for which the Gram matrix is made,
EXACT_ROWS = 2048  # and up to which it is float64 always, which costs nothing there


@known_as("eval.l2svm.L2SVM")
class L2SVM(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """One-against-the-rest linear support vector machine with the squared hinge loss.

    For each class it minimises 1/2 |w|^2 + 1/2 b^2 + C sum_i max(0, 1 - t_i (w.x_i + b))^2, the intercept b being
    the weight of a constant feature of 1. That is LIBLINEAR's L2-regularised L2-loss SVC (Fan et al., JMLR 9, 2008),
    so `coef_`, `intercept_` and the objective compare one to one with `sklearn.svm.LinearSVC`.

    Parameters
    ----------
    C : weight of the losses, > 0.
    tol : relative duality gap at which a class is finished, > 0: the objective is then at most 1 + tol (to first
        order) times the optimum. The certificate is `duality_gap_`.
    max_iter : most Newton steps, >= 1; when they do not suffice, a `ConvergenceWarning` says so.
    fit_intercept : whether b is there at all.
    device : "cpu", "cuda", ...; None takes that of X, or the CPU for numpy arrays.
    sharded : X and y are one process's rows of a larger problem, whose other rows the other processes of
        torch.distributed's default group hold; all of them call `fit`, each with at least one row, and all get the
        same solution, to the bit. They exchange d x n_classes numbers a pass over the data, the labels once, and
        d x d x n_classes numbers each time that the exact inverse is made.

    Attributes
    ----------
    classes_ : (n_classes,), sorted.
    coef_, intercept_ : (n_classes, d) and (n_classes,), or (1, d) and (1,) for two classes.
    objective_, duality_gap_ : (n_classes,) or (1,), at the solution.
    n_iter_ : Newton steps taken. n_products_ : passes over the data, X w and X' u counting as half a pass each.

    X is a numpy array (float32 or float64; other numbers are converted) or a torch tensor (also bfloat16 and
    float16, which are converted block by block and never copied whole), in memory or memory-mapped, (n, d).
    Arithmetic is float64 for float64 input; otherwise float32, and float64 from where that does not suffice for tol.
    """

    def __init__(
        self,
        C: float = 1.0,
        *,
        tol: float = 1e-4,
        max_iter: int = 100,
        fit_intercept: bool = True,
        device: str | None = None,
        sharded: bool = False,
    ) -> None:
        self.C = C
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept
        self.device = device
        self.sharded = sharded

    def fit(self, X: Features, y: npt.ArrayLike) -> Self:
        """Fit to X (n, d) and labels y (n,). Raises ValueError for unusable input or parameters."""
        C = check_positive("C", self.C)
        problem = Problem(check_problem(self, X, y), self.fit_intercept, self.device)
        solution = problem.solve(C, self.tol, self.max_iter)
        warn_unless_converged(solution, self.max_iter)
        store(self, problem, solution)
        return self

    def decision_function(self, X: Features) -> npt.NDArray[Any]:
        """Signed distances w.x + b: (n, n_classes), or (n,) for two classes. X as for `fit`."""
        check_is_fitted(self)
        features = check_features(self, X, reset=False)
        device = _choose_device(features, self.device)
        dtype = _working_dtype(features)
        space = WeightSpace(features, True, dtype, device)
        weights = np.concatenate([self.coef_.T, self.intercept_[None]])
        values: npt.NDArray[Any] = space.decision(torch.from_numpy(weights).to(device, dtype)).cpu().numpy()
        return values[:, 0] if len(self.classes_) == 2 else values

    def predict(self, X: Features) -> npt.NDArray[Any]:
        """The class of the largest decision value, (n,). X as for `fit`."""
        values = self.decision_function(X)
        chosen: npt.NDArray[Any] = self.classes_[values.argmax(1) if values.ndim == 2 else (values > 0).astype(int)]
        return chosen


class Problem:
    """X and its labels, ready to be solved for any C and any subset of the rows; what can be shared is.

    Rows that several processes hold are never brought together in a Gram matrix.

    dtype : of the arithmetic; None is float64 for float64 features and few rows, and otherwise float32, to begin with.
    """

    def __init__(self, rows: Rows, intercept: bool, device: str | None, dtype: torch.dtype | None = None) -> None:
        self.rows = rows
        self.intercept = intercept
        self.device = device
        self.place = _choose_device(rows.features, device)
        self.out_dtype = _working_dtype(rows.features)
        self.dtype = dtype or self.out_dtype
        count, dimensions = rows.features.shape
        self.use_gram = rows.processes.count == 1 and count <= GRAM_ROWS and count < dimensions
        if self.use_gram and count <= EXACT_ROWS:
            self.dtype = torch.float64
        self.classes = rows.classes
        self.index = torch.from_numpy(rows.index[rows.own])
        if len(self.classes) == 2:
            one_against_rest = self.index[:, None] == 1
        else:
            one_against_rest = self.index[:, None] == torch.arange(len(self.classes))
        self.targets = one_against_rest.to(self.place, self.dtype).mul_(2).sub_(1)
        self.space = self._make_space()
        self.preconditioner = Preconditioner()
        self._in_float64: Problem | None = None

    def _make_space(self) -> Space:
        if self.use_gram:
            return GramSpace(gram_matrix(self.rows.features, self.intercept, self.dtype, self.place))
        return WeightSpace(self.rows.features, self.intercept, self.dtype, self.place, self.rows.processes)

    def solve(
        self,
        C: float,
        tol: float,
        max_iter: int,
        *,
        masks: Tensor | None = None,
        start: Solution | None = None,
    ) -> Solution:
        """Solve for one C. Where float32 has no digits left before the tolerance is met, the rest is done in float64.

        masks : (n, m) of 0 and 1: m problems at once, each on the rows marked 1; the columns of the solution are
            then (mask, class) with the classes running fastest. None: all rows.
        start : a solution with the same masks, or of another C, to begin from.
        """
        targets, mask = self.targets, torch.ones_like(self.targets[:, :1])
        if masks is not None:
            columns = targets.shape[1]
            mask = masks.to(self.place, self.dtype).repeat_interleave(columns, 1)
            targets = targets.repeat(1, masks.shape[1])
        solution = minimise(
            self.space, targets, mask, C, tol=tol, max_iter=max_iter, preconditioner=self.preconditioner, start=start
        )
        left = max_iter - solution.iterations
        if solution.converged or not left or self.dtype == torch.float64:
            return solution
        if self._in_float64 is None:
            self._in_float64 = Problem(self.rows, self.intercept, self.device, torch.float64)
        # Where float32 went astray the rows inside the margin are arbitrary: from 0 they are found sooner.
        astray = solution.gap > solution.objective
        solution.vector[..., astray], solution.decision[:, astray] = 0, 0
        exact = self._in_float64.solve(C, tol, left, masks=masks, start=solution)
        exact.iterations += solution.iterations
        exact.products += solution.products
        return exact

    def weights(self, solution: Solution) -> tuple[Tensor, Tensor]:
        """Weights (k, d) and intercepts (k,) of a solution."""
        if isinstance(self.space, WeightSpace):
            whole = solution.vector
        else:
            explicit = WeightSpace(self.rows.features, self.intercept, solution.vector.dtype, self.place)
            whole = explicit.adjoint(solution.vector[0])
        whole = whole.to(self.out_dtype)
        return whole[:-1].T.contiguous(), whole[-1]


def l2svm_path(
    X: Features,
    y: npt.ArrayLike,
    Cs: Iterable[float],
    *,
    tol: float = 1e-4,
    max_iter: int = 100,
    fit_intercept: bool = True,
    device: str | None = None,
    sharded: bool = False,
) -> list[L2SVM]:
    """Fit an `L2SVM` for each C, sharing the work: one Gram matrix, one preconditioner, warm starts along C.

    Returns the fitted classifiers in the order of `Cs`. X, y and the options are as for `L2SVM`.
    """
    values = [check_positive("C", C) for C in Cs]
    options: dict[str, Any] = {"tol": tol, "max_iter": max_iter, "fit_intercept": fit_intercept}
    fitted = {C: L2SVM(C, **options, device=device, sharded=sharded) for C in values}
    if not fitted:
        return []
    first = fitted[values[0]]
    problem = Problem(check_problem(first, X, y), fit_intercept, device)
    for C, solution in solve_path(problem, fitted, tol, max_iter):
        fitted[C].n_features_in_ = first.n_features_in_
        if hasattr(first, "feature_names_in_"):
            fitted[C].feature_names_in_ = first.feature_names_in_
        warn_unless_converged(solution, max_iter)
        store(fitted[C], problem, solution)
    return [fitted[C] for C in values]


def solve_path(
    problem: Problem,
    Cs: Iterable[float],
    tol: float,
    max_iter: int,
    masks: Tensor | None = None,
) -> Iterator[tuple[float, Solution]]:
    """Yield (C, solution) in ascending order of C, each begun from the one before."""
    start = None
    for C in sorted(set(Cs)):
        start = problem.solve(C, tol, max_iter, masks=masks, start=start)
        yield C, start


def store(estimator: L2SVM, problem: Problem, solution: Solution) -> None:
    """Set the attributes that end in an underscore from a solution."""
    weights, intercepts = problem.weights(solution)
    estimator.classes_ = problem.classes
    estimator.coef_ = weights.cpu().numpy()
    estimator.intercept_ = intercepts.cpu().numpy()
    estimator.objective_ = solution.objective.cpu().numpy()
    estimator.duality_gap_ = solution.gap.cpu().numpy()
    estimator.n_iter_ = solution.iterations
    estimator.n_products_ = solution.products


def warn_unless_converged(solution: Solution, max_iter: int) -> None:
    """Issue a `ConvergenceWarning` for a solution outside its tolerance."""
    if not solution.converged:
        worst = float((solution.gap / solution.objective).max())
        short = solution.iterations >= max_iter
        warnings.warn(
            f"L2SVM stopped after {solution.iterations} of at most {max_iter} Newton steps with a relative duality "
            f"gap of {worst:.1e}; {'raise max_iter or tol' if short else 'raise tol'}, or scale the features",
            ConvergenceWarning,
            stacklevel=3,
        )


def _choose_device(features: Tensor, device: str | None) -> torch.device:
    return features.device if device is None else torch.device(device)


def _working_dtype(features: Tensor) -> torch.dtype:
    return torch.float64 if features.dtype == torch.float64 else torch.float32
