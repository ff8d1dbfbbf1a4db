"""How far a run has come: what each stage of a row took, and the time that is left of all rows."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from dcgan_features.data.utils.cli import Advance, progress
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_sealed, write_sealed


class Stages:
    """Wall time by stage, in seconds, and one progress display after another on stderr.

    name : of the row, said before every stage.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.seconds: dict[str, float] = {}
        self._display: tuple[str, contextlib.AbstractContextManager[Advance], Advance] | None = None
        self._done = 0

    @contextlib.contextmanager
    def timed(self, stage: str, remembered: Path | None = None) -> Iterator[None]:
        """Time a stage.

        remembered : file that keeps the longest time so far: a later run that finds the outcome on disk counts what
            it took to make, not to find.
        """
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.close()
        took = time.perf_counter() - begun
        if remembered is not None:
            took = max(took, _former(remembered))
            write_sealed(remembered, {"seconds": took})
        self.seconds[stage] = self.seconds.get(stage, 0.0) + took

    def report(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` units of a stage are finished; the form in which extractors report."""
        if self._display is None or self._display[0] != stage or done < self._done:
            self.close()
            context = progress(total, f"{self.name}: {stage}")
            self._display, self._done = (stage, context, context.__enter__()), 0
        self._display[2](done - self._done)
        self._done = done
        if done >= total:
            self.close()

    def close(self) -> None:
        """End the display, if there is one."""
        if self._display is not None:
            self._display[1].__exit__(None, None, None)
            self._display = None


def _former(file: Path) -> float:
    try:
        return float(read_sealed(file)["seconds"])
    except (InputError, KeyError, TypeError, ValueError):
        return 0.0


class TimeLeft:
    """The time that is left of rows measured one after another, learnt from those that are finished.

    minutes : the table's estimate for each row, None where it has none. As rows finish, the estimates of those that are
    left are scaled by what the finished ones took, all in all, over what was expected of them.
    """

    def __init__(self, minutes: Sequence[float | None]) -> None:
        self._expected = [None if value is None else value * 60 for value in minutes]
        self._taken: list[float] = []

    def finish(self, seconds: float) -> None:
        """The next row took so long."""
        self._taken.append(seconds)

    def seconds(self) -> float | None:
        """About how many seconds are left; None where no row that is left has an estimate."""
        done = len(self._taken)
        known = [value for value in self._expected[done:] if value is not None]
        if not known:
            return None
        pairs = [(taken, value) for taken, value in zip(self._taken, self._expected[:done], strict=True) if value]
        scale = sum(taken for taken, _ in pairs) / sum(value for _, value in pairs) if pairs else 1.0
        return sum(known) * scale
