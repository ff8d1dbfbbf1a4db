"""A path of several C that goes on, after it was ended, with the first that was not finished."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path, sha256_file
from dcgan_features.data.utils.formats import read_sealed, read_tensors, write_sealed
from dcgan_features.data.utils.hashing import array_digest
from dcgan_features.eval.l2svm.problem import Solved
from dcgan_features.eval.l2svm.validation import Rows

_ROWS = 1024  # in a block that is read at once
_WHOLE = 64  # rows that are in it number by number
_TENSORS = ("weights", "intercepts", "objective", "gap")
_REMEDY = "delete the folder to begin the path anew"


class PathCheckpoint:
    """What is finished of a path, in a folder: a file of weights for each C, and `path.json`, sealed, that names them.

    folder : made when the first C is finished. settings : what else than the rows the solutions depend on, JSON-ready.
    Raises `InputError` where the folder holds another problem's path, or is damaged.
    """

    def __init__(self, folder: Path | str, rows: Rows, settings: dict[str, Any]) -> None:
        self.folder = Path(folder)
        self._problem = {**settings, **describe(rows)}
        self._listed: dict[str, dict[str, Any]] = {}
        self.finished: dict[float, Solved] = {}
        if (self.folder / "path.json").exists():
            self._read()

    def _read(self) -> None:
        path = self.folder / "path.json"
        content = read_sealed(path, _REMEDY)
        stored = content.get("problem", {})
        for name, value in self._problem.items():
            if stored.get(name) != value:
                raise InputError(
                    f"{path} belongs to another path (its '{name}' is another); give another folder, or {_REMEDY}"
                )
        for C, about in content["finished"].items():
            file = self.folder / about["file"]
            if not file.is_file() or sha256_file(file) != about["sha256"]:
                raise InputError(f"{file} is not there or damaged; {_REMEDY}")
            tensors, _ = read_tensors(file, _REMEDY)
            arrays = {name: tensors[name].numpy() for name in _TENSORS}
            self._listed[C] = about
            self.finished[float(C)] = Solved(
                **arrays, decision=None, iterations=about["iterations"], products=about["products"],
                converged=about["converged"],
            )  # fmt: skip

    def keep(self, C: float, solved: Solved) -> None:
        """Write what was found for one C."""
        file = self.folder / f"C-{C!r}.safetensors"
        with atomic_path(file) as temporary:
            tensors = {name: torch.from_numpy(np.ascontiguousarray(getattr(solved, name))) for name in _TENSORS}
            temporary.write_bytes(save(tensors))
            digest = sha256_file(temporary)
        self._listed[repr(C)] = {
            "file": file.name, "sha256": digest, "iterations": solved.iterations, "products": solved.products,
            "converged": solved.converged,
        }  # fmt: skip
        write_sealed(self.folder / "path.json", {"problem": self._problem, "finished": self._listed})
        self.finished[C] = solved


def describe(rows: Rows) -> dict[str, Any]:
    """What tells a problem's rows from others: a sum of each row's bits, some rows whole, labels and weights."""
    return {
        "shape": [*rows.features.shape],
        "dtype": str(rows.features.dtype).removeprefix("torch."),
        "X": _features_digest(rows.features),
        "y": array_digest(rows.index),
        "classes": [str(each) for each in rows.classes],
        "weights": array_digest(rows.weights),
    }


def _features_digest(features: Tensor) -> str:
    digest = hashlib.sha256()
    bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[features.itemsize]
    for start in range(0, len(features), _ROWS):
        block = features[start : start + _ROWS].view(bits)
        digest.update(block.sum(1, dtype=torch.int64).cpu().numpy().tobytes())
    places = np.unique(np.linspace(0, len(features) - 1, _WHOLE).astype(np.int64))
    digest.update(features[torch.from_numpy(places)].view(bits).contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()
