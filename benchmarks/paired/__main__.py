"""`python -m benchmarks.paired`: compare measured rows two by two, from the predictions that they kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

app = typer.Typer(add_completion=False)


@app.command()
def paired(
    rows: Annotated[list[str] | None, typer.Argument(help="Names of at least two measured rows.")] = None,
    table: Annotated[str, typer.Option(help="The table they belong to.")] = "cifar10",
    every: Annotated[bool, typer.Option("--all", help="Compare all measured rows.")] = False,
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results"),
) -> None:
    """Compare measured rows two by two: the same test images, the same label draws."""
    from dcgan_features.benchmarks.paired.pairs import run_paired  # late, as it imports PyTorch: --help is quick

    run_paired(rows, table, every, results)


if __name__ == "__main__":
    run(app)
