"""What one fold of a row gave, kept until the row is whole: a command that was killed goes on at the next fold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dcgan_features.benchmarks.records.reading import read_kept
from dcgan_features.benchmarks.records.rows import Checked, Finite
from dcgan_features.data.utils.formats import write_sealed


class MeasuredFold(Checked):
    """A fold of a row.

    width : of its widest features. features_seconds, seconds : of the features, and of the fits by protocol.
    predicted : by protocol, the labels of the test recordings, one list a draw. chosen : likewise, what each fit chose.
    """

    width: int
    features_seconds: Finite
    seconds: dict[str, Finite]
    predicted: dict[str, list[list[int]]]
    chosen: dict[str, list[dict[str, Any]]]


def kept_fold(path: Path) -> MeasuredFold | None:
    """What `keep_fold` kept; None where it is absent, damaged or of another version, and so has to be measured anew."""
    return read_kept(path, MeasuredFold)


def keep_fold(path: Path, measured: MeasuredFold) -> None:
    """Keep a fold, atomically and sealed."""
    write_sealed(path, measured.model_dump())
