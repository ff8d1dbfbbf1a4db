"""`python -m benchmarks.speed.scale`: the cost of many images on many GPUs, on paper."""

from __future__ import annotations

from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

app = typer.Typer(add_completion=False)


@app.command()
def scale(network: Annotated[str, typer.Option(help="Name of a network.")] = "paper-32") -> None:
    """Print what is counted, what is assumed and the forecast that follows; nothing is computed or measured."""
    from dcgan_features.benchmarks.speed.forecast import print_forecast  # late, as it imports PyTorch: --help is quick

    print_forecast(network)


if __name__ == "__main__":
    run(app)
