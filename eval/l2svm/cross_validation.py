"""The L2-SVM whose C is chosen inside the labelled set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import check_scoring
from sklearn.model_selection import StratifiedKFold, check_cv

from dcgan_features.data.utils.checks import check_positive
from dcgan_features.data.utils.identity import known_as
from dcgan_features.eval.l2svm.estimator import L2SVM, make_problem, store, warn_unless_converged
from dcgan_features.eval.l2svm.problem import Problem
from dcgan_features.eval.l2svm.streaming.following import by_percent
from dcgan_features.eval.l2svm.validation import Features

SELECTION_TOL = 1e-3  # accuracies on held-out rows do not change beyond it
Bounds = tuple[float, float]


@known_as("eval.selection.L2SVMCV")
class L2SVMCV(L2SVM):
    """`L2SVM` that chooses C by its accuracy on held-out rows of X, then fits all of X with it.

    Every fold and every C is solved on the same matrix, with the held-out rows weighted 0: nothing is copied, the
    Gram matrix is made once, all folds are solved at once where it is used, and each C begins from the one before.

    Parameters
    ----------
    Cs : values of C to choose from, each > 0. The best mean score wins; of equals the smallest C.
    extend : the smallest and the largest C to go on to where the best of Cs is the first or the last of them: as long
        as that raises the score, by the factor between the two values at that end. None, or one value in Cs: not.
    n_splits : stratified folds, >= 2; a class with fewer rows than that is a ValueError.
    cv : instead of those, what scikit-learn's `GridSearchCV` takes: a number of folds, a splitter, (train, test) pairs.
    scoring : instead of the accuracy, one of scikit-learn's names or callables that scores predictions (not decision
        values or probabilities), computed on each fold's held-out rows.
    holdout : instead of folds, the indices of the rows of X that are held out once.
    seed : shuffles the folds of `n_splits` (scikit-learn's `StratifiedKFold`).
    tol, max_iter, fit_intercept, class_weight, device : as in `L2SVM`.
    sharded : as in `L2SVM`; folds and `holdout` are those of all rows, those of the processes in the order of their
        ranks, so that the choice is that of one process. `cv` and `scoring` are for one process only.
    progress : called with (stage, percent done, 100) during the fits of problems that take minutes, a stage each.

    Attributes
    ----------
    C_ : the chosen C. scores_ : for each C tried the mean held-out accuracy in percent, or the mean of `scoring`.
    The others are those of `L2SVM`, for the final fit.
    """

    def __init__(
        self,
        Cs: Sequence[float] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0),
        *,
        extend: Bounds | None = None,
        n_splits: int = 5,
        cv: Any = None,
        scoring: Any = None,
        holdout: npt.ArrayLike | None = None,
        seed: int = 0,
        tol: float = 1e-4,
        max_iter: int = 1000,
        fit_intercept: bool = True,
        class_weight: Any = None,
        device: str | None = None,
        sharded: bool = False,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> None:
        self.Cs = Cs
        self.extend = extend
        self.n_splits = n_splits
        self.cv = cv
        self.scoring = scoring
        self.holdout = holdout
        self.seed = seed
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.device = device
        self.sharded = sharded
        self.progress = progress

    def fit(self, X: Features, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Choose C and fit to X (n, d), y (n,). Raises ValueError for unusable input or parameters.

        sample_weight : (n,) >= 0, as in `L2SVM.fit`; scores do not depend on it.
        """
        candidates = [check_positive("each of Cs", C) for C in self.Cs]
        if not candidates:
            raise ValueError("Cs is empty; give at least one value of C")
        if self.extend is not None and not 0 < self.extend[0] <= self.extend[1]:
            raise ValueError(f"extend is {self.extend}; give a smallest and a largest C, both above 0")
        if self.sharded and (self.cv is not None or self.scoring is not None):
            raise ValueError("cv and scoring are for one process; leave them out, or fit without sharded")
        problem = make_problem(self, X, y, sample_weight)
        rows = problem.rows
        # Held-out rows count in none of the sums.
        held = self._held_out(rows.classes[rows.index], X)[rows.own].T
        self.scores_: dict[float, float] = {}
        self._try(problem, candidates, held)
        self.C_ = max(self.scores_, key=lambda value: (self.scores_[value], -value))
        while (further := self._further(self.C_)) is not None:
            self._try(problem, [further], held)
            if self.scores_[further] <= self.scores_[self.C_]:
                break
            self.C_ = further
        follow = by_percent(self.progress, self.tol, "all rows, ")
        for _, solved in problem.path([self.C_], self.tol, self.max_iter, follow=follow):
            warn_unless_converged(solved, self.max_iter)
            store(self, problem, solved)
        return self

    def _try(self, problem: Problem, Cs: list[float], held: npt.NDArray[np.bool_]) -> None:
        tol = max(self.tol, SELECTION_TOL)
        follow = by_percent(self.progress, tol, "held out, ")
        for C, solved in problem.path(Cs, tol, self.max_iter, held, decide=True, follow=follow):
            assert solved.decision is not None
            self.scores_[C] = self._score(problem, solved.decision, held)

    def _further(self, best: float) -> float | None:
        """The next C beyond `best`, the first or last of those tried; None where it is neither or `extend` ends."""
        tried = sorted(self.scores_)
        if self.extend is None or len(tried) < 2:
            return None
        low, high = self.extend
        if best == tried[0]:
            further = best * best / tried[1]
        elif best == tried[-1]:
            further = best * best / tried[-2]
        else:
            return None
        further = float(f"{further:.6g}")
        return further if low <= further <= high else None

    def _score(self, problem: Problem, decision: npt.NDArray[Any], held: npt.NDArray[np.bool_]) -> float:
        """Mean over the splits of the score on the rows that the split holds out, the accuracy in percent."""
        by_split = decision.reshape(len(decision), len(held), -1)  # (n, splits, classes)
        predicted = by_split.argmax(2) if by_split.shape[2] > 1 else (by_split[:, :, 0] > 0).astype(int)
        if self.scoring is None:
            right = (predicted == problem.index[:, None]) & held.T
            counts = problem.total(np.stack([right.sum(0), held.sum(1)]))
            return float((counts[0] / counts[1]).mean()) * 100
        score = check_scoring(self, self.scoring)
        scores = [
            score(_Fixed(problem.classes[predicted[rows, split]]), rows[:, None], problem.classes[problem.index[rows]])
            for split, rows in enumerate(np.flatnonzero(each) for each in held)
        ]
        return float(np.mean(scores))

    def _held_out(self, labels: npt.NDArray[Any], X: Features) -> npt.NDArray[np.bool_]:
        """(n, m): where a row is held out in split m."""
        rows = len(labels)
        if self.holdout is not None:
            chosen = np.asarray(self.holdout)
            if chosen.ndim != 1 or not 0 < len(np.unique(chosen)) == len(chosen) < rows:
                raise ValueError("holdout must be a list of different row indices, at least one and not all of them")
            if chosen.min() < 0 or chosen.max() >= rows:
                raise ValueError(
                    f"holdout names row {chosen.max() if chosen.max() >= rows else chosen.min()} of {rows}"
                )
            held = np.zeros((rows, 1), bool)
            held[chosen] = True
            missing = np.setdiff1d(labels, labels[~held[:, 0]])
            if len(missing):
                raise ValueError(f"every row of class {missing[0]!r} is held out; hold out fewer rows")
            return held
        if self.cv is not None:
            splits = check_cv(self.cv, labels, classifier=True).split(np.zeros((rows, 1)), labels)
            held = np.zeros((rows, 0), bool)
            for train, test in splits:
                if len(train) + len(test) != rows or len(np.intersect1d(train, test)):
                    raise ValueError("cv leaves rows out of a fold's training and test rows, or has them in both")
                column = np.zeros((rows, 1), bool)
                column[test] = True
                held = np.concatenate([held, column], 1)
                missing = np.setdiff1d(labels, labels[train])
                if len(missing):
                    raise ValueError(f"a fold of cv holds out every row of class {missing[0]!r}; stratify the folds")
            return held
        classes, counts = np.unique(labels, return_counts=True)
        if not 2 <= self.n_splits <= counts.min():
            raise ValueError(
                f"n_splits is {self.n_splits}, but class {classes[counts.argmin()]!r} has {counts.min()} rows; "
                "choose between 2 and the rows of the smallest class"
            )
        folds = StratifiedKFold(self.n_splits, shuffle=True, random_state=self.seed)
        held = np.zeros((rows, self.n_splits), bool)
        for split, (_, chosen) in enumerate(folds.split(labels, labels)):
            held[chosen, split] = True
        return held


class _Fixed(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Predictions that are known already, for scikit-learn's scorers."""

    def __init__(self, predicted: npt.NDArray[Any]) -> None:
        self.predicted = predicted
        self.classes_ = np.unique(predicted)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """What is known."""
        return self.predicted
