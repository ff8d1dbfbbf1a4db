"""Work beside the page: it goes on answering meanwhile, and never lags behind what was asked last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from dcgan_features.data.utils.errors import InputError

Answer = TypeVar("Answer")


class Latest:
    """Runs jobs in threads. Of those of one key that are asked for while one runs, only the newest is done after it.

    busy : called whenever work begins or ends, with whether there is any. failed : called with a sentence on what
    went wrong.
    """

    def __init__(self, busy: Callable[[bool], None], failed: Callable[[str], None]) -> None:
        self.busy, self.failed = busy, failed
        self._waiting: dict[str, tuple[Callable[[], Any], Callable[[Any], None]] | None] = {}

    async def answer(self, key: str, job: Callable[[], Answer], done: Callable[[Answer], None]) -> None:
        """Hand what `job` gives to `done`, unless a newer one takes its place.

        An `InputError` is told; anything else is a mistake of ours, which is told and raised.
        """
        running = key in self._waiting
        self._waiting[key] = (job, done)
        if running:
            return
        self.busy(True)
        try:
            while (task := self._waiting[key]) is not None:
                self._waiting[key] = None
                try:
                    found = await asyncio.to_thread(task[0])
                except InputError as error:
                    self.failed(str(error))
                else:
                    task[1](found)
        except Exception:
            self.failed("this went wrong; the terminal in which the explorer runs says why")
            raise
        finally:
            del self._waiting[key]
            self.busy(bool(self._waiting))
