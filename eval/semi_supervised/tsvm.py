"""The row "TSVM": a support vector machine that also keeps its boundary away from rows without a label.

The smooth objective and its annealing are those of QN-S3VM (Gieseke, Airola, Pahikkala & Kramer, "Fast and simple
gradient-based optimization for semi-supervised support vector machines", Neurocomputing 123, 2014).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from dcgan_features.data.utils.checks import check_choice, check_counts, check_positive
from dcgan_features.data.utils.identity import known_as
from dcgan_features.eval.l2svm.primal import WeightSpace
from dcgan_features.eval.l2svm.validation import Features, check_device, check_features
from dcgan_features.eval.neural.labels import PartlyLabelled, check_partly_labelled
from dcgan_features.eval.semi_supervised.lbfgs import Minimum, minimise
from dcgan_features.eval.semi_supervised.nystroem import GaussianMap, choose_gamma

SHARPNESS = 20.0  # of the modified logistic loss: the larger, the closer to the hinge loss
WIDTH = 3.0  # of the bell that stands for the hinge loss of the better of the two labels
KERNELS = ("linear", "rbf")
BALANCES = ("labelled", "uniform")
STEEPNESS = 2.0  # of the step between the sides of the boundary, where they are counted
ANNEALING = (0.0, 1e-6, 1e-4, 0.01, 0.1, 0.5, 1.0)
PREDICT_ROWS = 4096


@known_as("eval.tsvm.TSVM")
class TSVM(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Transductive (semi-supervised) support vector machine, one class against the rest; y = -1 means "no label".

    For each class it looks for a minimum over w and b of

        mean over labelled rows of log(1 + exp(20 (1 - t f))) / 20          t = 1 for the class, -1 for the rest
        + unlabelled_weight * mean over unlabelled rows of exp(-3 f^2)
        + balance_weight * (mean over unlabelled rows of tanh(2 f) - (2 p - 1))^2
        + regularisation * |w|^2,       f(x) = w.(phi(x) - c) + 2 p - 1 + b,

    c being the mean of phi over the unlabelled rows and p the share of the class expected among them. Without the third
    term the boundary would flee to where no row is. QN-S3VM has no such term but b = 0, which holds the mean of f
    at 2 p - 1: that is `balance_weight=None`. A linear f is badly served by it, since the rest of the classes lie far
    beyond -1; so the third term, which counts sides, is our default. The objective is not convex; its second term
    is switched on step by step. The class of the largest f is predicted.

    Without unlabelled rows both terms are left out, c is the mean of all rows, and the problem is that of a supervised
    machine with a smoothed hinge loss; with them, that is had by `unlabelled_weight=0, balance_weight=0`.

    X is a NumPy array or a torch tensor of floating-point numbers, (n, d); arithmetic with it is float32.

    Parameters
    ----------
    regularisation : float, default 0.0001
        Above 0.
    unlabelled_weight : float, default 1.0
        At least 0, relative to the labelled rows.
    kernel : str, default "linear"
        "linear", phi(x) = x, or "rbf", exp(-gamma |x - z|^2) through `n_components` rows drawn from all of X.
    gamma : float or str, default "scale"
        A number > 0, "scale" or "median", see `kernel_map.choose_gamma`.
    n_components : int, default 1000
        Rows drawn for "rbf".
    balance : str or Sequence[float], default "labelled"
        Of each class, p: "labelled", its share of the labelled rows; "uniform"; or numbers in the order of `classes_`,
        each > 0, with the sum 1.
    balance_weight : float or None, default 1.0
        >= 0, or None to hold the mean of f.
    annealing : Sequence[float], default ANNEALING
        What `unlabelled_weight` is multiplied by, one minimisation after the other; the last is 1.
    tol : float, default 0.001
        A minimisation ends when the gradient has fallen to this part of what it is at w = 0.
    max_iter : int, default 200
        Most iterations of each; when they do not suffice in the last, a `ConvergenceWarning` says so.
    device : str or None, default None
        "cpu", "cuda", ...; None is that of X, or the CPU for NumPy arrays.
    random_state : int, np.random.RandomState or None, default 0
        Of the draw of components.

    Attributes
    ----------
    classes_ : array (n_classes,)
        Sorted.
    coef_ : array (n_classes, D), or (1, D) for two classes
        For the D features phi.
    intercept_ : array (n_classes,), or (1,) for two classes.
    map_ : GaussianMap or None
        Phi of "rbf", None for "linear".
    objective_ : array (n_classes,), or (1,)
        At the solution.
    n_iter_ : int
        Iterations, of all minimisations.

    Examples
    --------
    >>> import numpy as np
    >>> from dcgan_features.eval import TSVM
    >>> X = np.concatenate([np.linspace(0, 1, 10), np.linspace(3, 4, 10)])[:, None].astype(np.float32)
    >>> y = np.full(20, -1)  # no label
    >>> y[[0, 19]] = 0, 1
    >>> int(TSVM().fit(X, y).predict(X).sum())
    10
    """

    semi_supervised: ClassVar[bool] = True

    code_version = 1  # raise it with every change after which a fit gives another minimum

    def __init__(
        self,
        regularisation: float = 1e-4,
        unlabelled_weight: float = 1.0,
        *,
        kernel: str = "linear",
        gamma: float | str = "scale",
        n_components: int = 1000,
        balance: str | Sequence[float] = "labelled",
        balance_weight: float | None = 1.0,
        annealing: Sequence[float] = ANNEALING,
        tol: float = 1e-3,
        max_iter: int = 200,
        device: str | None = None,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.regularisation = regularisation
        self.unlabelled_weight = unlabelled_weight
        self.kernel = kernel
        self.gamma = gamma
        self.n_components = n_components
        self.balance = balance
        self.balance_weight = balance_weight
        self.annealing = annealing
        self.tol = tol
        self.max_iter = max_iter
        self.device = device
        self.random_state = random_state

    def fit(self, X: Features, y: npt.ArrayLike) -> Self:
        """Fit to X (n, d) and labels y (n,), of which those that are -1 are missing.

        Raises ValueError for unusable input or parameters.
        """
        self._check_parameters()
        device = self._choose_device(X)
        rows = check_partly_labelled(self, X.float().cpu().numpy() if isinstance(X, Tensor) else X, y)
        shares = expected_shares(self.balance, rows)
        # Labelled rows come first, so that each loss is computed on its own rows only.
        order = np.concatenate([np.flatnonzero(rows.labelled), np.flatnonzero(~rows.labelled)])
        features = self._fit_map(torch.from_numpy(rows.X[order]).to(device))
        labels = torch.from_numpy(rows.index[rows.labelled]).to(device)
        columns = torch.arange(len(rows.classes), device=device) if len(rows.classes) > 2 else labels.new_ones(1)
        targets = torch.where(labels[:, None] == columns, 1.0, -1.0).double()
        offset = 2 * torch.from_numpy(shares).to(device)[columns] - 1
        problem = Centred(features, len(labels), self.balance_weight is not None)
        minimum = self._solve(problem, targets, offset)
        self.classes_ = rows.classes
        weights, intercepts = minimum.weights[:-1], minimum.weights[-1]
        self.coef_ = weights.T.cpu().numpy()
        self.intercept_ = (offset + intercepts - problem.centre @ weights).cpu().numpy()
        self.objective_ = minimum.objective.cpu().numpy()
        return self

    def decision_function(self, X: Features) -> npt.NDArray[np.float64]:
        """f(x) of each class: (n, n_classes), or (n,), of the second class, for two. X as for `fit`."""
        check_is_fitted(self)
        features = check_features(self, X, reset=False)
        device = self._choose_device(X)
        weights = torch.from_numpy(self.coef_.T).to(device)
        values = np.empty((len(features), len(self.coef_)))
        for start in range(0, len(features), PREDICT_ROWS):
            block = features[start : start + PREDICT_ROWS].to(device)
            block = block if self.map_ is None else self.map_(block).to(device)
            values[start : start + PREDICT_ROWS] = (block.double() @ weights).cpu().numpy()
        values += self.intercept_
        return values[:, 0] if len(self.classes_) == 2 else values

    def predict(self, X: Features) -> npt.NDArray[Any]:
        """The class of the largest decision value, (n,). X as for `fit`."""
        values = self.decision_function(X)
        chosen: npt.NDArray[Any] = self.classes_[values.argmax(1) if values.ndim == 2 else (values > 0).astype(int)]
        return chosen

    def _check_parameters(self) -> None:
        check_positive("regularisation", self.regularisation)
        check_positive("tol", self.tol)
        if self.unlabelled_weight != 0:
            check_positive("unlabelled_weight", self.unlabelled_weight)
        if self.balance_weight is not None and self.balance_weight != 0:
            check_positive("balance_weight", self.balance_weight)
        check_choice("kernel", self.kernel, KERNELS)
        check_counts(n_components=self.n_components, max_iter=self.max_iter)
        steps = np.asarray(self.annealing, float)
        if steps.ndim != 1 or len(steps) == 0 or not (np.isfinite(steps) & (steps >= 0)).all() or steps[-1] != 1:
            raise ValueError(f"annealing={self.annealing!r} must be numbers of at least 0, of which the last is 1")

    def _choose_device(self, X: Features) -> torch.device:
        return check_device(self.device) or (X.device if isinstance(X, Tensor) else torch.device("cpu"))

    def _fit_map(self, rows: Tensor) -> Tensor:
        """Make `map_`; what it makes of the rows."""
        random = check_random_state(self.random_state)
        gamma = choose_gamma(self.gamma, rows, random)
        self.map_ = None
        if self.kernel == "linear":
            return rows
        drawn = torch.from_numpy(random.permutation(len(rows))[: self.n_components]).to(rows.device)
        self.map_ = GaussianMap(rows[drawn], gamma)
        return self.map_(rows)

    def _solve(self, problem: Centred, targets: Tensor, offset: Tensor) -> Minimum:
        weights = torch.zeros(problem.dimensions + 1, len(offset), dtype=torch.float64, device=offset.device)
        penalty = torch.full_like(weights[:, :1], self.regularisation)
        penalty[-1] = 0
        pull = self.balance_weight or 0.0
        last = self.unlabelled_weight if problem.has_unlabelled else 0.0
        self.n_iter_ = 0
        # Steps of the same weight, as all are without unlabelled rows, are one.
        for weight in dict.fromkeys(last * step for step in self.annealing):
            loss = SmoothLoss(targets, weight, offset, pull)
            minimum = minimise(problem, offset, loss, penalty, weights, self.max_iter, self.tol)
            weights = minimum.weights
            self.n_iter_ += minimum.iterations
        if not minimum.converged:
            warnings.warn(
                f"TSVM stopped after {self.max_iter} iterations short of its tolerance; raise max_iter, tol or "
                "regularisation, or scale the features",
                ConvergenceWarning,
                stacklevel=3,
            )
        return minimum


class Centred:
    """X - c of a matrix (n, d) whose first rows are labelled, and its transpose, without a copy of the matrix.

    intercept : whether a weight b of its own is there, or held at 0.

    c, `centre` : the mean of the unlabelled rows, or of all where there are none; float64 (d,).
    """

    def __init__(self, features: Tensor, labelled: int, intercept: bool) -> None:
        self.intercept = intercept
        self.has_unlabelled = labelled < len(features)
        self.dimensions = features.shape[1]
        self.centre = features[labelled if self.has_unlabelled else 0 :].mean(0, dtype=torch.float64)
        self._space = WeightSpace(features, True, torch.float32, features.device)

    def decision(self, weights: Tensor) -> Tensor:
        """(X - c) w + b, float64 (n, k), for w (d, k) and b (1, k), stacked."""
        whole = torch.cat([weights[:-1], weights[-1:] - self.centre @ weights[:-1]])
        return self._space.decision(whole.float()).double()

    def adjoint(self, values: Tensor) -> Tensor:
        """(X - c)' values and their sum, or 0 for an intercept that is held, float64 (d + 1, k), for values (n, k)."""
        whole = self._space.adjoint(values.float()).double()
        total = values.sum(0)[None]
        return torch.cat([whole[:-1] - self.centre[:, None] * total, total * self.intercept])


@dataclass(frozen=True)
class SmoothLoss:
    """The losses of labelled rows, which come first, and of unlabelled ones; values and derivatives a column.

    targets : 1 and -1, (labelled rows, k). weight : of the mean loss of the unlabelled rows.
    expected : mean side of these, -1 to 1, (k,). pull : weight of the squared departure from it.
    """

    targets: Tensor
    weight: float
    expected: Tensor
    pull: float

    def __call__(self, decision: Tensor) -> tuple[Tensor, Tensor]:
        """Values (k,) and derivatives (n, k) at decision values (n, k)."""
        count = len(self.targets)
        margin = SHARPNESS * (1 - self.targets * decision[:count])
        value = torch.nn.functional.softplus(margin).mean(0) / SHARPNESS
        slopes = torch.zeros_like(decision)
        slopes[:count] = -self.targets * torch.sigmoid(margin) / count
        if self.weight > 0:
            free = decision[count:]
            bell = (-WIDTH * free.square()).exp() * (self.weight / len(free))
            value = value + bell.sum(0)
            slopes[count:] = -2 * WIDTH * free * bell
        if self.pull > 0 and count < len(decision):
            sides = (STEEPNESS * decision[count:]).tanh()
            excess = sides.mean(0) - self.expected
            value = value + self.pull * excess.square()
            slopes[count:] += 2 * self.pull * STEEPNESS / len(sides) * excess * (1 - sides.square())
        return value, slopes


def expected_shares(balance: str | Sequence[float], rows: PartlyLabelled) -> npt.NDArray[np.float64]:
    """The share of each class expected among unlabelled rows, (k,). Raises ValueError for an unusable `balance`."""
    count = len(rows.classes)
    if isinstance(balance, str):
        check_choice("balance", balance, BALANCES)
        counts = np.bincount(rows.index[rows.labelled], minlength=count)
        return counts / counts.sum() if balance == "labelled" else np.full(count, 1 / count)
    shares = np.asarray(balance, float)
    if shares.shape != (count,) or not (shares > 0).all() or not np.isclose(shares.sum(), 1):
        raise ValueError(f"balance={balance!r} must be {count} numbers above 0 with the sum 1, or one of {BALANCES}")
    return shares
