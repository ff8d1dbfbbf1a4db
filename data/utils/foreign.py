"""Other people's code: in which of their lines an error arose."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

from dcgan_features.data.utils.raw import reason_of

_OURS = [Path(__file__).resolve().parents[2] / name for name in ("benchmarks", "data", "eval", "features", "gan")]
_INSTALLED = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")]


def place_of(error: BaseException) -> str | None:
    """File and line, "mine.py line 3", of the innermost call in a file of the user's; None where there is none."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if not file.is_file():  # made on the fly
            continue
        file = file.resolve()
        if not any(file.is_relative_to(folder) for folder in (*_OURS, *_INSTALLED)):
            return f"{frame.filename} line {frame.lineno}"
    return None


def blame(error: BaseException) -> str | None:
    """One sentence on an error that arose in a file of the user's, naming file and line; None for all others."""
    place = place_of(error)
    if place is None:
        return None
    if isinstance(error, SystemExit):
        return f"{place} ends the program ({type(error).__name__}: {error.code}); have it raise an error or return"
    said = reason_of(error)
    kind = type(error).__name__
    return f"{place}: {kind}{'' if said == kind else f': {said}'}; mend it"
