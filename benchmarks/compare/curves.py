"""The label-efficiency curves of a comparison: more protocols of the same rows, measured and drawn as for a table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dcgan_features.benchmarks.config.images import LabelledDataset
from dcgan_features.benchmarks.config.schema import Table
from dcgan_features.benchmarks.curves.label_counts import CurveRow, curve_lines, label_table, write_curves
from dcgan_features.benchmarks.runner.cli import this_command
from dcgan_features.benchmarks.runner.executor import measure_plans
from dcgan_features.benchmarks.runner.job import Job
from dcgan_features.benchmarks.runner.plan import describe, plan


def measure_curves(jobs: Sequence[Job]) -> list[CurveRow]:
    """Measure the points of the preset's curve that its protocols leave out; `jobs` are measured themselves.

    Raises `InputError` where the preset has no curve. A row that fails is left out, which is said.
    """
    rows = [CurveRow(job, label_table(job.table, job.preset)) for job in jobs]
    plans = [replace(plan(row.more), minutes=row.minutes) for row in rows if row.more.protocols]
    if not plans:
        return rows
    print("by number of labels:")
    print("\n".join(describe(plans, jobs[0].store, jobs[0].results)), flush=True)
    outcomes = measure_plans(plans, True, this_command())
    failed = {name for name, outcome in outcomes.items() if outcome.status == "failed"}
    for name in failed:
        print(f"the curve of {name} is left out", file=sys.stderr)
    return [row for row in rows if row.main.row not in failed]


def write_comparison_curves(folder: Path, table: Table, rows: list[CurveRow], dataset: LabelledDataset) -> list[str]:
    """Write the curves as `benchmarks.curves` does; the names of the files."""
    lines = curve_lines(rows, dataset.train_labels)
    write_curves(folder, table.model_copy(update={"rows": [row.main.line for row in rows]}), lines)
    return [f"{table.name}-labels.{ending}" for ending in ("md", "csv", "png")]
