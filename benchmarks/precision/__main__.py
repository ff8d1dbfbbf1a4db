"""`python -m benchmarks.precision`: does training in bfloat16 come to what training in float32 comes to?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

app = typer.Typer(add_completion=False)


@app.command()
def precision(
    network: Annotated[str, typer.Option(help="Name of a network.")] = "paper-32",
    images: Annotated[int, typer.Option(min=1, help="Real images that each run sees.")] = 1_280_000,
    seeds: Annotated[int, typer.Option(min=2, help="Runs of either precision.")] = 3,
    data_root: Annotated[Path | None, typer.Option(help="Folder of CIFAR-10; without it the stand-in.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; by default a GPU if there is one.")] = None,
    store: Annotated[Path, typer.Option(help="Folder of the runs; those that are there go on.")] = Path(
        "runs/precision"
    ),
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results"),
) -> None:
    """Train with bfloat16 and float32, several seeds each, and compare losses and the features' accuracy."""
    from dcgan_features.benchmarks.precision.study import run_precision  # late, as it imports PyTorch: --help is quick

    run_precision(network, images, seeds, data_root, device, store, results)


if __name__ == "__main__":
    run(app)
