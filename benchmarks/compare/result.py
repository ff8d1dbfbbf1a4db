"""What came of a comparison: the candidates, what each got wrong, and how they compare two by two."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from dcgan_features.benchmarks.config.images import LabelledDataset
from dcgan_features.benchmarks.config.schema import Table
from dcgan_features.benchmarks.curves.label_counts import CurveRow
from dcgan_features.benchmarks.paired.pairs import Pair
from dcgan_features.benchmarks.records.predictions import Predictions
from dcgan_features.benchmarks.records.rows import RowResult
from dcgan_features.eval.confusion import Disagreement, confusion, disagreement

_PERHAPS = ("sd", "calibration_error", "effective_rank", "parameters", "gmacs", "images_per_second")  # may be unknown


@dataclass(frozen=True)
class Candidate:
    """One of those compared. external : whether it is none of the table's rows."""

    name: str
    title: str
    external: bool
    result: RowResult
    predictions: Predictions


@dataclass(frozen=True)
class Compared:
    """What came of a comparison.

    name, title : of the table or of the data. source : what it was measured on, in words. table : None where the
    protocols are no table's. protocols : titles, by name, of those compared.
    references : names of the candidates that others are paired with.
    pairs : candidates with references, under each protocol.
    failed : why others could not be measured, by title. bad_input : whether the user can mend all of that.
    curves : the rows whose accuracy by number of labels was asked for. folder : where the comparison is written.
    """

    name: str
    title: str
    source: str
    table: Table | None
    preset: str
    dataset: LabelledDataset
    protocols: dict[str, str]
    candidates: list[Candidate]
    references: list[str]
    pairs: list[Pair]
    failed: dict[str, str]
    bad_input: bool
    curves: list[CurveRow]
    folder: Path

    @property
    def titles(self) -> dict[str, str]:
        """Each candidate's title by its name."""
        return {each.name: each.title for each in self.candidates}

    def images_per_second(self, each: Candidate) -> float | None:
        """Training and test images over the time that their features took; None for features computed elsewhere."""
        seconds = each.result.seconds.get("features", 0.0)
        if seconds <= 0 or each.title.startswith("file:"):
            return None
        return (len(self.dataset.train_images) + len(each.predictions.truth)) / seconds

    def confusion(self, each: Candidate, protocol: str) -> npt.NDArray[np.float64]:
        """Percent of each true class (row) taken for each class (column), the mean over the draws."""
        found = each.predictions
        return confusion(found.truth, found.by_protocol[protocol], len(self.dataset.classes))

    @property
    def couples(self) -> list[tuple[Candidate, Candidate]]:
        """Each candidate with each reference that it was paired with."""
        by_name = {each.name: each for each in self.candidates}
        names = dict.fromkeys((pair.first, pair.second) for pair in self.pairs)
        return [(by_name[first], by_name[second]) for first, second in names]

    def disagreement(self, first: Candidate, second: Candidate) -> Disagreement:
        """The test images that only one of the two gets right, over all protocols compared."""
        one, other = ([each.predictions.by_protocol[name] for name in self.protocols] for each in (first, second))
        return disagreement(first.predictions.truth, one, other, len(self.dataset.classes))

    def frame(self) -> pd.DataFrame:
        """One line a candidate and protocol, figures in percent; see `benchmarks.compare`."""
        lines = []
        for each, protocol in product(self.candidates, self.protocols):
            found, result = each.result.protocols[protocol], each.result
            line = {
                "extractor": each.title,
                "protocol": protocol,
                "accuracy": found.measured,
                "low": found.low,
                "high": found.high,
                "sd": found.sd,
                "draws": len(found.values),
                "calibration_error": found.calibration_error,
                "features": result.features["count"],
                "effective_rank": result.features.get("effective_rank"),
                "parameters": result.features.get("parameters"),
                "gmacs": result.features.get("gmacs"),
                "images_per_second": self.images_per_second(each),
                "fit_seconds": found.seconds,
                "peak_gib": result.peak_gib,
                "stand_in": result.stand_in,
            }
            for pair in self.pairs:
                if (pair.first, pair.protocol) == (each.name, protocol):
                    line |= {
                        f"difference_to_{pair.second}": pair.comparison.difference,
                        f"difference_low_{pair.second}": pair.comparison.low,
                        f"difference_high_{pair.second}": pair.comparison.high,
                        f"p_{pair.second}": pair.comparison.adjusted,
                        f"verdict_{pair.second}": pair.comparison.verdict,
                    }
            lines.append(line)
        made = pd.DataFrame(lines)
        return made.astype({column: float for column in _PERHAPS if column in made})
