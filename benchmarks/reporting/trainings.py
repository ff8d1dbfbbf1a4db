"""Rows that were trained with several seeds: their spread, and whether it explains a difference from their control."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from dcgan_features.benchmarks.records.figures import interval, rounded
from dcgan_features.benchmarks.records.rows import Outline, RowResult, values_by_seed
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.eval.significance import LEVEL, NOT_APART

_HEADINGS = ["Row", "Labels", "Seeds", "Mean", "sd", "Against", "Difference", "95% interval", "Verdict"]


@dataclass(frozen=True)
class Trainings:
    """A row under one protocol over its training seeds, and beside its control's.

    values : one a training, each the mean over its label draws. control : the control, where it has several too;
    difference, low, high, p_value : of the means, in percentage points, by Welch's t test over the trainings.
    """

    row: str
    protocol: str
    values: tuple[float, ...]
    control: str | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None

    @property
    def verdict(self) -> str:
        """Whether the two are told apart by their trainings; empty without a control."""
        if self.p_value is None or self.difference is None:
            return ""
        return NOT_APART if self.p_value >= LEVEL else "higher" if self.difference > 0 else "lower"


def over_seeds(outline: Outline, results: Mapping[str, RowResult]) -> list[Trainings]:
    """All rows of which several trainings are measured, in the table's order, by protocol."""
    found = []
    for row in outline.rows:
        for protocol in outline.protocols:
            values = values_by_seed(outline, results, row.name, protocol)
            if row.replicate_of is not None or len(values) < 2:
                continue
            control = values_by_seed(outline, results, row.control, protocol) if row.control else []
            compared: dict[str, Any] = {}
            if len(control) > 1 and np.ptp(values) + np.ptp(control) > 0:
                test = stats.ttest_ind(values, control, equal_var=False)
                bounds = test.confidence_interval(1 - LEVEL)
                compared = {
                    "control": row.control,
                    "difference": float(np.mean(values) - np.mean(control)),
                    "low": float(bounds.low),
                    "high": float(bounds.high),
                    "p_value": float(test.pvalue),
                }
            found.append(Trainings(row.name, protocol, tuple(values), **compared))
    return found


def trainings_section(outline: Outline, results: Mapping[str, RowResult]) -> list[str]:
    """The lines of the page's section; none where no row has several trainings."""
    found = over_seeds(outline, results)
    if not found:
        return []
    titles = {row.name: row.title for row in outline.rows}
    cells = []
    for item in found:
        compared = ["", "", "", ""]
        if item.difference is not None and item.low is not None and item.high is not None:
            bounds = interval(item.low, item.high, sign=True)
            compared = [titles[item.control or ""], rounded(item.difference, sign=True), bounds, item.verdict]
        mean, sd = rounded(float(np.mean(item.values))), rounded(float(np.std(item.values, ddof=1)))
        own = [titles[item.row], outline.titles.get(item.protocol, item.protocol), str(len(item.values)), mean, sd]
        cells.append([*own, *compared])
    return [
        "",
        "## Over training seeds",
        "",
        "Mean and standard deviation of trainings that differ in their seed alone. Difference: of the means, with the "
        "95% interval of Welch's t test over the trainings, which the intervals above leave out.",
        "",
        *markdown_table(_HEADINGS, cells, 2),
    ]
