"""The command line that all tables share; `benchmarks.cifar10` is one line of it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dcgan_features.data.utils.torchrun import resuming_command

if TYPE_CHECKING:  # what imports PyTorch is imported where it is needed, so that --help is quick
    from dcgan_features.benchmarks.runner.job import Job
    from dcgan_features.benchmarks.runner.worker import Outcome


def table_command(name: str) -> typer.Typer:
    """The command that measures the shipped table `name`, or one of the user's."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def measure(
        only: Annotated[
            list[str] | None,
            typer.Option(help="This row, group or pattern alone: dcgan, baselines, 'dcgan*'; repeatable."),
        ] = None,
        table: Annotated[str | None, typer.Option(help="A shipped table by name, or your own, in YAML.")] = None,
        preset: Annotated[str | None, typer.Option(help="default, small, from-scratch or demo.")] = None,
        data_root: Annotated[Path | None, typer.Option(help="Folder of the official data sets.")] = None,
        device: Annotated[str | None, typer.Option(help="cpu or cuda; by default a GPU if there is one.")] = None,
        resume: Annotated[
            bool,
            typer.Option(
                "--resume/--no-resume", " /--rerun", help="Keep rows that are measured, or measure them again."
            ),
        ] = True,
        results: Annotated[
            Path | None,
            typer.Option(
                help="Folder of the results; results, or results/PRESET for a preset that is not the default."
            ),
        ] = None,
        store: Annotated[Path, typer.Option(help="Folder of features and trained networks.")] = Path("feature-store"),
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Say what would run, what is cached, disk and time; do nothing.")
        ] = False,
    ) -> None:
        """Measure the rows of a table and print them beside the published figures."""
        from dcgan_features.benchmarks.config.schema import load_table
        from dcgan_features.benchmarks.records.reading import read_rows
        from dcgan_features.benchmarks.records.rows import outline
        from dcgan_features.benchmarks.runner.dry_run import say_what_would_run
        from dcgan_features.benchmarks.runner.job import make_jobs

        loaded = load_table(table or name)
        path = Path(table) if table is not None and Path(table).suffix else None
        chosen, _ = loaded.preset(preset)
        jobs = make_jobs(loaded, path, loaded.chosen_rows(only or []), chosen, data_root, device, results, store)
        for job in jobs:
            if job.measurement is not None:
                _ = job.method  # an unknown class is reported before anything is done, and so is a damaged result
        if resume:
            read_rows(jobs[0].results, outline(loaded, chosen))
        if dry_run:
            print("\n".join(say_what_would_run(jobs, resume)))
            return
        raise typer.Exit(_measure(jobs, resume))

    return app


def _measure(jobs: list[Job], resume: bool) -> int:
    """Measure the jobs of one table; returns the exit code."""
    from dcgan_features.benchmarks.records.reading import read_rows
    from dcgan_features.benchmarks.records.rows import outline
    from dcgan_features.benchmarks.reporting.console import print_table
    from dcgan_features.benchmarks.reporting.table import report_lines
    from dcgan_features.benchmarks.runner.dry_run import headline
    from dcgan_features.benchmarks.runner.executor import check_writable, run_plans
    from dcgan_features.benchmarks.runner.plan import describe, plan
    from dcgan_features.data.utils.distributed import all_processes

    first = jobs[0]
    table, folder, store = first.table, first.results, first.store
    frame = outline(table, first.preset)
    check_writable(folder / table.name)
    check_writable(store)
    print(all_processes().first(lambda: headline(first)))  # which fetches the images, if they are not here
    plans = [plan(job, resume) for job in jobs]
    print("\n".join(describe(plans, store, folder)), flush=True)
    outcomes = run_plans(plans, frame, folder, resume, this_command())
    print_table(frame, report_lines(frame, read_rows(folder, frame), folder))
    print(f"written: {folder / table.name}.csv, .md and .json")
    return exit_code(outcomes)


def exit_code(outcomes: Mapping[str, Outcome]) -> int:
    """Say which rows failed, and why; 0 where none did, 2 where the user can mend them all, else 1."""
    failed = {name: outcome for name, outcome in outcomes.items() if outcome.status == "failed"}
    for name, outcome in failed.items():
        print(f"error: row {name} is not measured: {outcome.message}", file=sys.stderr)
    if not failed:
        return 0
    return 2 if all(outcome.bad_input for outcome in failed.values()) else 1


def this_command() -> str:
    """The command line that is running, to be typed again."""
    return shlex.join(resuming_command())
