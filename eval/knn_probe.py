"""Nearest neighbours as a probe of features: weighted votes by cosine similarity, or plain ones; k may be chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d
from torch import Tensor

from dcgan_features.data.utils.checks import check_positive
from dcgan_features.data.utils.identity import known_as
from dcgan_features.eval.l2svm.validation import Features, check_device, check_features
from dcgan_features.eval.neighbours import nearest

METRICS = ("cosine", "euclidean")
_QUERIES, _REFERENCES = 2048, 8192  # in a block of similarities
_JUDGED = 5000  # training points at most that choose k


@known_as("eval.knn_probe.KNNProbe")
class KNNProbe(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Votes of the k nearest training points.

    metric="cosine" is the protocol of self-supervised learning (Wu et al., Unsupervised Feature Learning via
    Non-Parametric Instance Discrimination, CVPR 2018, section 3.4): features are scaled to length 1, and neighbour i
    votes with exp(s_i / temperature), s_i its cosine similarity. metric="euclidean" counts each vote as 1; of classes
    with as many the first wins.

    Parameters
    ----------
    k : neighbours that vote, >= 1; at most the training points. Several values: the one is taken that gets most
        training points right when each is left out of its own neighbours, of equals the smallest; at most 5,000 points,
        evenly spaced, are asked. The test set has no part in it.
    metric : "cosine" or "euclidean". temperature : of the votes under "cosine", > 0.
    device : "cpu", "cuda", ...; None takes that of X, or the CPU for NumPy arrays.

    Attributes
    ----------
    classes_ : (n_classes,), sorted. k_ : the k that votes. scores_ : accuracy in percent for each k, where there were
    several. points_ : (n, d), the training features, not copied. index_ : (n,), the class of each.
    """

    def __init__(
        self,
        k: int | Sequence[int] = 20,
        *,
        metric: str = "cosine",
        temperature: float = 0.07,
        device: str | None = None,
    ) -> None:
        self.k = k
        self.metric = metric
        self.temperature = temperature
        self.device = device

    def fit(self, X: Features, y: npt.ArrayLike) -> Self:
        """Keep X (n, d) and labels y (n,), and choose k. Raises ValueError for unusable input or parameters."""
        points = check_features(self, X, reset=True, y=y)
        check_device(self.device, float64=points.dtype == torch.float64 or self.metric == "euclidean")
        labels = column_or_1d(np.asarray(y), warn=not isinstance(X, np.ndarray))
        check_consistent_length(points, labels)
        check_classification_targets(labels)
        check_positive("temperature", self.temperature)
        if self.metric not in METRICS:
            raise ValueError(f"metric={self.metric!r} is not one of {', '.join(METRICS)}")
        values = [self.k] if isinstance(self.k, int | np.integer) else list(self.k)
        if not values:
            raise ValueError("k is empty; give at least one number of neighbours")
        most = len(points) - (len(values) > 1)  # a point that chooses is not its own neighbour
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value <= most:
                raise ValueError(
                    f"k={value!r} must be a whole number from 1 to {most}; X has n_samples = {len(points)} rows"
                )
        self.classes_, self.index_ = np.unique(labels, return_inverse=True)
        self.points_ = points
        self._lengths = _lengths(points) if self.metric == "cosine" else None
        self.k_ = int(values[0])
        if len(values) > 1:
            self.scores_ = self._left_out(sorted({int(value) for value in values}))
            self.k_ = max(self.scores_, key=lambda value: (self.scores_[value], -value))
        return self

    def predict_proba(self, X: Features) -> npt.NDArray[np.float64]:
        """The share of the votes that each class gets, (n, n_classes)."""
        check_is_fitted(self)
        queries = check_features(self, X, reset=False)
        weights, found = self._neighbours(queries, self.k_)
        votes = self._votes(weights, found)
        shares: npt.NDArray[np.float64] = votes / votes.sum(1, keepdims=True)
        return shares

    def predict(self, X: Features) -> npt.NDArray[Any]:
        """The class with most votes, (n,)."""
        votes = self.predict_proba(X)
        chosen: npt.NDArray[Any] = self.classes_[votes.argmax(1)]
        return chosen

    def _left_out(self, values: list[int]) -> dict[int, float]:
        """Accuracy in percent by k, of training points that are no neighbours of themselves."""
        count = len(self.points_)
        asked = np.unique(np.linspace(0, count - 1, min(count, _JUDGED)).astype(np.int64))
        weights, found = self._neighbours(self.points_[torch.from_numpy(asked)], values[-1] + 1)
        kept = found != asked[:, None]
        kept[kept.all(1), -1] = False  # where equals of the point came before it, the last neighbour is left out
        shape = (len(asked), values[-1])
        weights, found = weights[kept].reshape(shape), found[kept].reshape(shape)
        scores = {}
        for value in values:
            votes = self._votes(weights[:, :value], found[:, :value])
            scores[value] = float((votes.argmax(1) == self.index_[asked]).mean()) * 100
        return scores

    def _votes(self, weights: npt.NDArray[np.float64], found: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        votes = np.zeros((len(found), len(self.classes_)))
        np.add.at(votes, (np.arange(len(found))[:, None], self.index_[found]), weights)
        return votes

    def _neighbours(self, queries: Tensor, k: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Weight and index of the k nearest training points, nearest first, (n, k) each."""
        if self._lengths is None:
            found = nearest(queries, self.points_, k, self.device)[1]
            return np.ones(found.shape), found
        similar, found = _most_similar(queries, self.points_, self._lengths, k, self.device)
        # Relative to the nearest: the shares are the same, and no exponential overflows.
        return np.exp((similar - similar[:, :1]) / self.temperature), found


def _wide(features: Tensor) -> Tensor:
    """In float64 where they are, otherwise in float32."""
    return features if features.dtype == torch.float64 else features.float()


def _lengths(points: Tensor) -> Tensor:
    """The length of each row, (n,), float64 for float64, otherwise float32; rows of zeros count as of length 1."""
    parts = [_wide(part).norm(dim=1) for part in torch.split(points, _REFERENCES)]
    lengths = torch.cat(parts)
    return torch.where(lengths > 0, lengths, 1.0)


def _most_similar(
    queries: Tensor, points: Tensor, lengths: Tensor, k: int, device: str | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Cosine similarity and index of the k most similar points, (n, k) each; in blocks, of whatever type."""
    place = check_device(device, float64=points.dtype == torch.float64) or points.device
    similarities, indices = [], []
    for rows in torch.split(queries, _QUERIES):
        own = _wide(rows.to(place))
        own = own / _lengths(own)[:, None]
        best = torch.zeros((len(own), 0), dtype=own.dtype, device=place)
        found = torch.zeros((len(own), 0), dtype=torch.int64, device=place)
        for start in range(0, len(points), _REFERENCES):
            block = points[start : start + _REFERENCES].to(place, own.dtype)
            similar = own @ (block / lengths[start : start + len(block), None].to(place, own.dtype)).T
            near, at = similar.topk(min(k, len(block)), dim=1)
            best, found = torch.cat([best, near], 1), torch.cat([found, at + start], 1)
            best, order = best.topk(min(k, best.shape[1]), dim=1)
            found = found.gather(1, order)
        similarities.append(best.cpu().double().numpy())
        indices.append(found.cpu().numpy())
    return np.concatenate(similarities), np.concatenate(indices)
