"""An L2-SVM's problem, and which of the solvers it is given to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dcgan_features.eval.l2svm.dense.pivoting import Outcome
from dcgan_features.eval.l2svm.dense.prepared import MANY, TALL
from dcgan_features.eval.l2svm.dense.solver import Dense
from dcgan_features.eval.l2svm.gram import GramSpace, gram_matrix
from dcgan_features.eval.l2svm.newton import Preconditioner, Solution, minimise
from dcgan_features.eval.l2svm.primal import EXACT_DIMENSIONS, WeightSpace
from dcgan_features.eval.l2svm.space import Space
from dcgan_features.eval.l2svm.streaming import solver as streaming
from dcgan_features.eval.l2svm.streaming.following import Following, unfollowed
from dcgan_features.eval.l2svm.validation import Rows

Array = npt.NDArray[Any]

GRAM_ROWS = 8192  # most rows for which the Gram matrix is made, on a GPU,
STREAMED = EXACT_DIMENSIONS  # features above which one processor takes few exact passes
EXACT_ROWS = 2048  # and up to which it is float64 always, which costs nothing there
LATE_ROWS = 16384  # most rows for which one processor makes it where passes would be many: for many columns,
_LATE = 50.0  # and for a C from which times the rows' mean squared length


@dataclass
class Solved:
    """The minima for one C.

    weights, intercepts : (k, d) and (k,), float32, or float64 for float64 features. objective, gap : (k,).
    decision : X w + b, (n, k), of the rows held here; None unless it was asked for.
    iterations : of the column with most. products : passes over the data.
    """

    weights: Array
    intercepts: Array
    objective: Array
    gap: Array
    decision: Array | None
    iterations: int
    products: float
    converged: bool


class Problem:
    """X and its labels, ready to be solved for any C and any subset of the rows.

    What one processor's memory holds is for `dense`; other features, and those of several processes or on a GPU, are
    for `Passes`; in between it depends on C and on the columns.

    rows : the features and their labels. device : where the arithmetic is done; None is where X lies.
    """

    def __init__(self, rows: Rows, intercept: bool, device: torch.device | None) -> None:
        self.rows = rows
        self.intercept = intercept
        self.device = device
        self.place = rows.features.device if device is None else device
        self.classes = rows.classes
        self.index = rows.index[rows.own]
        count, dimensions = rows.features.shape
        here = self.place.type == "cpu" and rows.features.device.type == "cpu" and rows.processes.count == 1
        self.dense = Dense(rows.features, intercept) if here and Dense.fits(count, dimensions) else None
        late = here and GRAM_ROWS < count <= min(LATE_ROWS, TALL * dimensions)
        self._late = Dense(rows.features, intercept, by_gram=True) if late else None

    @property
    def out_dtype(self) -> Any:
        """Of the weights."""
        return np.float64 if self.rows.features.dtype == torch.float64 else np.float32

    def targets(self) -> Array:
        """(k, n) int8 of -1 and 1; one column where there are two classes."""
        wanted = np.array([1]) if len(self.classes) == 2 else np.arange(len(self.classes))
        return np.where(self.index == wanted[:, None], np.int8(1), np.int8(-1))

    def path(
        self,
        Cs: Iterable[float],
        tol: float,
        max_iter: int,
        held: Array | None = None,
        decide: bool = False,
        start: Solved | None = None,
        follow: Following = unfollowed,
    ) -> Iterator[tuple[float, Solved]]:
        """Yield (C, minima) in ascending order of C, each begun from the one before.

        held : (m, n) of bool: m problems at once, each without the rows marked. The columns are then (mask, class) with
            the classes running fastest. None: all rows.
        start : minima for another C that the first is begun from, where that helps. follow : is told of each fit.
        """
        t = self.targets()
        m = self.rows.weights if self.rows.weights is None else np.broadcast_to(self.rows.weights, t.shape)
        if held is not None:
            columns = len(t)
            t = np.where(np.repeat(held, columns, axis=0), np.int8(0), np.tile(t, (len(held), 1)))
            m = None if m is None else np.tile(m, (len(held), 1))
        if m is not None:
            t = np.where(m > 0, t, np.int8(0))
        Cs, dense = sorted(set(Cs)), self._late if self.dense is None else self.dense
        easiest = self._easiest(len(t))
        passed = [C for C in Cs if easiest >= C]
        found: Solution | None = None
        for C in passed:
            if found is None and start is not None:
                found = self._passes.restarted(start)
            self._passes.report = follow(C)
            found = self._passes.solve(C, tol, max_iter, t, m, found)
            yield C, self._of_solution(self._passes, found, decide)
        if dense is not None and len(passed) < len(Cs):
            for C, outcome in dense.path(Cs[len(passed) :], t, tol, max_iter, m=m, decide=decide).items():
                yield C, self._of_outcome(outcome)

    @cached_property
    def _passes(self) -> Passes:
        return Passes(self.rows, self.intercept, self.place)

    @cached_property
    def _square(self) -> float:
        """About the rows' mean squared length."""
        features = self.rows.features
        return float(features[:: max(1, len(features) // 256)].double().square().sum(1).mean())

    def _easiest(self, columns: int) -> float:
        """The largest C at which few passes suffice, or the matrices of `dense` would not pay."""
        if self.dense is not None:
            return 0.0
        if self._late is None:
            return np.inf
        return 0.0 if columns >= MANY * torch.get_num_threads() else _LATE / max(self._square, 1e-300)

    def total(self, part: Array) -> Array:
        """What is summed over the rows held here, summed over those of all processes."""
        summed: Array = self.rows.processes.total(torch.from_numpy(part)).numpy()
        return summed

    def _of_outcome(self, outcome: Outcome) -> Solved:
        weights = np.ascontiguousarray(outcome.weights[:, :-1], dtype=self.out_dtype)
        return Solved(
            weights,
            (outcome.weights[:, -1] * self.intercept).astype(self.out_dtype),
            outcome.objective,
            outcome.gap,
            None if outcome.decision is None else outcome.decision.T,
            outcome.steps,
            outcome.steps + 1.0,
            outcome.converged,
        )

    def _of_solution(self, passes: Passes, solution: Solution, decide: bool) -> Solved:
        weights, intercepts = passes.weights(solution)
        return Solved(
            weights.to(torch.from_numpy(np.empty(0, self.out_dtype)).dtype).cpu().numpy(),
            intercepts.to(torch.from_numpy(np.empty(0, self.out_dtype)).dtype).cpu().numpy(),
            solution.objective.cpu().numpy(),
            solution.gap.cpu().numpy(),
            solution.decision.cpu().numpy() if decide else None,
            solution.iterations,
            solution.products,
            solution.converged,
        )


class Passes:
    """The problem for `newton`, which passes over rows wherever they are.

    Rows that several processes hold are never brought together in a Gram matrix.

    dtype : of the arithmetic; None is float64 for float64 features and few rows, and otherwise float32, to begin with.
    """

    def __init__(self, rows: Rows, intercept: bool, place: torch.device, dtype: torch.dtype | None = None) -> None:
        self.rows = rows
        self.intercept = intercept
        self.place = place
        self.dtype = dtype or (torch.float64 if rows.features.dtype == torch.float64 else torch.float32)
        count, dimensions = rows.features.shape
        self.use_gram = rows.processes.count == 1 and count <= GRAM_ROWS and count < dimensions
        if self.use_gram and count <= EXACT_ROWS:
            self.dtype = torch.float64
        self.space = self._make_space()
        if isinstance(self.space, WeightSpace):
            self.space.alternates = self._is_streamed
        self.preconditioner = Preconditioner()
        self._in_float64: Passes | None = None
        self.report: streaming.Report = lambda passes, gap: None

    def _make_space(self) -> Space:
        if self.use_gram:
            return GramSpace(gram_matrix(self.rows.features, self.intercept, self.dtype, self.place))
        return WeightSpace(self.rows.features, self.intercept, self.dtype, self.place, self.rows.processes)

    def solve(
        self, C: float, tol: float, max_iter: int, t: Array, m: Array | None, start: Solution | None = None
    ) -> Solution:
        """Solve for one C. Where float32 has no digits left before the tolerance is met, the rest is done in float64.

        t : (k, n) of -1, 1, and 0 for rows that are left out. m : the rows' weights, (k, n).
        start : a solution of the same columns at another C to begin from.
        """
        mask = np.asarray((t != 0) if m is None else m * (t != 0), np.float64)
        targets = torch.from_numpy(np.ascontiguousarray(t.T)).to(self.place, self.dtype)
        weights = torch.from_numpy(np.ascontiguousarray(mask.T)).to(self.place, self.dtype)
        solution = self._in_this_precision(C, tol, max_iter, targets, weights, start)
        left = max_iter - solution.iterations
        if solution.converged or not left or self.dtype == torch.float64:
            return solution
        if self._in_float64 is None:
            self._in_float64 = Passes(self.rows, self.intercept, self.place, torch.float64)
        # Where float32 went astray the rows inside the margin are arbitrary: from 0 they are found sooner.
        astray = solution.gap > solution.objective
        solution.vector[..., astray], solution.decision[:, astray] = 0, 0
        exact = self._in_float64.solve(C, tol, left, t, m, solution)
        exact.iterations += solution.iterations
        exact.products += solution.products
        return exact

    def restarted(self, solved: Solved) -> Solution | None:
        """A solution again from what was stored of it; None in the Gram matrix's space, where weights are no vector."""
        if not isinstance(self.space, WeightSpace):
            return None
        whole = np.concatenate([solved.weights.T, solved.intercepts[None]])
        vector = torch.from_numpy(whole).to(self.place, self.dtype)
        decision = self.space.decision(vector)
        objective, gap = torch.from_numpy(solved.objective), torch.from_numpy(solved.gap)
        return Solution(vector, decision, objective.to(self.place), gap.to(self.place))

    def _in_this_precision(
        self, C: float, tol: float, max_iter: int, targets: Tensor, weights: Tensor, start: Solution | None
    ) -> Solution:
        shared: Any = {"tol": tol, "preconditioner": self.preconditioner}
        if not isinstance(self.space, WeightSpace) or not self._is_streamed:
            return minimise(self.space, targets, weights, C, max_iter=max_iter, start=start, **shared)
        vector = None if start is None else start.vector.to(self.dtype)
        begun = streaming.minimise(
            self.space, targets, weights, C, max_iter=max_iter, start=vector, report=self.report, **shared
        )
        if begun.converged or begun.iterations == max_iter:
            return begun
        ended = minimise(self.space, targets, weights, C, max_iter=max_iter - begun.iterations, start=begun, **shared)
        ended.iterations += begun.iterations
        ended.products += begun.products
        return ended

    @property
    def _is_streamed(self) -> bool:
        return (
            self.dtype == torch.float32
            and self.place.type == self.rows.features.device.type == "cpu"
            and self.rows.processes.count == 1
            and self.rows.features.shape[1] > STREAMED
        )

    def weights(self, solution: Solution) -> tuple[Tensor, Tensor]:
        """Weights (k, d) and intercepts (k,) of a solution."""
        if isinstance(self.space, WeightSpace):
            whole = solution.vector
        else:
            explicit = WeightSpace(self.rows.features, self.intercept, solution.vector.dtype, self.place)
            whole = explicit.adjoint(solution.vector[0])
        return whole[:-1].T.contiguous(), whole[-1]
