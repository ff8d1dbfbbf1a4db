"""What the L2-SVM is given, checked: rows of features and their labels, of one process or of several."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_matrix, issparse
from sklearn.base import BaseEstimator
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data
from torch import Tensor

from dcgan_features.data.utils.checks import check_positive
from dcgan_features.data.utils.distributed import ALONE, AllProcesses, Processes

Features = npt.NDArray[Any] | Tensor
Labels = npt.NDArray[Any]

DENSE_BYTES = 4 << 30  # of a sparse matrix made dense


@dataclass(frozen=True)
class Rows:
    """The rows that this process holds, and the labels of all.

    features : (n, d), of this process. processes : those that hold rows.
    classes : (k,), sorted, k >= 2. index : (N,), the class of each row of every process, in the order of their ranks.
    own : the places of this process's rows among them.
    weights : what C is multiplied by, (columns, n), of this process's rows, one column for two classes; None is 1.
    """

    features: Tensor
    processes: Processes
    classes: Labels
    index: npt.NDArray[np.int64]
    own: slice
    weights: npt.NDArray[np.float64] | None = None


def check_problem(
    estimator: Any, X: Features, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None, each_column: bool = True
) -> Rows:
    """The rows and classes; ValueError where they or the parameters of an `L2SVM` cannot be used."""
    check_positive("tol", estimator.tol)
    if not (isinstance(estimator.max_iter, int | np.integer) and estimator.max_iter >= 1):
        raise ValueError(f"max_iter must be a whole number of at least 1, not {estimator.max_iter!r}")
    processes = AllProcesses() if getattr(estimator, "sharded", False) else ALONE
    with processes.together():
        features, labels = _check_own(estimator, X, y)
    parts = processes.gather((labels, features.shape[1], str(features.dtype)))
    kinds = [f"{width} features of {dtype}" for _, width, dtype in parts]
    if len(set(kinds)) > 1:
        raise ValueError(f"the processes' rows differ; in the order of ranks X has {', '.join(kinds)}")
    everyones = np.concatenate([part[0] for part in parts])
    classes, index = np.unique(everyones, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"y holds one class only ({classes[0]!r}); at least two classes are needed")
    first = sum(len(part[0]) for part in parts[: processes.rank])
    own = slice(first, first + len(labels))
    weights = _weights(estimator, sample_weight, classes, index, own, each_column)
    return Rows(features, processes, classes, index, own, weights)


def _weights(
    estimator: Any,
    sample_weight: npt.ArrayLike | None,
    classes: Labels,
    index: npt.NDArray[np.int64],
    own: slice,
    each_column: bool,
) -> npt.NDArray[np.float64] | None:
    """What C is multiplied by; as in LIBLINEAR, of several classes' weights each counts in its own column only."""
    by_class = getattr(estimator, "class_weight", None)
    if by_class is None and sample_weight is None:
        return None
    rows = index[own]
    if sample_weight is None:
        of_rows = np.ones(len(rows))
    else:
        of_rows = np.asarray(sample_weight, dtype=np.float64)
        of_rows = np.full(len(rows), float(of_rows)) if of_rows.ndim == 0 else of_rows
        if of_rows.shape != rows.shape or not np.isfinite(of_rows).all() or (of_rows < 0).any():
            raise ValueError(f"sample_weight must be {len(rows)} finite numbers of at least 0, one for each row of X")
        if not of_rows.any():
            raise ValueError("sample_weight is zero for every row; give rows of at least two classes a weight")
    if by_class is None:
        return of_rows[None]
    of_classes = (
        compute_class_weight(by_class, classes=np.arange(len(classes)), y=index)
        if by_class == "balanced"
        else (compute_class_weight(by_class, classes=classes, y=classes[index]))
    )
    if len(classes) == 2 or not each_column:
        return np.asarray((of_rows * of_classes[rows])[None])
    columns = np.arange(len(classes))[:, None]
    return np.asarray(of_rows * np.where(rows == columns, of_classes[:, None], 1.0))


def _check_own(estimator: Any, X: Features, y: npt.ArrayLike) -> tuple[Tensor, Labels]:
    # What is plainly a list of classes need not be looked at twice: for small problems that takes as long as the fit.
    plain = isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind in "biuSU"
    features = check_features(estimator, X, reset=True, y="no_validation" if plain else y, sparse=True)
    labels = np.asarray(y.cpu() if isinstance(y, Tensor) else y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        warnings.warn("A column-vector y was passed when a 1d array was expected", UserWarning, stacklevel=4)
        labels = labels[:, 0]
    if labels.ndim != 1 or len(labels) != len(features):
        raise ValueError(
            f"y has the shape {labels.shape}; X has {len(features)} rows, so it must be ({len(features)},)"
        )
    if not plain:
        check_classification_targets(labels)
    return features, labels


def check_features(
    estimator: BaseEstimator, X: Features, *, reset: bool, y: Any = "no_validation", sparse: bool = False
) -> Tensor:
    """X as a tensor (n, d) of finite floating-point numbers; ValueError for any other.

    reset : whether X is what the estimator is fitted to, or must have as many features as that had.
    sparse : whether SciPy's and torch's sparse matrices are taken; they are made dense where memory allows.
    """
    if isinstance(X, Tensor) and X.layout != torch.strided:
        X = _of_sparse_tensor(X)
    if isinstance(y, str) and _is_plain(estimator, X, reset):
        return torch.from_numpy(X)
    if not isinstance(X, Tensor):
        kind: Any = {"dtype": [np.float64, np.float32], "reset": reset, "accept_sparse": ["csr"] if sparse else False}
        if isinstance(y, str):
            checked = validate_data(estimator, X, **kind)
        else:
            checked, _ = validate_data(estimator, X, y.cpu() if isinstance(y, Tensor) else y, **kind)
        if issparse(checked):
            checked = _dense(checked)
        if min(checked.strides, default=0) < 0 or not checked.dtype.isnative:
            checked = np.ascontiguousarray(checked, dtype=checked.dtype.newbyteorder("="))
        if checked.flags.writeable:
            return torch.from_numpy(checked)
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


def _is_plain(estimator: BaseEstimator, X: Any, reset: bool) -> bool:
    """Whether X can be used as it is, seen at a glance: scikit-learn's own look takes as long as a small fit."""
    if type(X) is not np.ndarray or X.ndim != 2 or X.dtype not in (np.float32, np.float64) or not X.size:
        return False
    if hasattr(estimator, "feature_names_in_") or not (X.flags.c_contiguous and X.flags.writeable):
        return False
    if not reset and X.shape[1] != estimator.n_features_in_:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        if not np.isfinite(X.sum()):
            return False
    estimator.n_features_in_ = X.shape[1]
    return True


def _of_sparse_tensor(X: Tensor) -> Any:
    """A sparse tensor as one of SciPy's matrices."""
    entries = X.detach().cpu().to_sparse_coo().coalesce()  # type: ignore[no-untyped-call]
    values = entries.values()
    values = values if values.dtype in (torch.float32, torch.float64) else values.float()
    return csr_matrix((values.numpy(), tuple(entries.indices().numpy())), shape=tuple(X.shape))


def _dense(X: Any) -> npt.NDArray[Any]:
    size = X.shape[0] * X.shape[1] * X.dtype.itemsize
    if size > DENSE_BYTES:
        raise ValueError(
            f"X is sparse and would take {size / 2**30:.1f} GiB dense, more than the {DENSE_BYTES >> 30} GiB that this "
            "solver allows it; choose fewer features, or use sklearn.svm.LinearSVC"
        )
    whole: npt.NDArray[Any] = X.toarray()
    return whole


def check_device(device: str | torch.device | None, float64: bool = True) -> torch.device | None:
    """The device of that name; ValueError where there is no such device here. None stays None.

    float64 : whether it must compute in float64, which Apple's GPUs do not.
    """
    if device is None:
        return None
    try:
        place = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device {device!r} is none that PyTorch knows; give 'cpu', 'cuda' or None") from error
    if place.type == "cpu":
        return place
    module = getattr(torch, place.type, None)
    count = module.device_count() if module is not None and module.is_available() else 0
    if not count or (place.index or 0) >= count:
        raise ValueError(f"device {str(device)!r} is not there on this machine; give 'cpu' or None")
    if float64 and place.type == "mps":
        raise ValueError("device 'mps' does not compute in float64, which is needed here; give 'cpu' or None")
    return place
