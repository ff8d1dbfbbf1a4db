"""The time that is left of several rows, learnt from those that are finished."""

from __future__ import annotations

from collections.abc import Sequence


class Pace:
    """Rows to be measured one after another, and about how long each takes.

    minutes : the table's estimate for each row, None where it has none. As rows finish, the estimates of those that are
    left are scaled by what the finished ones took, all in all, over what was expected of them.
    """

    def __init__(self, minutes: Sequence[float | None]) -> None:
        self._expected = [None if value is None else value * 60 for value in minutes]
        self._taken: list[float] = []

    def finish(self, seconds: float) -> None:
        """The next row took so long."""
        self._taken.append(seconds)

    def left(self) -> float | None:
        """About how many seconds are left; None where no row that is left has an estimate."""
        done = len(self._taken)
        known = [value for value in self._expected[done:] if value is not None]
        if not known:
            return None
        pairs = [(taken, value) for taken, value in zip(self._taken, self._expected[:done], strict=True) if value]
        scale = sum(taken for taken, _ in pairs) / sum(value for _, value in pairs) if pairs else 1.0
        return sum(known) * scale
