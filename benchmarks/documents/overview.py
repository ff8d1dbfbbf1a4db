"""`python -m benchmarks.documents.overview`: draw the method, from an image to the results table, as one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

OUT = Path(__file__).parents[2] / "results" / "figures" / "overview.png"

app = typer.Typer(add_completion=False)


@app.command()
def overview(out: Annotated[Path, typer.Option(help="The PNG file to write.")] = OUT) -> None:
    """Draw the method, from an image to the results table, as one picture."""
    from dcgan_features.benchmarks.documents.overview_picture import draw  # late: --help is quick
    from dcgan_features.benchmarks.reporting.plots.style import write_figure

    write_figure(out, draw())
    print(f"picture: {out}")


if __name__ == "__main__":
    run(app)
