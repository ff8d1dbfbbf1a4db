"""Problems that one processor's memory holds: which way they are solved, in which precision, and by whom.

Each column (a class, or a fold's) is a task that a thread takes through all C, with BLAS on that thread alone; nothing
waits for another until all are done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dcgan_features.eval.l2svm.dense import faces, together
from dcgan_features.eval.l2svm.dense.beginning import begin
from dcgan_features.eval.l2svm.dense.explicit import certified
from dcgan_features.eval.l2svm.dense.pivoting import Best, Found, Outcome, found_by, minimise, shortened_steps
from dcgan_features.eval.l2svm.dense.prepared import WEIGHTS, Prepared, fits
from dcgan_features.eval.l2svm.dense.systems import GramSystem, LeastSquares, State, System, WeightSystem, Work
from dcgan_features.eval.l2svm.dense.together import Side
from dcgan_features.eval.l2svm.threads import as_tasks, in_stages

Array = npt.NDArray[Any]

SMALL = 4e6  # operations of the smaller matrix, up to which float64 costs nothing
SIDE = 2 << 20  # numbers of features, up to which columns are taken side by side if float64 is to be made for it
HARD = 1e7  # 2 C times the rows' largest squared length, up to which the Gram matrix of more rows than features is used
FINE = 1e-5  # tolerance below which float32 is not begun with
LEAST_SQUARES = 4e9  # operations of one step, up to which least squares are tried
_GROUP = 16  # most columns that descend side by side,
_HELD = 64  # and that take conjugate steps with preconditioning directions,
_AT_ONCE = 16.0  # for which C has to be so much smaller where it is the first


class Dense:
    """X (n, d) on the CPU, to be solved for any C and any targets."""

    def __init__(self, features: Tensor, intercept: bool, by_gram: bool | None = None) -> None:
        self.prepared = Prepared(features, intercept, by_gram)
        self.features = features
        self.intercept = intercept
        self.rows, self.dimensions = features.shape
        self.by_gram = self.prepared.by_gram
        self.double = features.dtype == torch.float64
        self._chooses = by_gram is None and self.rows > self.dimensions
        self._other: Dense | None = None  # by the matrices of the other kind
        self._lock = threading.Lock()

    @staticmethod
    def fits(rows: int, dimensions: int) -> bool:
        """Whether a problem of this size is one for this class."""
        return fits(rows, dimensions)

    def _first_dtype(self, tol: float, t: Array, m: Array | None) -> Any:
        small = self.rows * self.dimensions * min(self.rows, self.dimensions) <= SMALL
        if self.double or small or tol < FINE:
            return np.float64
        return np.float64 if self._beside(t, m) and self.rows * self.dimensions <= SIDE else np.float32

    def path(
        self,
        Cs: Sequence[float],
        t: Array,
        tol: float,
        most: int,
        *,
        m: Array | None = None,
        decide: bool = False,
        starts: Array | None = None,
    ) -> dict[float, Outcome]:
        """The minima for each C.

        t : (m, n) of -1, 1, and 0 for rows that are left out. most : steps a column at one C.
        m : the rows' weights in each column, (m, n), > 0 where t is not 0; None is 1 for all.
        decide : whether the decision values are asked for. starts : (m, n), decision values to begin from.
        """
        Cs = sorted(set(Cs))
        dtype = self._first_dtype(tol, t, m)
        if self._chooses and self._pays(Cs[-1], len(t), dtype) != self.by_gram:
            with self._lock:
                self._other = self._other or Dense(self.features, self.intercept, by_gram=not self.by_gram)
            return self._other.path(Cs, t, tol, most, m=m, decide=decide, starts=starts)

        if dtype == np.float64 and self._beside(t, m) and self.prepared.deflation(dtype) is None:
            done = self._side_by_side(Cs, t.astype(np.float64), tol, most, starts, dtype)
        elif starts is None and len(Cs) > 1 and self._reach(len(t), dtype) >= Cs[0]:
            done = self._from_the_last(Cs, t, tol, most, m, dtype)
        else:
            done = self._as_tasks(Cs, t, tol, most, m, starts, dtype)
        by_C = [[found[place] for found in done] for place in range(len(Cs))]
        weights = self._explicit(by_C, tol, most, dtype)
        outcomes = {}
        for C, columns, whole in zip(Cs, by_C, weights, strict=True):
            gap = np.array([max(found.objective - found.dual, 0.0) for found in columns])
            outcomes[C] = Outcome(
                whole,
                np.stack([found.f for found in columns]) if decide else None,
                np.array([found.objective for found in columns]),
                gap,
                max(found.steps for found in columns),
                all(found.within(tol) for found in columns),
            )
        return outcomes

    def _pays(self, C: float, columns: int, dtype: Any) -> bool:
        """Whether the Gram matrix of more rows than features is the better way, up to this C."""
        if not (self.by_gram or self.prepared.better_by_gram(columns, dtype)):
            return False
        return self.dimensions > WEIGHTS or 2 * C * self.prepared.largest <= HARD

    def _as_tasks(
        self,
        Cs: Sequence[float],
        t: Array,
        tol: float,
        most: int,
        m: Array | None,
        starts: Array | None,
        dtype: Any,
        last: Array | None = None,
    ) -> list[list[Found]]:
        """Each column's minima; a column is begun with others where there is descent, and goes on by itself."""

        def begun(start: int) -> list[tuple[int, State | None]]:
            group = slice(start, min(start + size, len(t)))
            if starts is not None:
                states: Sequence[State | None] = [State(f[:0], f, 0.0) for f in starts[group]]
            else:
                before = None if last is None else last[group]
                states = self._begun(Cs[0], t[group], _weights(m, group), tol, dtype, before, near)
            return list(enumerate(states, start))

        def work(begun: tuple[int, State | None]) -> list[Found]:
            column, start = begun
            return self._column(Cs, t[column].astype(np.float64), _weights(m, column), start, tol, most, dtype)

        near = self.prepared.directions(len(t), dtype) if starts is None else None
        if near is not None and Cs[0] > (near.reach / _AT_ONCE if last is None else near.reach):
            near = None
        size = self._group(len(t), dtype, near)
        return in_stages(range(0, len(t), size), begun, work)

    def _from_the_last(
        self, Cs: Sequence[float], t: Array, tol: float, most: int, m: Array | None, dtype: Any
    ) -> list[list[Found]]:
        """Each column's minima, C by C, all columns begun side by side from the coefficients at the C before.

        Beyond the C that can be begun in this way each column goes on by itself.
        """
        done: list[list[Found]] = [[] for _ in t]
        last: Array | None = None
        reach = self._reach(len(t), dtype)
        begun = int(np.searchsorted(Cs, reach, side="right"))
        for C in Cs[:begun]:
            here = [found for (found,) in self._as_tasks([C], t, tol, most, m, None, dtype, last)]
            last = np.stack([found.point if found.by_rows else np.zeros(self.rows) for found in here])
            for columns, found in zip(done, here, strict=True):
                columns.append(found)
        if begun < len(Cs):
            starts = np.stack([columns[-1].f for columns in done])
            further = self._as_tasks(Cs[begun:], t, tol, most, m, starts, dtype)
            for columns, more in zip(done, further, strict=True):
                columns.extend(more)
        return done

    def _reach(self, columns: int, dtype: Any) -> float:
        """The largest C at which columns can begin with coefficients at another C."""
        if self.prepared.is_even(dtype):
            return np.inf
        near = self.prepared.directions(columns, dtype)
        return 0.0 if near is None else near.reach

    def _group(self, columns: int, dtype: Any, near: faces.Directions | None) -> int:
        """How many columns are begun with side by side."""
        if near is not None:
            return min(-(-columns // torch.get_num_threads()), _HELD)
        if self.prepared.deflation(dtype) is None:
            return 1
        if self.prepared.is_even(dtype):
            return _GROUP  # what takes time there is reading the Gram matrix, which one thread does once for all
        return min(-(-columns // torch.get_num_threads()), _GROUP)

    def _beside(self, t: Array, m: Array | None) -> bool:
        """Whether the columns are few features' and many, which are taken side by side, in float64."""
        few = self.dimensions + self.intercept <= together.DIMENSIONS
        return few and not self.by_gram and len(t) > 2 and m is None

    def _side_by_side(
        self, Cs: Sequence[float], t: Array, tol: float, most: int, starts: Array | None, dtype: Any
    ) -> list[list[Found]]:
        """Each column's minima: what steps side by side do not reach, each column does by itself."""
        system = self.prepared.system(dtype)
        assert isinstance(system, WeightSystem)

        def work(first: int) -> list[list[Found]]:
            part, found = t[first : first + together.COLUMNS], []
            f = None if starts is None else starts[first : first + together.COLUMNS]
            for C in Cs:
                side = together.side_by_side(system, part, C, tol, most, f)
                found.append([self._of_side(side, at, each, C, tol, most, dtype) for at, each in enumerate(part)])
                f = np.stack([each.f for each in found[-1]])
            return [list(column) for column in zip(*found, strict=True)]

        return [column for part in as_tasks(range(0, len(t), together.COLUMNS), work) for column in part]

    def _of_side(self, side: Side, column: int, t: Array, C: float, tol: float, most: int, dtype: Any) -> Found:
        w, f, steps = side.w[column], side.f[column], int(side.steps[column])
        if not side.done[column]:
            # Unit steps cycle: shortened ones from the best point end sooner than C from below would.
            best, work = Best(t, C), Work(steps=steps)
            shortened_steps(self.prepared.system(dtype), best, State(w, f, float(w @ w)), tol, most, work)
            if not best.within(tol):
                start = State(t[:0], f if best.state is None else best.state.f, 0.0)
                return self._column([C], t, None, start, tol, most, dtype)[0]
            return found_by(best, work.steps)
        return Found(t, None, C, w, False, f, float(side.objective[column]), float(side.dual[column]), steps)

    def _begun(
        self,
        C: float,
        t: Array,
        m: Array | None,
        tol: float,
        dtype: Any,
        last: Array | None,
        near: faces.Directions | None,
    ) -> Sequence[State | None]:
        """A state to begin from for each of some columns, where there is one; last : coefficients at another C."""
        deflation, system, t = self.prepared.deflation(dtype), self.prepared.system(dtype), t.astype(np.float64)
        if deflation is None:
            return [None] * len(t)
        if near is not None:
            return faces.begin(cast(GramSystem, system), near, t, m, C, tol, last)
        return begin(system, deflation, t, m, C, tol, last)

    def _column(
        self, Cs: Sequence[float], t: Array, m: Array | None, start: State | None, tol: float, most: int, dtype: Any
    ) -> list[Found]:
        system, found, work = self.prepared.system(dtype), [], Work()
        for C in Cs:
            work.steps = 0
            best = minimise(system, Best(t, C, m), tol, most, start, work)
            if not best.within(tol):
                best = self._harder(best, tol, most, work, system)
            start = best.state
            found.append(found_by(best, work.steps))
        return found

    def _harder(self, best: Best, tol: float, most: int, work: Work, last: System) -> Best:
        """What single precision, or the squared condition number, does not solve."""
        ways: list[System] = []
        if isinstance(last, GramSystem | WeightSystem) and not isinstance(last, LeastSquares):
            if _dtype_of(last) == np.float32:
                ways.append(self.prepared.system(np.float64))
            if 4.0 * self.rows * self.dimensions * min(self.rows, self.dimensions) <= LEAST_SQUARES:
                ways.append(self.prepared.least_squares())
        for way in ways:
            if work.steps >= most or best.within(tol) or best.state is None:
                break
            other = Work(exact=True)
            start = State(best.state.point[:0], best.state.f, 0.0)
            found = minimise(way, Best(best.t, best.C, best.m), tol, most - work.steps, start, other)
            work.steps += other.steps
            if found.within(tol) or found.objective <= best.objective:
                best = found
        return best

    def _explicit(self, by_C: list[list[Found]], tol: float, most: int, dtype: Any) -> list[Array]:
        """The weights, (m, d + 1) at each C; what coefficients certified by the Gram matrix is certified by X."""
        columns = [found for here in by_C for found in here]
        waiting = [found for found in columns if found.by_rows]
        again, corrected = partial(self._again, tol=tol, most=most, dtype=dtype), partial(self._corrected, most=most)
        ways: list[tuple[Any, Callable[[list[Found]], None] | None]] = [(np.float64, None), (np.float64, again)]
        if dtype == np.float32:
            ways = [(np.float32, None), ways[0], *[(np.float64, corrected)] * 2, ways[1]]
        for way, (wide, better) in enumerate(ways):
            if better is not None and waiting:
                better(waiting)
                waiting = [found for found in waiting if found.by_rows]
            last = way == len(ways) - 1
            waiting = certified(self.features, self.intercept, waiting, np.inf if last else tol, wide)
        result, start = [], 0
        for here in by_C:
            points = np.stack([found.point for found in columns[start : start + len(here)]])
            missing = self.dimensions + 1 - points.shape[1]
            result.append(np.pad(points, ((0, 0), (0, missing))) if missing else points)
            start += len(here)
        return result

    def _corrected(self, missed: list[Found], *, most: int) -> None:
        """Columns nearer to their minima by a step whose residual is that of X: it undoes what the Gram matrix rounds.

        The rows are those with a coefficient: where C is large, decision values no longer tell them.
        """
        system = cast(GramSystem, self.prepared.system(np.float32))

        def work(found: Found) -> None:
            if found.steps >= most:
                return
            half, inside = Best(found.t, found.C, found.m).half, found.t * found.point > 0
            residual = np.where(inside, found.t - found.f - half * found.point, 0)
            step = system.solve(inside, residual, half, Work())
            if step is not None:
                found.point, found.steps = found.point + step.point, found.steps + 1

        as_tasks(missed, work)

    def _again(self, missed: list[Found], *, tol: float, most: int, dtype: Any) -> None:
        """Solve columns once more, with more digits, from where they are."""

        def work(found: Found) -> None:
            steps, last = Work(steps=found.steps), self.prepared.system(dtype)
            best = Best(found.t, found.C, found.m)
            best.state, best.objective = State(found.point, found.f, 0.0, True), np.inf
            best = self._harder(best, tol, most, steps, last)
            if np.isfinite(best.objective):
                new = found_by(best, steps.steps)
                for name in ("point", "by_rows", "f", "objective", "dual", "steps"):
                    setattr(found, name, getattr(new, name))

        as_tasks(missed, work)


def _weights(m: Array | None, columns: int | slice) -> Array | None:
    """The rows' weights in some columns, 1 where a row is left out."""
    return None if m is None else np.where(m[columns] > 0, m[columns], 1.0)


def _dtype_of(system: GramSystem | WeightSystem) -> Any:
    return (system.gram if isinstance(system, GramSystem) else system.X).dtype
