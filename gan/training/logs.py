"""What a run logs for TensorBoard, whose own writer works in a thread and speaks of a full disk there."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from dcgan_features.data.utils.files import writing

LOGS = "logs"  # in a run's folder


class Log:
    """Values by name and step, in a folder. Raises `InputError` where that cannot be written.

    first_step : what a killed run logged from this step on is hidden.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        self.folder = folder
        self._hook = threading.excepthook
        threading.excepthook = self._quiet
        try:
            with writing(folder):
                self._writer = SummaryWriter(str(folder), purge_step=first_step)
        except BaseException:
            threading.excepthook = self._hook
            raise

    def add(self, name: str, value: float, step: int) -> None:
        """Log one value."""
        with writing(self.folder):
            self._writer.add_scalar(name, value, step)

    def rewind(self, first_step: int) -> None:
        """Hide what was logged from this step on: the training has gone back."""
        with writing(self.folder):
            self._writer.close()
            self._writer = SummaryWriter(str(self.folder), purge_step=first_step)

    def flush(self) -> None:
        """Write what was logged."""
        with writing(self.folder):
            self._writer.flush()

    def close(self) -> None:
        """Write what was logged, and end."""
        try:
            with writing(self.folder):
                self._writer.close()
        finally:
            threading.excepthook = self._hook

    def _quiet(self, arguments: Any) -> None:
        """Leave a full disk to be said once, by the thread that trains: the writer hands the error on to it."""
        if not isinstance(arguments.exc_value, OSError):
            self._hook(arguments)


def read_log(folder: Path) -> dict[str, NDArray[np.float64]]:
    """What a run has logged: (n, 2) minibatches and values, by name; nothing where there is no log."""
    from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
        EventAccumulator,  # takes a second to import
    )

    if not folder.is_dir():
        return {}
    found = EventAccumulator(str(folder), {"scalars": 0}).Reload()
    return {
        name: np.array([(event.step, event.value) for event in found.Scalars(name)])
        for name in found.Tags().get("scalars", [])
    }
