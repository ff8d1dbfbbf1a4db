"""A row's stages: what each one took, and how far it has come."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
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
