"""What a candidate's fits gave, kept in the store: a selection that was killed goes on at the next candidate."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcgan_features.benchmarks.records.environment import source_tree
from dcgan_features.benchmarks.records.reading import read_kept
from dcgan_features.benchmarks.records.rows import Checked, Finite
from dcgan_features.data.utils.formats import write_sealed
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

    def fits(self, own: Any, make: Callable[[], tuple[int, list[Fits]]]) -> CandidateFits:
        """Those of the candidate that `own` describes; where they are absent or damaged, `make`'s, which are kept.

        make : returns width and fits; its time is taken.
        """
        path = self.folder / f"{digest_of([source_tree(), self.shared, own])}.json"
        kept = read_kept(path, _OnDisk)
        if kept is not None:
            fits = [{C: np.array(labels, np.int64) for C, labels in by_C.items()} for by_C in kept.fits]
            return CandidateFits(kept.width, kept.seconds, fits)
        begun = time.perf_counter()
        width, fits = make()
        made = CandidateFits(width, time.perf_counter() - begun, fits)
        self.folder.mkdir(parents=True, exist_ok=True)
        lists = [{str(C): labels.tolist() for C, labels in by_C.items()} for by_C in fits]
        write_sealed(path, {"width": width, "seconds": made.seconds, "fits": lists}, indent=None)
        return made
