"""`python -m benchmarks.speech`: spoken digits from spectrograms, on known and on unknown speakers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

app = typer.Typer(add_completion=False)


@app.command()
def speech(
    only: Annotated[list[str] | None, typer.Option(help="Measure this row alone; repeatable.")] = None,
    preset: Annotated[str, typer.Option(help="default, demo (synthetic sound), or a study of your own in YAML.")] = (
        "default"
    ),
    data_root: Annotated[Path | None, typer.Option(help="Folder that holds spoken-digits.")] = None,
    split: Annotated[str | None, typer.Option(help="own or speakers; by default both.")] = None,
    networks: Annotated[bool, typer.Option("--networks", help="Train the networks, and measure nothing.")] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume/--no-resume", " /--rerun", help="Keep rows that are measured, or measure them again."),
    ] = True,
    results: Annotated[Path | None, typer.Option(help="Folder of the results; results, or results/PRESET.")] = None,
    store: Annotated[Path, typer.Option(help="Folder of spectrograms, networks, features.")] = Path("feature-store"),
) -> None:
    """Measure DCGAN features of spectrograms, their control and the field's baselines on spoken digits."""
    from dcgan_features.benchmarks.speech.measure import Options, measure_study  # late: --help is quick without torch

    splits = () if split is None else (split,)
    measure_study(Options(preset, tuple(only or ()), splits, data_root, networks, resume, results, store))


if __name__ == "__main__":
    run(app)
