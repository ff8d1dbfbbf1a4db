"""`python -m benchmarks.documents.spine`: draw the files that take a row from the command to its figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

OUT = Path(__file__).parents[2] / "results" / "figures" / "spine.png"

app = typer.Typer(add_completion=False)


@app.command()
def draw_spine(out: Annotated[Path, typer.Option(help="The PNG file to write.")] = OUT) -> None:
    """Draw the files that take a row from the command to its figures, and which imports which."""
    from dcgan_features.benchmarks.documents.spine_picture import LIST, draw, spine  # late: --help is quick
    from dcgan_features.data.utils.files import atomic_path

    figure = draw(spine(LIST.read_text(encoding="utf-8")))
    with atomic_path(out) as temporary:
        figure.savefig(temporary, format="png", dpi=150, metadata={"Software": None})
    print(f"picture: {out}")


if __name__ == "__main__":
    run(app)
