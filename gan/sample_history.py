"""`python -m gan.sample_history`: what a run's generator made of one fixed z from epoch to epoch, as two pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

app = typer.Typer(add_completion=False)


@app.command()
def history(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run: what --out was in gan.train.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the two pictures; by default the run's.")] = None,
    source: Annotated[
        list[str] | None, typer.Option("--data", help="What the run was trained on, for a run without real.png.")
    ] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the official data sets.")] = None,
    samples: Annotated[int, typer.Option(min=1, help="Images of a grid to show, as a square.")] = 36,
    frames: Annotated[int, typer.Option(min=1, help="Frames of the animation, at most.")] = 40,
) -> None:
    """Make the pictures of a run again: its grids of samples as an animation, and some of them beside real images."""
    from dcgan_features.data import training_images  # late, as they import PyTorch: --help is quick
    from dcgan_features.gan.figures.history import Grids, make_history, save_real
    from dcgan_features.gan.folders.prepare import prepare_folders
    from dcgan_features.gan.training.recipe import TrainRecipe

    if source:
        size = Grids.of(folder).size
        prepared = prepare_folders(source, size, TrainRecipe().unreadable, folder)
        save_real(folder, training_images(prepared.sources, data_root, size)[0])
    for path in make_history(folder, out or folder, samples, frames):
        print(f"picture: {path}")


if __name__ == "__main__":
    run(app)
