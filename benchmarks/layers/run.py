"""Measuring a row by layer and pooling grid, and over the training of its network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from dcgan_features.benchmarks.config.schema import load_table
from dcgan_features.benchmarks.layers.files import write_layers, write_training
from dcgan_features.benchmarks.layers.study import (
    SNAPSHOTS,
    check_discriminator,
    checkpoint_jobs,
    checkpoint_lines,
    default_protocols,
    discriminator_of,
    layer_jobs,
    layer_lines,
    trained_in,
)
from dcgan_features.benchmarks.runner.cli import exit_code, this_command
from dcgan_features.benchmarks.runner.dry_run import headline
from dcgan_features.benchmarks.runner.executor import check_writable, measure_plans
from dcgan_features.benchmarks.runner.job import Job, make_jobs
from dcgan_features.benchmarks.runner.plan import Plan, describe, plan
from dcgan_features.benchmarks.runner.worker import Outcome
from dcgan_features.data.utils.distributed import is_first
from dcgan_features.data.utils.errors import InputError

Key = TypeVar("Key")


def run_layers(
    row: str,
    table: str,
    preset: str | None,
    protocols: list[str] | None,
    training: Path | None,
    data_root: Path | None,
    device: str | None,
    resume: bool,
    results: Path | None,
    store: Path,
) -> int:
    """Measure what is not there yet; parameters are those of the command. Returns the exit code."""
    loaded = load_table(table)
    chosen, _ = loaded.preset(preset)
    path = Path(table) if Path(table).suffix else None
    rows = loaded.chosen_rows([row])
    if len(rows) > 1:
        raise InputError(f"--row {row} names {len(rows)} rows; give one of {', '.join(each.name for each in rows)}")
    (job,) = make_jobs(loaded, path, rows, chosen, data_root, device, results, store)
    if training is not None and not any(training.glob(SNAPSHOTS)):
        raise InputError(f"{training} holds no snapshots; give a run that was trained with 'snapshot_every'")
    return _measure(job, protocols or default_protocols(job), training, resume)


def _measure(job: Job, protocols: list[str], training: Path | None, resume: bool) -> int:
    check_discriminator(job)
    check_writable(job.results / job.table.name)
    check_writable(job.store)
    print(headline(job))
    if training is not None:
        return exit_code(_over_training(job, training, protocols, resume))
    spec = discriminator_of(job)
    by_layer = {key: plan(item, resume) for key, item in layer_jobs(job, spec, protocols).items()}
    where = trained_in(job)
    if where is not None and not (where / "weights.safetensors").exists():
        first = next(iter(by_layer))  # which trains the network
        minutes = [by_layer[first].minutes, job.minutes]
        by_layer[first] = replace(by_layer[first], minutes=sum(value for value in minutes if value is not None) or None)
    outcomes = _run(job, "layers", by_layer, resume, lambda: write_layers(job, layer_lines(job.row, by_layer)))
    if where is not None and any(where.glob(SNAPSHOTS)):
        outcomes |= _over_training(job, where, protocols, resume)
    else:
        print("no snapshots of the network's training; --training takes the folder of a run that kept some")
    return exit_code(outcomes)


def _over_training(job: Job, run: Path, protocols: list[str], resume: bool) -> dict[str, Outcome]:
    by_step = {key: plan(item, resume) for key, item in checkpoint_jobs(job, run, protocols).items()}
    return _run(job, "training", by_step, resume, lambda: write_training(job, checkpoint_lines(job.row, by_step)))


def _run(job: Job, name: str, plans: Mapping[Key, Plan], resume: bool, write: Callable[[], None]) -> dict[str, Outcome]:
    print("\n".join(describe(list(plans.values()), job.store, job.results)), flush=True)
    outcomes = measure_plans(list(plans.values()), resume, this_command(), write)
    if is_first():
        write()
    print(f"written: {job.results / job.table.name}-{name}-{job.row}.csv, .md and .png")
    return outcomes
