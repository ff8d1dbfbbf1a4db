"""What each row predicted for each test image: kept beside its result, so that a comparison needs no second run.

`<row>.npz` holds `truth`, one `predicted-<protocol>` for each protocol, and `classes` where the labels are not whole
numbers that two bytes hold: then the others are indices into it. The row's JSON records the file's SHA-256.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dcgan_features.benchmarks.records.rows import RowResult, row_path
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path, sha256_file
from dcgan_features.data.utils.formats import read_archive

DIGEST = "predictions"  # its key among the digests of a row's JSON
_PREFIX = "predicted-"

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Predictions:
    """A row's predictions.

    truth : the test set's labels, (n_test,). by_protocol : the predicted labels, (draws, n_test), by protocol.
    Whole numbers are int64.
    """

    truth: Array
    by_protocol: dict[str, Array]


def predictions_path(results: Path, table: str, row: str) -> Path:
    """Where a row's predictions lie."""
    return row_path(results, table, row).with_suffix(".npz")


def write_predictions(results: Path, table: str, row: str, truth: Array, by_protocol: Mapping[str, Array]) -> str:
    """Write a row's predictions, atomically; return the file's SHA-256, which belongs into the row's JSON.

    truth : (n_test,). by_protocol : (draws, n_test), by protocol.
    Raises ValueError for other shapes, and for labels that are neither numbers nor text.
    """
    truth, predicted = np.asarray(truth), {name: np.asarray(made) for name, made in by_protocol.items()}
    for name, made in predicted.items():
        if truth.ndim != 1 or made.ndim != 2 or made.shape[1] != len(truth):
            raise ValueError(f"{name}: predictions of shape {made.shape} for labels of shape {truth.shape}")
    path = predictions_path(results, table, row)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **_encoded(truth, predicted))
    return sha256_file(path)


def _encoded(truth: Array, predicted: dict[str, Array]) -> dict[str, Any]:
    named = {"truth": truth, **{_PREFIX + name: made for name, made in predicted.items()}}
    values = np.unique(np.concatenate([np.unique(item) for item in named.values()]))
    if np.issubdtype(values.dtype, np.integer) and values[0] >= 0 and values[-1] < 2**16:
        small = np.min_scalar_type(int(values[-1]))
        encoded = {name: item.astype(small) for name, item in named.items()}
    else:
        small = np.min_scalar_type(len(values))
        encoded = {name: np.searchsorted(values, item).astype(small) for name, item in named.items()}
        encoded["classes"] = np.array(values.tolist())  # text in an object array gets a type that needs no pickle
        if encoded["classes"].dtype.hasobject:
            raise ValueError(f"labels such as {values[0]!r} cannot be kept; use whole numbers or text")
    # By columns an image's predictions lie side by side over the draws, mostly alike: a quarter smaller.
    return {name: np.asfortranarray(item) for name, item in encoded.items()}


def predictions_of(results: Path, result: RowResult) -> Predictions:
    """The predictions that belong to a result; `InputError` when they are not there, or not its own."""
    path, digest = predictions_path(results, result.table, result.row), result.digests.get(DIGEST)
    remedy = f"measure the row {result.row} again with --rerun"
    if digest is None:
        raise InputError(f"{path.with_suffix('.json')} was measured before predictions were kept; {remedy}")
    if not path.exists():
        raise InputError(f"{path} does not exist; restore it from a copy, or {remedy}")
    if sha256_file(path) != digest:
        raise InputError(
            f"{path} is damaged or of another run than the .json beside it; restore it from a copy, or {remedy}"
        )
    try:
        return _decoded(read_archive(path, remedy=remedy))
    except (InputError, KeyError, ValueError, IndexError, TypeError) as error:
        raise InputError(f"{path} holds no predictions ({error}); {remedy}") from None


def _decoded(found: dict[str, Array]) -> Predictions:
    classes = found.pop("classes", None)
    found = {name: item.astype(np.int64) if classes is None else classes[item] for name, item in found.items()}
    truth = found.pop("truth")
    return Predictions(truth, {name.removeprefix(_PREFIX): item for name, item in found.items()})
