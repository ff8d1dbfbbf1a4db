"""A linear layer by stochastic gradient descent at a fixed rate, as many papers train their probes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn

from dcgan_features.data.utils.random_streams import stream

_ORDER = 40  # what the streams of random orders are for
_ROWS = 4096


class SGDProbe(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Softmax regression without a penalty, by momentum 0.9 and a rate that never falls.

    Nothing says when it has converged, and the best rate depends on the scale of the features: for comparison with
    what is published so, beside `eval.LogisticProbe`, which is solved to a certificate.

    Parameters: rate, epochs, batch (rows of a step), seed (of the order of rows).
    Attributes: classes_ (k,), coef_ float32 (k, d), intercept_ float32 (k,).
    """

    def __init__(self, rate: float = 0.1, *, epochs: int = 100, batch: int = 256, seed: int = 0) -> None:
        self.rate, self.epochs, self.batch, self.seed = rate, epochs, batch, seed

    def fit(self, X: Any, y: ArrayLike) -> SGDProbe:
        """Fit to features (n, d), a tensor or an array, and labels (n,).

        Where the loss is no longer finite, the weights of the last epoch that was stand, with a `ConvergenceWarning`.
        """
        rows = torch.as_tensor(X)
        self.classes_, index = np.unique(np.asarray(y), return_inverse=True)
        labels = torch.from_numpy(index.astype(np.int64))
        layer = nn.Linear(rows.shape[1], len(self.classes_))
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
        optimiser = torch.optim.SGD(layer.parameters(), lr=self.rate, momentum=0.9)
        kept = [tensor.detach().clone() for tensor in layer.parameters()]
        for epoch in range(self.epochs):
            total = 0.0
            order = torch.randperm(len(rows), generator=stream(self.seed, _ORDER, epoch))
            for part in torch.split(order, self.batch):
                optimiser.zero_grad()
                loss = nn.functional.cross_entropy(layer(rows[part].float()), labels[part])
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                total += loss.item()
            if not np.isfinite(total) or not all(torch.isfinite(tensor).all() for tensor in layer.parameters()):
                warnings.warn(f"SGD at rate {self.rate:g} diverges in epoch {epoch + 1}", ConvergenceWarning, 2)
                break
            kept = [tensor.detach().clone() for tensor in layer.parameters()]
        self.coef_, self.intercept_ = (tensor.numpy() for tensor in kept)
        self.n_features_in_ = rows.shape[1]
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities of the classes, (n, k)."""
        parts = [self._logits(part) for part in torch.split(torch.as_tensor(X), _ROWS)]
        return torch.cat(parts).double().softmax(1).numpy()

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each row, (n,)."""
        found: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(1)]
        return found

    def _logits(self, rows: Tensor) -> Tensor:
        return rows.float() @ torch.from_numpy(self.coef_).T + torch.from_numpy(self.intercept_)
