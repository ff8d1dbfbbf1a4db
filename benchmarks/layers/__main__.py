"""`python -m benchmarks.layers`: accuracy by discriminator layer, by pooling grid, and over training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

app = typer.Typer(add_completion=False)


@app.command()
def layers(
    row: Annotated[str, typer.Option(help="The row; made of a discriminator's layers.")] = "dcgan",
    table: Annotated[str, typer.Option(help="Name of a shipped table, or a table of your own in YAML.")] = "cifar10",
    preset: Annotated[str | None, typer.Option(help="default, small, from-scratch or demo.")] = None,
    protocol: Annotated[
        list[str] | None, typer.Option(help="Of the table; repeatable. By default those that draw labels.")
    ] = None,
    training: Annotated[
        Path | None, typer.Option(help="Folder of a gan.train run: score its snapshots, and nothing by layer.")
    ] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the official data sets.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; by default a GPU if there is one.")] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume/--no-resume", " /--rerun", help="Keep what is measured, or measure it again."),
    ] = True,
    results: Annotated[Path | None, typer.Option(help="Folder of the results; results, or results/PRESET.")] = None,
    store: Annotated[Path, typer.Option(help="Folder of features and trained networks.")] = Path("feature-store"),
) -> None:
    """Measure a row by layer and pooling grid, and, where its network's training left snapshots, over training."""
    from dcgan_features.benchmarks.layers.run import run_layers  # late, as it imports PyTorch: --help is quick

    code = run_layers(row, table, preset, protocol, training, data_root, device, resume, results, store)
    raise typer.Exit(code)


if __name__ == "__main__":
    run(app)
