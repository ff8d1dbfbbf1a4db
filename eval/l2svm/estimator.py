"""The L2-SVM of the tables: an exact, fast solver for the problem that LIBLINEAR's L2-loss SVC solves."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from dcgan_features.data.utils.checks import check_positive
from dcgan_features.data.utils.identity import known_as
from dcgan_features.eval.l2svm.predicting import decide
from dcgan_features.eval.l2svm.problem import Problem, Solved
from dcgan_features.eval.l2svm.streaming.checkpoint import PathCheckpoint
from dcgan_features.eval.l2svm.streaming.following import following
from dcgan_features.eval.l2svm.validation import Features, check_device, check_problem

# What of `LinearSVC`'s arguments is taken, and the only values that mean this problem.
_FIXED: dict[str, tuple[Any, ...]] = {
    "loss": ("squared_hinge",),
    "penalty": ("l2",),
    "multi_class": ("ovr",),
    "dual": ("auto", True, False),
    "intercept_scaling": (1,),
}


class LinearClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """What linear classifiers with `coef_` and `intercept_` have in common once fitted."""

    def decision_function(self, X: Features) -> npt.NDArray[Any]:
        """Signed distances w.x + b: (n, n_classes), or (n,) for two classes. X as for `fit`."""
        check_is_fitted(self)
        values = decide(self, X)
        return values[:, 0] if len(self.classes_) == 2 else values

    def predict(self, X: Features) -> npt.NDArray[Any]:
        """The class of the largest decision value, (n,). X as for `fit`."""
        values = self.decision_function(X)
        chosen: npt.NDArray[Any] = self.classes_[values.argmax(1) if values.ndim == 2 else (values > 0).astype(int)]
        return chosen

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


@known_as("eval.l2svm.L2SVM")
class L2SVM(LinearClassifier):
    """One-against-the-rest linear support vector machine with the squared hinge loss.

    For each class it minimises 1/2 |w|^2 + 1/2 b^2 + C sum_i max(0, 1 - t_i (w.x_i + b))^2, the intercept b being
    the weight of a constant feature of 1. That is LIBLINEAR's L2-regularised L2-loss SVC (Fan et al., JMLR 9, 2008),
    so `coef_`, `intercept_` and the objective compare one to one with `sklearn.svm.LinearSVC`.

    Parameters
    ----------
    C : weight of the losses, > 0.
    tol : relative duality gap at which a class is finished, > 0: the objective is then at most 1 + tol (to first
        order) times the optimum. The certificate is `duality_gap_`.
    max_iter : most steps a class, each the solution of a linear system, >= 1; when they do not suffice, a
        `ConvergenceWarning` says so.
    fit_intercept : whether b is there at all.
    class_weight : {class: weight} or "balanced", as in `LinearSVC`: what C is multiplied by for the rows of a class,
        with more than two classes only where that class is the one against the rest. None is 1 for all.
    device : "cpu", "cuda", ...; None takes that of X, or the CPU for numpy arrays.
    sharded : X and y are one process's rows of a larger problem, whose other rows the other processes of
        torch.distributed's default group hold; all of them call `fit`, each with at least one row, and all get the
        same solution, to the bit. They exchange d x n_classes numbers a pass over the data, the labels once, and
        d x d x n_classes numbers each time that the exact inverse is made.
    verbose : above 0, how far the fit has come and the time left are shown on stderr.
    loss, penalty, multi_class, dual, intercept_scaling, random_state : those of `LinearSVC`, so that this takes its
        place. Only "squared_hinge", "l2", "ovr" and 1 are this problem; the others change nothing.

    Attributes
    ----------
    classes_ : (n_classes,), sorted.
    coef_, intercept_ : (n_classes, d) and (n_classes,), or (1, d) and (1,) for two classes.
    objective_, duality_gap_ : (n_classes,) or (1,), at the solution.
    n_iter_ : steps of the class with most. n_products_ : passes over the data, X w and X' u counting as half a pass
        each.

    X is a numpy array (float32 or float64; other numbers are converted), a pandas frame, a list, a SciPy sparse matrix
    or a torch tensor (also bfloat16 and float16, converted block by block), in memory or memory-mapped, (n, d).
    Arithmetic is float64 for float64 input; otherwise float32, and float64 from where that does not suffice for tol.
    """

    def __init__(
        self,
        C: float = 1.0,
        *,
        tol: float = 1e-4,
        max_iter: int = 1000,
        fit_intercept: bool = True,
        class_weight: Any = None,
        device: str | None = None,
        sharded: bool = False,
        loss: str = "squared_hinge",
        penalty: str = "l2",
        multi_class: str = "ovr",
        dual: Any = "auto",
        intercept_scaling: float = 1,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.C = C
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.device = device
        self.sharded = sharded
        self.loss = loss
        self.penalty = penalty
        self.multi_class = multi_class
        self.dual = dual
        self.intercept_scaling = intercept_scaling
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Features, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Fit to X (n, d) and labels y (n,). Raises ValueError for unusable input or parameters.

        sample_weight : (n,) >= 0, what C is multiplied by for each row; rows of weight 0 count as if not there.
        """
        C = check_positive("C", self.C)
        problem = make_problem(self, X, y, sample_weight)
        with following(1, 0, self.tol, self.verbose > 0) as follow:
            for _, solved in problem.path([C], self.tol, self.max_iter, follow=follow):
                warn_unless_converged(solved, self.max_iter)
                store(self, problem, solved)
        return self

    def to_linear_svc(self) -> Any:
        """A fitted `sklearn.svm.LinearSVC` with the same weights, for what takes only that (ONNX converters, say)."""
        from sklearn.svm import LinearSVC

        check_is_fitted(self)
        made = LinearSVC(C=getattr(self, "C_", getattr(self, "C", 1.0)), fit_intercept=self.fit_intercept)
        for name in ("classes_", "coef_", "intercept_", "n_features_in_", "feature_names_in_", "n_iter_"):
            if hasattr(self, name):
                setattr(made, name, getattr(self, name))
        return made


def make_problem(estimator: Any, X: Features, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Problem:
    """The problem of an `L2SVM`; ValueError where its parameters, X or y cannot be used."""
    for name, taken in _FIXED.items():
        value = getattr(estimator, name, taken[0])
        if value not in taken:
            raise ValueError(f"{name} must be {' or '.join(repr(each) for each in taken)}, not {value!r}")
    device = check_device(estimator.device)
    return Problem(check_problem(estimator, X, y, sample_weight), estimator.fit_intercept, device)


def l2svm_path(
    X: Features,
    y: npt.ArrayLike,
    Cs: Iterable[float],
    *,
    sample_weight: npt.ArrayLike | None = None,
    checkpoint: Path | str | None = None,
    **options: Any,
) -> list[L2SVM]:
    """Fit an `L2SVM` for each C, sharing the work: one Gram matrix, one preconditioner, warm starts along C.

    Returns the fitted classifiers in the order of `Cs`. X, y, `sample_weight` and the options (`tol`, `max_iter`,
    `fit_intercept`, `device`, `verbose`, ...) are as for `L2SVM`.

    checkpoint : a folder in which each C is kept as soon as it is finished (all at once where they are solved at once,
        which takes seconds); the same call goes on after the last of them. For one process only. A folder that holds
        another path, or is damaged, is an `InputError`, which is a ValueError.
    """
    values = [check_positive("C", C) for C in Cs]
    fitted = {C: L2SVM(C, **options) for C in values}
    if not fitted:
        return []
    first = fitted[values[0]]
    if checkpoint is not None and first.sharded:
        raise ValueError("checkpoint is for one process; leave it out, or fit without sharded")
    problem = make_problem(first, X, y, sample_weight)
    for C, solved in _kept(problem, first, fitted, checkpoint):
        fitted[C].n_features_in_ = first.n_features_in_
        if hasattr(first, "feature_names_in_"):
            fitted[C].feature_names_in_ = first.feature_names_in_
        warn_unless_converged(solved, first.max_iter)
        store(fitted[C], problem, solved)
    return [fitted[C] for C in values]


def _kept(
    problem: Problem, first: L2SVM, Cs: Iterable[float], folder: Path | str | None
) -> Iterator[tuple[float, Solved]]:
    """(C, minima): those that the folder holds, then the others."""
    checkpoint = None
    finished: dict[float, Solved] = {}
    if folder is not None:
        settings = {"fit_intercept": first.fit_intercept, "tol": first.tol, "max_iter": first.max_iter}
        checkpoint = PathCheckpoint(folder, problem.rows, settings)
        finished = {C: checkpoint.finished[C] for C in Cs if C in checkpoint.finished}
        yield from finished.items()
    left = sorted(set(Cs) - set(finished))
    start = max((C for C in finished if left and left[0] > C), default=None)
    with following(len(left) + len(finished), len(finished), first.tol, first.verbose > 0) as follow:
        begun = None if start is None else finished[start]
        for C, solved in problem.path(left, first.tol, first.max_iter, start=begun, follow=follow) if left else ():
            if checkpoint is not None:
                checkpoint.keep(C, solved)
            yield C, solved


def store(estimator: L2SVM, problem: Problem, solved: Solved) -> None:
    """Set the attributes that end in an underscore from a solution."""
    estimator.classes_ = problem.classes
    estimator.coef_ = solved.weights
    estimator.intercept_ = solved.intercepts
    estimator.objective_ = solved.objective
    estimator.duality_gap_ = solved.gap
    estimator.n_iter_ = max(solved.iterations, 1)
    estimator.n_products_ = solved.products


def warn_unless_converged(solved: Solved, max_iter: int) -> None:
    """Issue a `ConvergenceWarning` for a solution outside its tolerance."""
    if not solved.converged:
        with np.errstate(divide="ignore", invalid="ignore"):
            worst = float(np.nanmax(solved.gap / solved.objective))
        short = solved.iterations >= max_iter
        warnings.warn(
            f"L2SVM stopped after {solved.iterations} of at most {max_iter} steps with a relative duality "
            f"gap of {worst:.1e}; {'raise max_iter or tol' if short else 'raise tol'}, or scale the features",
            ConvergenceWarning,
            stacklevel=3,
        )
