"""`python -m benchmarks.curves`: accuracy against the number of labels, for every measured row of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

app = typer.Typer(add_completion=False)


@app.command()
def curves(
    only: Annotated[
        list[str] | None, typer.Option(help="This row, group or pattern alone: dcgan, baselines, 'dcgan*'; repeatable.")
    ] = None,
    table: Annotated[str, typer.Option(help="Name of a shipped table, or a table of your own in YAML.")] = "cifar10",
    preset: Annotated[str | None, typer.Option(help="default, small, from-scratch or demo.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the official data sets.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; by default a GPU if there is one.")] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume/--no-resume", " /--rerun", help="Keep curves that are measured, or measure them again."),
    ] = True,
    results: Annotated[Path | None, typer.Option(help="Folder of the results; results, or results/PRESET.")] = None,
    store: Annotated[Path, typer.Option(help="Folder of features and trained networks.")] = Path("feature-store"),
) -> None:
    """Measure accuracy at several numbers of labels, of every row that the table's own command has measured.

    A row that was measured with another preset, on the same images, is taken as it was measured.
    """
    from dcgan_features.benchmarks.curves.run import run_curves  # late, as it imports PyTorch: --help is quick

    raise typer.Exit(run_curves(only or [], table, preset, data_root, device, resume, results, store))


if __name__ == "__main__":
    run(app)
