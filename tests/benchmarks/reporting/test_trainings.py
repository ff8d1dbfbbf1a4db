from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from dcgan_features.benchmarks.records.rows import Outline, RowOutline
from dcgan_features.benchmarks.reporting.trainings import over_seeds, trainings_section

FIGURES = {"a": 60.0, "a-1": 61.0, "a-2": 59.5, "b": 65.0, "b-1": 66.0, "b-2": 64.0, "c": 70.0}


def outline(without=()):
    rows = [
        RowOutline(
            name=name,
            title=name.upper(),
            citation="",
            note="",
            published={},
            control="a" if name.startswith("b") else None,
            replicate_of=name[0] if len(name) > 1 else None,
        )
        for name in FIGURES
        if name not in without
    ]
    return Outline(
        format=1,
        name="t",
        title="T",
        metric="accuracy",
        preset="p",
        protocols=["few"],
        titles={"few": "few"},
        rows=rows,
    )


def results(figures):
    return {
        name: SimpleNamespace(protocols={"few": SimpleNamespace(measured=value)}) for name, value in figures.items()
    }


def test_trainings_are_compared_as_welch_has_it():
    own, beside = over_seeds(outline(), results(FIGURES))
    assert (own.row, own.values, own.control, own.verdict) == ("a", (60.0, 61.0, 59.5), None, "")
    first, second = np.array(beside.values), np.array(own.values)
    errors = [values.var(ddof=1) / 3 for values in (first, second)]
    freedom = sum(errors) ** 2 / sum(error**2 / 2 for error in errors)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(sum(errors))
    assert beside.difference == pytest.approx(first.mean() - second.mean())
    assert (beside.low, beside.high) == pytest.approx((beside.difference - half, beside.difference + half))
    assert beside.verdict == "higher"
    close = over_seeds(outline(), results({**FIGURES, "b": 60.2, "b-1": 60.9, "b-2": 59.6}))[1]
    assert close.verdict == "not told apart"


def test_rows_with_one_training_have_no_section():
    assert trainings_section(outline(), results({"a": 60.0, "b": 65.0, "c": 70.0})) == []
    lines = trainings_section(outline(), results(FIGURES))
    assert lines[-1].startswith("| B | few | 3 | 65.00 | 1.00 | A | +4.83 | ")
    assert sum(line.startswith("| ") for line in lines) == 3
    assert "".join(trainings_section(outline(("b-1", "b-2")), results(FIGURES))).count("| B ") == 0
