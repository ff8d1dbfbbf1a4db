"""Measuring the curves of a table: accuracy at several numbers of labels, of every row that is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dcgan_features.benchmarks.config.schema import load_table
from dcgan_features.benchmarks.curves.label_counts import CurveRow, curve_lines, label_table, write_curves
from dcgan_features.benchmarks.runner.cli import exit_code, this_command
from dcgan_features.benchmarks.runner.executor import check_writable, measure_plans
from dcgan_features.benchmarks.runner.job import Job, make_jobs
from dcgan_features.benchmarks.runner.plan import describe, plan
from dcgan_features.data.utils.errors import InputError


def run_curves(
    only: list[str],
    source: str,
    preset: str | None,
    data_root: Path | None,
    device: str | None,
    resume: bool,
    results: Path | None,
    store: Path,
) -> int:
    """Measure and draw what is not there yet; parameters are those of the command. Returns the exit code."""
    table = load_table(source)
    preset, _ = table.preset(preset)
    extra = label_table(table, preset)
    wanted = {row.name for row in table.chosen_rows(only)}
    path = Path(source) if Path(source).suffix else None
    jobs = make_jobs(table, path, table.rows, preset, data_root, device, results, store)
    folder = jobs[0].results
    check_writable(folder / extra.name)
    dataset = jobs[0].original()
    rows: list[CurveRow] = []
    left_out: dict[str, InputError] = {}
    for job in jobs:
        try:
            found = _as_measured(job)
        except InputError as error:
            left_out[job.row] = error
        else:
            rows += [] if found is None else [found]
    for name in only:
        if name in left_out:
            raise left_out[name]
    chosen_rows = [row for row in rows if row.main.row in wanted]
    if not chosen_rows:
        raise InputError(
            f"no row of the table {table.name} is measured in {folder} with the preset {preset}; "
            "measure it with the table's own command first"
        )
    print(f"{extra.title}: preset {preset}, {dataset.title}, {dataset.note}, on {jobs[0].device}")
    plans = [replace(plan(row.more, resume), minutes=row.minutes) for row in chosen_rows if row.more.protocols]
    print("\n".join(describe(plans, jobs[0].store, folder)), flush=True)
    for reason in left_out.values():
        print(f"  left out: {reason}")

    def draw() -> None:
        write_curves(folder, table, curve_lines(rows, dataset.train_labels))

    outcomes = measure_plans(plans, resume, this_command(), draw)
    draw()
    print(f"written: {folder / extra.name}.csv, .md and .png")
    return exit_code(outcomes)


def _as_measured(job: Job) -> CurveRow | None:
    """The row under the first preset, its own before others on the same images, with which it is measured.

    None where its own preset says nothing of it and no other has measured it. Raises `InputError` where its own does.
    """
    table, own = job.table, job.table.presets[job.preset]
    same = [name for name, item in table.presets.items() if (item.dataset, item.curve) == (own.dataset, own.curve)]
    failed: InputError | None = None
    for preset in sorted(same, key=lambda name: name != job.preset):
        candidate = replace(job, preset=preset)
        if candidate.measurement is not None:
            try:
                return CurveRow(candidate, label_table(table, preset))
            except InputError as error:
                failed = error if preset == job.preset else failed
    if failed is not None:
        raise failed
    return None
