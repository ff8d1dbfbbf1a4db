"""The L2-SVM whose C is chosen inside the labelled set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.model_selection import StratifiedKFold
from torch import Tensor

from dcgan_features.data.utils.checks import check_positive
from dcgan_features.data.utils.identity import known_as
from dcgan_features.eval.l2svm.estimator import L2SVM, Problem, solve_path, store, warn_unless_converged
from dcgan_features.eval.l2svm.validation import Features, check_problem

SELECTION_TOL = 1e-3  # accuracies on held-out rows do not change beyond it


@known_as("eval.selection.L2SVMCV")
class L2SVMCV(L2SVM):
    """`L2SVM` that chooses C by its accuracy on held-out rows of X, then fits all of X with it.

    Every fold and every C is solved on the same matrix, with the held-out rows weighted 0: nothing is copied, the
    Gram matrix is made once, all folds are solved at once where it is used, and each C begins from the one before.

    Parameters
    ----------
    Cs : values of C to choose from, each > 0. The best mean accuracy wins; of equals the smallest C.
    n_splits : stratified folds, >= 2; a class with fewer rows than that is a ValueError.
    holdout : instead of folds, the indices of the rows of X that are held out once.
    seed : shuffles the folds (scikit-learn's `StratifiedKFold`).
    tol, max_iter, fit_intercept, device : as in `L2SVM`.
    sharded : as in `L2SVM`; folds and `holdout` are those of all rows, those of the processes in the order of their
        ranks, so that the choice is that of one process.

    Attributes
    ----------
    C_ : the chosen C. scores_ : mean held-out accuracy in percent for each C.
    The others are those of `L2SVM`, for the final fit.
    """

    def __init__(
        self,
        Cs: Sequence[float] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0),
        *,
        n_splits: int = 5,
        holdout: npt.ArrayLike | None = None,
        seed: int = 0,
        tol: float = 1e-4,
        max_iter: int = 100,
        fit_intercept: bool = True,
        device: str | None = None,
        sharded: bool = False,
    ) -> None:
        self.Cs = Cs
        self.n_splits = n_splits
        self.holdout = holdout
        self.seed = seed
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept
        self.device = device
        self.sharded = sharded

    def fit(self, X: Features, y: npt.ArrayLike) -> Self:
        """Choose C and fit to X (n, d), y (n,). Raises ValueError for unusable input or parameters."""
        candidates = [check_positive("each of Cs", C) for C in self.Cs]
        if not candidates:
            raise ValueError("Cs is empty; give at least one value of C")
        rows = check_problem(self, X, y)
        problem = Problem(rows, self.fit_intercept, self.device)
        # Held-out rows count in none of the sums: they are weighted 0.
        held = self._held_out(rows.classes[rows.index])[rows.own]
        masks = torch.from_numpy(~held).to(problem.place, problem.dtype)
        self.scores_: dict[float, float] = {}
        start = None
        for C, solution in solve_path(problem, candidates, max(self.tol, SELECTION_TOL), self.max_iter, masks):
            self.scores_[C] = _held_out_accuracy(problem, solution.decision, masks)
            self.C_ = max(self.scores_, key=lambda value: (self.scores_[value], -value))
            if C == self.C_ and masks.shape[1] == 1:
                start = solution
        solution = problem.solve(self.C_, self.tol, self.max_iter, start=start)
        warn_unless_converged(solution, self.max_iter)
        store(self, problem, solution)
        return self

    def _held_out(self, labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
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


def _held_out_accuracy(problem: Problem, decision: Tensor, masks: Tensor) -> float:
    """Mean over the splits of the accuracy on the rows that the split holds out, in percent."""
    index = problem.index.to(decision.device)
    by_split = decision.view(len(decision), masks.shape[1], -1)  # (n, splits, classes)
    predicted = by_split.argmax(2) if by_split.shape[2] > 1 else (by_split[:, :, 0] > 0).long()
    judged = masks == 0
    right = (predicted == index[:, None]) & judged
    counts = problem.space.total(torch.stack([right.sum(0), judged.sum(0)]))
    return float((counts[0].double() / counts[1]).mean()) * 100
