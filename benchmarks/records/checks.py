"""Figures of a result file that do not follow from what they are figures of: recomputed whenever one is read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dcgan_features.benchmarks.records.predictions import predictions_of
from dcgan_features.benchmarks.records.rows import ProtocolResult, RowResult
from dcgan_features.data.utils.errors import InputError
from dcgan_features.eval.protocols import NORMAL_QUANTILE, wilson_interval

_SLACK = 1e-6  # percentage points, far above what rounding does and far below one image


def check_figures(path: Path, result: RowResult) -> None:
    """Raise `InputError`, naming the file and the figure, unless all figures follow.

    The accuracy of every draw follows from the kept predictions, where they are there and whole, and in any case is
    that of a whole number of images; mean, deviations, interval and difference follow from the accuracies. A file is
    that of the row whose name it has.
    """
    wrong = _wrong(path, result)
    if wrong is not None:
        raise InputError(f"{path} was changed: {wrong}; restore it from a copy, or measure the row again with --rerun")


def _wrong(path: Path, result: RowResult) -> str | None:
    if (path.parent.name, path.stem) != (result.table, result.row):
        return f"it is the result of the row {result.row} of the table {result.table}"
    for name, found in result.protocols.items():
        figure = _wrong_figure(found)
        if figure is not None:
            return f"the figure '{figure}' of {name} does not follow from the others"
    for name, accuracies in _predicted(path, result).items():
        found = result.protocols[name]
        if not _alike(found.values, [_in_metric(found.metric, accuracy) for accuracy in accuracies]):
            return f"the figures of {name} do not follow from the predictions in {path.with_suffix('.npz').name}"
    return None


def _wrong_figure(found: ProtocolResult) -> str | None:
    values, count = found.values, found.test_images
    if found.metric not in ("accuracy", "error"):
        return "metric"
    if not values or len(found.chosen) != len(values):
        return "values"
    if count < 1 or any(
        not 0 <= value <= 100 or abs(value * count / 100 - round(value * count / 100)) > _SLACK * count
        for value in values
    ):
        return "test_images" if count < 1 else "values"
    mean = float(np.mean(values))
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    low, high = sorted(_in_metric(found.metric, end) for end in wilson_interval(_in_metric(found.metric, mean), count))
    expected = {
        "measured": mean,
        "sd": sd,
        "pm": None if sd is None else NORMAL_QUANTILE * sd,
        "low": low,
        "high": high,
    }
    if found.difference is not None:
        expected["difference"] = None if found.published is None else mean - found.published
    return next((name for name, value in expected.items() if not _alike([getattr(found, name)], [value])), None)


def _predicted(path: Path, result: RowResult) -> dict[str, list[float]]:
    """The accuracies that the kept predictions have, in percent, by protocol; of those on the test set alone."""
    try:
        kept = predictions_of(path.parents[1], result)
    except InputError:  # a row without its predictions is shown, though not finished
        return {}
    return {
        name: [float(share) * 100 for share in (kept.by_protocol[name] == kept.truth).mean(1)]
        for name, found in result.protocols.items()
        if found.scored_on == "test" and name in kept.by_protocol
    }


def _in_metric(metric: str, accuracy: float) -> float:
    return 100 - accuracy if metric == "error" else accuracy


def _alike(first: Sequence[float | None], second: Sequence[float | None]) -> bool:
    if len(first) != len(second):
        return False
    return all(
        one is other if one is None or other is None else math.isclose(one, other, rel_tol=0, abs_tol=_SLACK)
        for one, other in zip(first, second, strict=True)
    )
