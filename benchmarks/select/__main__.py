"""`python -m benchmarks.select NAME`: choose features on training images alone, and write down by what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

app = typer.Typer(add_completion=False)


@app.command()
def select(
    name: Annotated[str, typer.Argument(help="A selection: second-order, svhn-views, or a YAML file of your own.")],
    only: Annotated[list[str] | None, typer.Option(help="This candidate alone; repeatable. Writes nothing.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the official data sets.")] = None,
    store: Annotated[Path, typer.Option(help="Folder of features.")] = Path("feature-store"),
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results"),
) -> None:
    """Measure the candidates of a selection on training images and compare them in pairs."""
    from dcgan_features.benchmarks.select.run import run_selection  # late, as it imports PyTorch: --help is quick

    run_selection(name, only, data_root, store, results)


if __name__ == "__main__":
    run(app)
