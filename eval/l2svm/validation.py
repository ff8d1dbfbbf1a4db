"""What the L2-SVM is given, checked: rows of features and their labels, of one process or of several."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data
from torch import Tensor

from dcgan_features.data.utils.checks import check_positive
from dcgan_features.data.utils.distributed import ALONE, AllProcesses, Processes

Features = npt.NDArray[Any] | Tensor
Labels = npt.NDArray[Any]


@dataclass(frozen=True)
class Rows:
    """The rows that this process holds, and the labels of all.

    features : (n, d), of this process. processes : those that hold rows.
    classes : (k,), sorted, k >= 2. index : (N,), the class of each row of every process, in the order of their ranks.
    own : the places of this process's rows among them.
    """

    features: Tensor
    processes: Processes
    classes: Labels
    index: npt.NDArray[np.int64]
    own: slice


def check_problem(estimator: Any, X: Features, y: npt.ArrayLike) -> Rows:
    """The rows and classes; ValueError where they or the parameters of an `L2SVM` cannot be used."""
    check_positive("tol", estimator.tol)
    if not (isinstance(estimator.max_iter, int | np.integer) and estimator.max_iter >= 1):
        raise ValueError(f"max_iter must be a whole number of at least 1, not {estimator.max_iter!r}")
    processes = AllProcesses() if estimator.sharded else ALONE
    with processes.together():
        features, labels = _check_own(estimator, X, y)
    parts = processes.gather((labels, features.shape[1], str(features.dtype)))
    kinds = [f"{width} features of {dtype}" for _, width, dtype in parts]
    if len(set(kinds)) > 1:
        raise ValueError(f"the processes' rows differ; in the order of ranks X has {', '.join(kinds)}")
    everyones = np.concatenate([part[0] for part in parts])
    classes, index = np.unique(everyones, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"y holds one class only ({classes[0]!r}); an L2SVM needs at least two classes")
    first = sum(len(part[0]) for part in parts[: processes.rank])
    return Rows(features, processes, classes, index, slice(first, first + len(labels)))


def _check_own(estimator: Any, X: Features, y: npt.ArrayLike) -> tuple[Tensor, Labels]:
    features = check_features(estimator, X, reset=True, y=y)
    labels = np.asarray(y.cpu() if isinstance(y, Tensor) else y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        warnings.warn("A column-vector y was passed when a 1d array was expected", UserWarning, stacklevel=4)
        labels = labels[:, 0]
    if labels.ndim != 1 or len(labels) != len(features):
        raise ValueError(
            f"y has the shape {labels.shape}; X has {len(features)} rows, so it must be ({len(features)},)"
        )
    check_classification_targets(labels)
    return features, labels


def check_features(estimator: BaseEstimator, X: Features, *, reset: bool, y: Any = "no_validation") -> Tensor:
    """X as a tensor (n, d) of finite floating-point numbers; ValueError for any other.

    reset : whether X is what the estimator is fitted to, or must have as many features as that had.
    """
    if not isinstance(X, Tensor):
        kind: Any = {"dtype": [np.float64, np.float32], "reset": reset}
        if isinstance(y, str):
            checked = validate_data(estimator, X, **kind)
        else:
            checked, _ = validate_data(estimator, X, y.cpu() if isinstance(y, Tensor) else y, **kind)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a read-only memory map is only read here
            return torch.from_numpy(checked)
    if X.dim() != 2 or not X.dtype.is_floating_point:
        raise ValueError(f"X must be a matrix (n, d) of floating-point numbers, not {tuple(X.shape)} of {X.dtype}")
    if not len(X):
        raise ValueError("X holds no rows")
    if reset:
        estimator.n_features_in_ = X.shape[1]
    elif X.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"X has {X.shape[1]} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input"
        )
    for start in range(0, len(X), 1024):
        # A sum is not finite if a term is not; overflow of finite terms is told apart.
        block = X[start : start + 1024]
        if not bool(block.sum(dtype=torch.float32).isfinite()) and not bool(block.isfinite().all()):
            raise ValueError(f"X contains NaN or infinity in rows {start} to {start + len(block) - 1}")
    return X.detach()
