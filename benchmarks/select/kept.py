"""What a candidate's fits gave, kept in the store: a selection that was killed goes on at the next candidate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from dcgan_features.benchmarks.records.environment import source_tree
from dcgan_features.benchmarks.records.rows import Checked, Finite
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_sealed, write_sealed
from dcgan_features.data.utils.hashing import digest_of

Fits = dict[float, NDArray[np.int64]]  # predictions by C


@dataclass(frozen=True)
class CandidateFits:
    """width : of the candidate's features. seconds : of all fits. fits : of each draw."""

    width: int
    seconds: float
    fits: list[Fits]


class _OnDisk(Checked):
    width: int
    seconds: Finite
    fits: list[dict[float, list[int]]]


@dataclass(frozen=True)
class KeptFits:
    """The fits of a selection's candidates on disk, found by what they are of.

    folder : of the files. shared : JSON-ready, what all candidates have in common, such as draws and values of C.
    """

    folder: Path
    shared: Any

    def get(self, own: Any) -> CandidateFits | None:
        """Those of the candidate that `own` describes; None where they are absent or damaged."""
        path = self._path(own)
        if not path.exists():
            return None
        try:
            content = read_sealed(path)
            found = _OnDisk.model_validate({key: value for key, value in content.items() if key != "seal"})
        except (InputError, ValidationError):
            return None
        fits = [{C: np.array(labels, np.int64) for C, labels in by_C.items()} for by_C in found.fits]
        return CandidateFits(found.width, found.seconds, fits)

    def put(self, own: Any, found: CandidateFits) -> None:
        """Keep them, atomically and sealed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lists = [{str(C): labels.tolist() for C, labels in by_C.items()} for by_C in found.fits]
        content = {"width": found.width, "seconds": found.seconds, "fits": lists}
        write_sealed(self._path(own), content, indent=None)

    def _path(self, own: Any) -> Path:
        return self.folder / f"{digest_of([source_tree(), self.shared, own])}.json"
