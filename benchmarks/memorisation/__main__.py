"""`python -m benchmarks.memorisation`: whether a generator makes copies of its training images, measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

app = typer.Typer(add_completion=False)


@app.command()
def memory(
    checkpoint: Annotated[str, typer.Argument(help="A run's folder, weights, or the name of shipped weights.")],
    source: Annotated[
        list[str], typer.Option("--data", help="What it was trained on, as in gan.train; repeatable, in that order.")
    ],
    held_out: Annotated[
        str | None, typer.Option(help="Images it was not trained on; by default the test images of --data.")
    ] = None,
    samples: Annotated[int, typer.Option(min=100, help="Samples, and held-out images at most.")] = 5000,
    seed: Annotated[int, typer.Option(min=0, help="Of samples and planted copies.")] = 0,
    name: Annotated[str | None, typer.Option(help="Of the results; by default that of the checkpoint.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the official data sets.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; by default a GPU if there is one.")] = None,
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results"),
) -> None:
    """Compare the nearest training images of generated samples with those of images that were held out."""
    from dcgan_features.benchmarks.memorisation.run import run_memorisation  # late: it imports PyTorch, --help is quick

    run_memorisation(checkpoint, source, held_out, samples, seed, name, data_root, device, results)


if __name__ == "__main__":
    run(app)
