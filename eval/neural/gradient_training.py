"""What the classifiers that are trained by gradients have in common: minibatches, epochs, validation, prediction."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data
from torch import Tensor, nn
from torch.nn import functional

from dcgan_features.data.utils.checks import check_choice, check_counts, check_positive
from dcgan_features.data.utils.devices import choose_device
from dcgan_features.data.utils.identity import known_as
from dcgan_features.eval.neural.labels import PartlyLabelled, check_partly_labelled

_PREDICTED = 512  # rows that are predicted at once


@known_as("eval.gradient.GradientClassifier")
@dataclass(eq=False, repr=False, kw_only=True)
class GradientClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A network trained by Adam on minibatches of rows with labels and, where it has a use for them, rows without.

    To derive a classifier, write `_build`, and `_loss` and `_logits` where the defaults do not fit: the network maps
    rows to logits, and its loss is their cross-entropy. The derived class is a dataclass too, whose fields are its
    parameters; it names those below again whose defaults it sets.

    Parameters
    ----------
    epochs : passes over the rows, >= 1. Over those without labels where the class is `semi_supervised` and there are
        such rows, a minibatch then being `labelled_batch_size` rows with labels, drawn by going through them in one
        random order after another, beside `batch_size` rows without. Otherwise over those with labels, `batch_size`
        a minibatch. Minibatches of a pass differ by at most one row in size, so that none is too small.
    batch_size, labelled_batch_size : rows of a minibatch, >= 1, see `epochs`.
    learning_rate : of Adam, > 0.
    decay_from : share of the epochs, 0..1, after which the learning rate falls linearly to 0; 1 keeps it constant.
    validate_every : epochs between two looks at the validation rows, where `fit` is given any, >= 1.
    patience : looks without improvement after which training stops; None trains to the end.
    precision : "fp32", or "bf16" for products and convolutions in bfloat16.
    device : "cpu", "cuda", ...; None takes CUDA where it is there.
    random_state : whole number, or what else scikit-learn takes: seed of the weights, the order of the rows and
        whatever the method draws. On the CPU it determines the fit.
    progress : called with ("training", minibatches done, minibatches in all) during `fit`.

    Attributes
    ----------
    classes_ : (n_classes,), sorted. n_features_in_ : d. network_ : the fitted network, on its device.
    n_iter_ : epochs done. loss_curve_ : the mean loss of each.
    validation_errors_ : (epoch, percent of the validation rows taken for a wrong class), ...; empty without such rows.
    best_epoch_ : the first epoch of the lowest of them, whose weights are kept; `n_iter_` without validation rows.
    """

    semi_supervised: ClassVar[bool] = False  # y = -1 means "no label"
    code_version: ClassVar[int] = 1  # raise it with every change after which a fit gives other weights

    epochs: int
    batch_size: int
    learning_rate: float
    labelled_batch_size: int = 50
    decay_from: float = 1.0
    validate_every: int = 1
    patience: int | None = None
    precision: str = "fp32"
    device: str | None = None
    random_state: Any = 0
    progress: Callable[[str, int, int], None] | None = None

    def _build(self, n_features: int, n_classes: int) -> nn.Module:
        """The network to train, on the CPU; torch's global generator is seeded when this is called."""
        raise NotImplementedError

    def _loss(self, network: nn.Module, labelled: Tensor, index: Tensor, unlabelled: Tensor | None) -> Tensor:
        """The loss of a minibatch, (): the mean cross-entropy of the labelled rows, in nats.

        labelled : float32 (n, d). index : int64 (n,), their classes' places in `classes_`. unlabelled : float32
        (m, d), or None; always None unless the class is `semi_supervised`.
        """
        return functional.cross_entropy(self._logits(network, labelled).float(), index)

    def _logits(self, network: nn.Module, rows: Tensor) -> Tensor:
        """(n, n_classes), whose softmax are the classes' probabilities, of rows float32 (n, d)."""
        logits: Tensor = network(rows)
        return logits

    def _optimiser(self, network: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(network.parameters(), lr=self.learning_rate, fused=True)

    def _check_parameters(self) -> None:
        """ValueError for parameters that cannot be used; derived classes add theirs."""
        for name in ("epochs", "batch_size", "labelled_batch_size", "validate_every"):
            check_counts(**{name: getattr(self, name)})
        if self.patience is not None:
            check_counts(patience=self.patience)
        check_positive("learning_rate", self.learning_rate)
        check_between("decay_from", self.decay_from, 0.0, 1.0)
        check_choice("precision", self.precision, ("fp32", "bf16"))

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        X_validation: npt.ArrayLike | None = None,
        y_validation: npt.ArrayLike | None = None,
    ) -> Self:
        """Fit to X float32 (n, d) and labels y (n,), which are -1 for "no label" where `semi_supervised`.

        X_validation (m, d), y_validation (m,) : rows that are not trained on; the weights with the fewest mistakes on
        them are kept. Raises ValueError for unusable input or parameters, and where the loss is no longer finite.
        """
        self._check_parameters()
        if (X_validation is None) != (y_validation is None):
            raise ValueError("give X_validation and y_validation together or neither")
        rows = self._check_rows(X, y)
        self.classes_ = rows.classes
        validation = None
        if X_validation is not None:
            validation = validate_data(self, X_validation, y_validation, dtype=np.float32, reset=False)
        device = choose_device(self.device, "bfloat16" if self.precision == "bf16" else "float32")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            self.network_ = self._build(self.n_features_in_, len(self.classes_)).to(device)
            self._train(_as_tensor(rows.X), torch.from_numpy(rows.index), device, validation)
        self.network_.eval()
        return self

    def _check_rows(self, X: npt.ArrayLike, y: npt.ArrayLike) -> PartlyLabelled:
        if self.semi_supervised:
            return check_partly_labelled(self, X, y)
        features, labels = validate_data(self, X, y, dtype=np.float32)
        labels = column_or_1d(labels, warn=True)
        check_classification_targets(labels)
        classes, index = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"y holds one class only ({classes[0]!r}); {type(self).__name__} needs at least two")
        return PartlyLabelled(features, classes, index.astype(np.int64))

    def _train(self, X: Tensor, index: Tensor, device: torch.device, validation: tuple[Any, Any] | None) -> None:
        labelled, unlabelled = _Shuffled(torch.nonzero(index >= 0)[:, 0]), _Shuffled(torch.nonzero(index < 0)[:, 0])
        beside = min(self.labelled_batch_size, len(labelled.rows)) if len(unlabelled.rows) else None
        sizes = _even_sizes(len(unlabelled.rows) or len(labelled.rows), self.batch_size)
        optimiser = self._optimiser(self.network_)
        rates = [group["lr"] for group in optimiser.param_groups]
        self.loss_curve_: list[float] = []
        self.validation_errors_: list[tuple[int, float]] = []
        best: dict[str, Tensor] | None = None
        for epoch in range(1, self.epochs + 1):
            self.network_.train()
            total = torch.zeros((), device=device)
            for step, size in enumerate(sizes, len(sizes) * (epoch - 1)):
                for group, rate in zip(optimiser.param_groups, rates, strict=True):
                    group["lr"] = rate * self._share_of_rate(step / (len(sizes) * self.epochs))
                rows = labelled.draw(size if beside is None else beside)
                others = None if beside is None else X[unlabelled.draw(size)].to(device)
                with self._reduced_precision(device):
                    loss = self._loss(self.network_, X[rows].to(device), index[rows].to(device), others)
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
                total += loss.detach()
                if self.progress is not None:
                    self.progress("training", step + 1, len(sizes) * self.epochs)
            self.n_iter_ = epoch
            self.loss_curve_.append(float(total) / len(sizes))
            if not np.isfinite(self.loss_curve_[-1]):
                raise ValueError(
                    f"the loss of {type(self).__name__} is no longer finite in epoch {epoch}; "
                    f"lower learning_rate, now {self.learning_rate}, or scale the features"
                )
            if validation is None or (epoch % self.validate_every and epoch < self.epochs):
                continue
            if self._validate(*validation):
                self.best_epoch_ = epoch
                best = {name: value.clone() for name, value in self.network_.state_dict().items()}
            elif self.patience is not None and self._looks_since_best() >= self.patience:
                break
        if best is None:
            self.best_epoch_ = self.n_iter_
        else:
            self.network_.load_state_dict(best)

    def _share_of_rate(self, done: float) -> float:
        """What is left of the learning rate when a share of the training, 0..1, is done."""
        return 1.0 if done <= self.decay_from else (1.0 - done) / (1.0 - self.decay_from)

    def _validate(self, X: npt.NDArray[np.float32], y: npt.NDArray[Any]) -> bool:
        """Record the percentage of mistakes on these rows; whether it is the lowest so far."""
        predicted = self.classes_[self._all_logits(X).argmax(1).numpy()]
        error = 100.0 * float(np.mean(predicted != y))
        lowest = all(error < earlier for _, earlier in self.validation_errors_)
        self.validation_errors_.append((self.n_iter_, error))
        return lowest

    def _looks_since_best(self) -> int:
        return sum(epoch > self.best_epoch_ for epoch, _ in self.validation_errors_)

    def _reduced_precision(self, device: torch.device) -> contextlib.AbstractContextManager[Any]:
        if self.precision == "bf16":
            return torch.autocast(device.type, torch.bfloat16)
        return contextlib.nullcontext()

    @torch.no_grad()
    def _all_logits(self, X: npt.NDArray[np.float32]) -> Tensor:
        """float32 (n, n_classes), on the CPU."""
        self.network_.eval()
        device = next(self.network_.parameters()).device
        with self._reduced_precision(device):
            blocks = [self._logits(self.network_, block.to(device)) for block in torch.split(_as_tensor(X), _PREDICTED)]
        return torch.cat(blocks).float().cpu()

    def predict_proba(self, X: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Probabilities of the classes in the order of `classes_`, (n, n_classes), of X (n, d)."""
        check_is_fitted(self)
        logits = self._all_logits(validate_data(self, X, dtype=np.float32, reset=False))
        probabilities: npt.NDArray[np.float32] = logits.double().softmax(1).float().numpy()
        return probabilities

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """The most probable class of each row, (n,), of X (n, d)."""
        check_is_fitted(self)
        logits = self._all_logits(validate_data(self, X, dtype=np.float32, reset=False))
        chosen: npt.NDArray[Any] = self.classes_[logits.argmax(1).numpy()]
        return chosen


class _Shuffled:
    """Rows in one random order after another, drawn from torch's global generator."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows
        self._left = rows[:0]

    def draw(self, count: int) -> Tensor:
        """The next `count` rows, int64 (count,); each comes once before any comes again."""
        while len(self._left) < count:
            self._left = torch.cat([self._left, self.rows[torch.randperm(len(self.rows))]])
        taken, self._left = self._left[:count], self._left[count:]
        return taken


def _even_sizes(count: int, most: int) -> list[int]:
    """The sizes of as few parts of `count` rows as possible, at most `most` rows each, differing by at most one."""
    parts = -(-count // most)
    size, larger = divmod(count, parts)
    return [size + 1] * larger + [size] * (parts - larger)


def _as_tensor(X: npt.NDArray[np.float32]) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a read-only memory map is only read here
        return torch.from_numpy(X)


def check_between(name: str, value: Any, least: float, most: float) -> None:
    """ValueError, naming the value, unless it is a finite number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not least <= value <= most:
        upper = f" to {most:g}" if most < np.inf else " on"
        raise ValueError(f"{name} must be a number from {least:g}{upper}, not {value!r}")
