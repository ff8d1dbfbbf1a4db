"""`python -m benchmarks.latent`: the latent space of a generator, measured where the truth of its images is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

app = typer.Typer(add_completion=False)
SHIPPED = "shapes-32"


@app.command()
def latent(
    checkpoint: Annotated[
        str, typer.Option(help="Generator trained on the stand-in: a run's folder, a file, or shipped weights' name.")
    ] = SHIPPED,
    demo: Annotated[bool, typer.Option(help="A small measurement that shows that all works.")] = False,
    results: Annotated[
        Path | None, typer.Option(help="Folder of the results; results, for --demo results/demo.")
    ] = None,
) -> None:
    """Measure arithmetic, linearity, forgetting and walks in latent space, with controls."""
    from dcgan_features.benchmarks.latent.run import run_latent  # late, as it imports PyTorch: --help is quick

    run_latent(checkpoint, demo, results)


if __name__ == "__main__":
    run(app)
