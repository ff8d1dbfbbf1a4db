"""Exact nearest neighbours, and the row "KNN": the classifier that takes a vote among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d
from torch import Tensor

from dcgan_features.data.utils.identity import known_as
from dcgan_features.eval.l2svm.validation import Features, check_device, check_features

Points = npt.NDArray[Any] | Tensor

QUERIES, REFERENCES = 1024, 2048  # most in a block of distances on the CPU: 8 MB,
DEVICE_QUERIES, DEVICE_REFERENCES = 4096, 8192  # and on a GPU
BLOCK_NUMBERS = 1 << 24  # most in a block of points,
PAIR_NUMBERS, DEVICE_PAIR_NUMBERS = 1 << 18, 1 << 22  # and in a block of differences, float64: 2 MB, 34 MB
LARGEST, SMALLEST = 1e37, 1e-36  # squared distances for which float32 products are bounded by their relative error


class NearestSearch:
    """The k nearest of many references to each query, by Euclidean distance; references come block by block.

    Exact: the distances are sqrt(sum((q - r)^2)) in float64, and of references equally far the one with the lower
    index is nearer. A float32 product of matrices only rules references out: |q|^2 + |r|^2 - 2 q.r, less the most that
    rounding can have added, tells which are certainly not among the k, and the distances to the few others are computed
    from the differences. Memory is that of the queries and of one block, however many references there are.

    queries : (n, ...), n >= 1, numbers of any type, such as uint8 images; what follows the first axis is one query.
    k : neighbours of each, >= 1.
    device : "cpu", "cuda", ...; None is that of the queries, or the CPU for a NumPy array. The queries are held there.

    Raises ValueError for what cannot be used.
    """

    def __init__(self, queries: Points, k: int, device: str | torch.device | None = None) -> None:
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise ValueError(f"k={k!r} must be a whole number of at least 1")
        rows = _rows(queries, "queries")
        self.k = int(k)
        self.n_references = 0
        self._device = check_device(device) or rows.device
        self._queries = rows.to(self._device)
        self._centre = sum(self._float64(start).sum(0) for start in range(0, len(rows), QUERIES)) / len(rows)
        # Half of this suffices: d products and sums, each rounded, and the centring.
        self._slack = (rows.shape[1] + 16) * torch.finfo(torch.float32).eps
        most = (DEVICE_QUERIES, DEVICE_REFERENCES) if self._device.type == "cuda" else (QUERIES, REFERENCES)
        self._blocks = tuple(max(16, min(count, BLOCK_NUMBERS // rows.shape[1])) for count in most)
        self._squares = torch.full((len(rows), self.k), torch.inf, dtype=torch.float64, device=self._device)
        self._indices = torch.full((len(rows), self.k), -1, dtype=torch.int64, device=self._device)

    def update(self, references: Points) -> Self:
        """Take in more references, (m, ...) as the queries; their indices go on from those of the blocks before."""
        rows = _rows(references, "references")
        if rows.shape[1] != self._queries.shape[1]:
            raise ValueError(f"the references have {rows.shape[1]} numbers each, the queries {self._queries.shape[1]}")
        for start in range(0, len(rows), self._blocks[1]):
            self._take(rows[start : start + self._blocks[1]].to(self._device))
        return self

    def result(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Distances and indices of the k nearest references so far, nearest first, (n, k) each.

        Raises ValueError where fewer than k references came.
        """
        if self.n_references < self.k:
            raise ValueError(f"k={self.k} neighbours are wanted, but there are {self.n_references} references")
        return self._squares.sqrt().cpu().numpy(), self._indices.cpu().numpy()

    def _float64(self, start: int) -> Tensor:
        return self._queries[start : start + QUERIES].double()

    def _take(self, references: Tensor) -> None:
        exact = references.double()
        block, norms = self._centred(exact)
        for start in range(0, len(self._queries), self._blocks[0]):
            rows = slice(start, start + self._blocks[0])
            self._compare(rows, self._queries[rows].double(), exact, block, norms)
        self.n_references += len(references)

    def _centred(self, exact: Tensor) -> tuple[Tensor, Tensor]:
        """float32 points about the queries' mean, which keeps rounding small, and squared norms less their slack.

        Norms so large that products could overflow become "not a number", which rules nothing out.
        """
        centred = exact - self._centre
        squares = centred.square().sum(1)
        return centred.float(), torch.where(squares < LARGEST, squares * (1 - self._slack), torch.nan)

    def _compare(self, rows: slice, exact: Tensor, references: Tensor, block: Tensor, norms: Tensor) -> None:
        """Bring the nearest of one block of references into those of one block of queries."""
        queries, offsets = self._centred(exact)
        with _full_precision():
            least = torch.addmm(
                norms.float()[None], queries, block.T, alpha=-2
            )  # of the squared distance, less `offsets`
        limit = self._squares[rows, -1]
        near = ~(least > (limit - offsets + SMALLEST).float()[:, None])
        if len(references) > self.k and int(near.sum()) > 4 * self.k * len(queries):
            chosen = least.nan_to_num(nan=torch.inf).topk(self.k, largest=False).indices
            places = torch.arange(len(queries), device=self._device).repeat_interleave(self.k)
            squares = _squared_distances(exact, references, places, chosen.flatten()).reshape(chosen.shape)
            limit = torch.minimum(limit, squares.amax(1))
            near = ~(least > (limit - offsets + SMALLEST).float()[:, None])
        places, found = near.nonzero(as_tuple=True)
        if len(places):
            self._merge(rows, places, found, _squared_distances(exact, references, places, found))

    def _merge(self, rows: slice, places: Tensor, found: Tensor, squares: Tensor) -> None:
        """Of the neighbours so far and those found, keep the k nearest of each query, in order."""
        count = len(self._squares[rows])
        held = torch.arange(count, device=self._device).repeat_interleave(self.k)
        places = torch.cat([held, places])
        squares = torch.cat([self._squares[rows].flatten(), squares])
        indices = torch.cat([self._indices[rows].flatten(), found + self.n_references])
        # Those held come first, with lower indices, and `found` ascends: stable sorts leave equals in that order.
        order = squares.argsort(stable=True)
        order = order[places[order].argsort(stable=True)]
        sizes = torch.bincount(places, minlength=count)
        first = sizes.cumsum(0) - sizes
        kept = order[first[:, None] + torch.arange(self.k, device=self._device)]
        self._squares[rows], self._indices[rows] = squares[kept], indices[kept]


def nearest(
    queries: Points, references: Points | Iterable[Points], k: int, device: str | torch.device | None = None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Distances and indices of the k references nearest to each query, (n, k) each, nearest first.

    queries : (n, ...). references : (m, ...), or an iterable of blocks, which are numbered on; m >= k. The other
    parameters, exactness and errors are those of `NearestSearch`.
    """
    search = NearestSearch(queries, k, device)
    for block in [references] if isinstance(references, np.ndarray | Tensor) else references:
        search.update(block)
    return search.result()


@known_as("eval.neighbours.NearestNeighbours")
class NearestNeighbours(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The class that most of the k nearest training points have; of classes with as many, the first in order.

    The row "KNN": Euclidean, all votes equal, as `sklearn.neighbors.KNeighborsClassifier` by default.

    Parameters
    ----------
    k : int, default 1
        Neighbours that vote, >= 1, at most the number of training points.
    device : str or None, default None
        "cpu", "cuda", ...; None takes that of X, or the CPU for NumPy arrays.

    Attributes
    ----------
    classes_ : array (n_classes,)
        Sorted.
    points_ : Tensor (n, d)
        The training points.
    index_ : array (n,)
        The place in `classes_` of each.

    Examples
    --------
    >>> import numpy as np
    >>> from dcgan_features.eval import NearestNeighbours
    >>> X = np.array([[0.0], [1.0], [5.0], [6.0]], np.float32)
    >>> NearestNeighbours(k=1).fit(X, ["low", "low", "high", "high"]).predict(X + 0.2)
    array(['low', 'low', 'high', 'high'], dtype='<U4')
    """

    def __init__(self, k: int = 1, *, device: str | None = None) -> None:
        self.k = k
        self.device = device

    def fit(self, X: Features, y: npt.ArrayLike) -> Self:
        """Keep X (n, d) and labels y (n,). Raises ValueError for unusable input and for k above n."""
        check_device(self.device)
        points = check_features(self, X, reset=True, y=y)
        labels = column_or_1d(np.asarray(y), warn=not isinstance(X, np.ndarray))
        check_consistent_length(points, labels)
        check_classification_targets(labels)
        if isinstance(self.k, bool) or not isinstance(self.k, int | np.integer) or not 1 <= self.k <= len(points):
            raise ValueError(f"k={self.k!r} must be a whole number from 1 to the {len(points)} rows of X")
        self.classes_, self.index_ = np.unique(labels, return_inverse=True)
        self.points_ = points.clone()
        return self

    def predict_proba(self, X: Features) -> npt.NDArray[np.float64]:
        """The share of the k votes that each class gets, (n, n_classes)."""
        check_is_fitted(self)
        queries = check_features(self, X, reset=False)
        votes = self.index_[nearest(queries, self.points_, self.k, self.device)[1]]
        counts = np.zeros((len(queries), len(self.classes_)))
        np.add.at(counts, (np.arange(len(queries))[:, None], votes), 1)
        return counts / self.k

    def predict(self, X: Features) -> npt.NDArray[Any]:
        """The class with the most votes, (n,)."""
        votes = self.predict_proba(X)
        chosen: npt.NDArray[Any] = self.classes_[votes.argmax(1)]
        return chosen


def _rows(points: Points, what: str) -> Tensor:
    """The points as a matrix (n, d); ValueError unless there are some, of at least one number each."""
    rows = torch.as_tensor(points)
    if rows.dim() < 2 or rows.numel() == 0:
        raise ValueError(f"{what} must have the shape (n, ...) with n >= 1, not {tuple(rows.shape)}")
    return rows.flatten(1)


@contextmanager
def _full_precision() -> Iterator[None]:
    """Products of float32 matrices in float32, whatever the process has chosen for its networks."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _squared_distances(queries: Tensor, references: Tensor, places: Tensor, found: Tensor) -> Tensor:
    """|q - r|^2 for pairs of a query and a reference, float64.

    In the same two buffers for all pairs: what is allocated again and again beside results that stay splits the heap,
    until it holds the differences of all pairs.
    """
    most = DEVICE_PAIR_NUMBERS if queries.device.type == "cuda" else PAIR_NUMBERS
    step = max(1, most // queries.shape[1])
    squares = queries.new_empty(len(places))
    differences, other = (queries.new_empty(min(step, len(places)), queries.shape[1]) for _ in range(2))
    for start in range(0, len(places), step):
        part = slice(start, start + step)
        count = len(places[part])
        torch.index_select(queries, 0, places[part], out=differences[:count])
        torch.index_select(references, 0, found[part], out=other[:count])
        torch.sum(differences[:count].sub_(other[:count]).square_(), 1, out=squares[part])
    return squares
