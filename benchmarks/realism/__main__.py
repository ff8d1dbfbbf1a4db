"""`python -m benchmarks.realism`: samples of one or more checkpoints beside the real images they learnt from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

app = typer.Typer(add_completion=False)


@app.command()
def realism(
    checkpoints: Annotated[list[str], typer.Argument(help="Runs' folders, weights, or names of shipped weights.")],
    source: Annotated[list[str], typer.Option("--data", help="What they were trained on, as for gan.train.")],
    name: Annotated[str | None, typer.Option(help="Of the results; by default that of the first checkpoint.")] = None,
    most: Annotated[int, typer.Option(min=200, help="Real images at most, half of them in each half.")] = 6_000,
    seed: Annotated[int, typer.Option(min=0, help="Of samples and of the halves.")] = 0,
    judge: Annotated[str, typer.Option(help="Weights whose frozen discriminator gives the features.")] = "svhn-32",
    data_root: Annotated[Path | None, typer.Option(help="Folder of the official data sets.")] = None,
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results"),
) -> None:
    """Fréchet distance on our own frozen features, checkerboard and nearest training images of samples."""
    from dcgan_features.benchmarks.realism.command import compare  # late, as it imports PyTorch: --help is quick

    print(f"written: {compare(checkpoints, source, name, most, seed, judge, data_root, results)}, .json and pictures")


if __name__ == "__main__":
    run(app)
