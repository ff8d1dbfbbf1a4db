"""How far a fit, or a path of several C, has come."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Protocol

from dcgan_features.eval.l2svm.streaming.solver import Report


class Following(Protocol):
    """Takes the C that is being solved and gives what the solver reports to."""

    def __call__(self, C: float) -> Report:
        """The reports of the fit at this C; those before are done."""


def unfollowed(C: float) -> Report:
    """Tells nobody."""
    return lambda passes, gap: None


@contextlib.contextmanager
def following(count: int, done: int, tol: float, shown: bool) -> Iterator[Following]:
    """Show, on stderr, how far `count` fits have come, `done` of which were finished before.

    A fit counts as far done as the logarithm of its largest relative gap is on the way from 1 to tol.
    """
    if not shown:
        yield unfollowed
        return
    from dcgan_features.data.utils.cli import progress  # with its libraries for terminals

    with progress(count, "L2-SVM", done) as advance:
        fits, reached = done, float(done)

        def begin(C: float) -> Report:
            nonlocal fits
            fits += 1

            def report(passes: float, gap: float) -> None:
                nonlocal reached
                further = max(reached, fits - 1 + _share(gap, tol))
                advance(further - reached, f"C = {C:g}: relative gap {gap:.1e} after {passes:g} passes")
                reached = further

            return report

        yield begin
        advance(count - reached)


def by_percent(progress: Callable[[str, int, int], None] | None, tol: float, what: str) -> Following:
    """Tell `progress` how far each fit has come, in percent, the fit at each C being a stage that `what` begins."""
    if progress is None:
        return unfollowed

    def begin(C: float) -> Report:
        reached = -1

        def report(passes: float, gap: float) -> None:
            nonlocal reached
            percent = int(100 * _share(gap, tol))
            if percent > reached:
                reached = percent
                progress(f"{what}C = {C:g}", percent, 100)

        return report

    return begin


def _share(gap: float, tol: float) -> float:
    """How far the logarithm of a relative gap is on the way from that of 1 to that of tol, 0..1."""
    return min(math.log(min(max(gap, tol), 1.0)) / math.log(min(tol, 0.5)), 1.0)
