"""`python -m benchmarks.mnist_generated`: MNIST by the nearest generated image, as in table 3 of the paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

app = typer.Typer(add_completion=False)


@app.command()
def mnist_generated(
    preset: Annotated[
        str | None, typer.Option(help="default, demo (synthetic digits) or from-scratch (hours; a GPU).")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Measure this system alone; repeatable.")] = None,
    generated: Annotated[
        list[int] | None, typer.Option(help="Generated images the classifier knows; repeatable.", min=1)
    ] = None,
    study: Annotated[str, typer.Option(help="The shipped study, or one of your own in YAML.")] = "mnist-generated",
    data_root: Annotated[Path | None, typer.Option(help="Folder of the official data sets.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; by default a GPU if there is one.")] = None,
    rerun: Annotated[bool, typer.Option("--rerun", help="Measure again what is measured.")] = False,
    results: Annotated[Path | None, typer.Option(help="Folder of the results; results, or results/PRESET.")] = None,
    store: Annotated[Path, typer.Option(help="Folder of trained networks.")] = Path("feature-store"),
) -> None:
    """Train two GANs that are told the class, and classify test images by the nearest image that they make.

    Whatever is trained or searched goes on where it was when the same command is run again.
    """
    from dcgan_features.benchmarks.mnist_generated.run import run_study  # late, as it imports PyTorch: --help is quick

    run_study(preset, only, generated, study, data_root, device, rerun, results, store)


if __name__ == "__main__":
    run(app)
