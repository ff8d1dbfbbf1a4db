"""`python -m gan.train`: train a DCGAN on images without labels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

import data
from gan.command import choose_device, run
from gan.processes import first_goes_ahead, started_by_torchrun
from gan.recipe import read_recipe
from gan.trainer import Run

app = typer.Typer(add_completion=False)


@app.command()
def train(
    source: Annotated[
        list[str], typer.Option("--data", help="cifar10, stand-in, a folder of images or an .npy file; repeatable.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for checkpoint, samples, logs and weights.")],
    data_root: Annotated[Path | None, typer.Option(help="Folder of the official data sets.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="YAML file of settings; see gan/recipe.py.")] = None,
    network: Annotated[str | None, typer.Option(help="paper-32, svhn-32, lsun-64 or lsun-64-narrow.")] = None,
    images: Annotated[int | None, typer.Option(help="Real images to see in all.")] = None,
    seed: Annotated[int | None, typer.Option(help="Decides every random number.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; by default a GPU if there is one.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoint in --out, if there is one.")] = True,
) -> None:
    """Train a DCGAN on images without labels; a run that was stopped or killed goes on where it was."""
    given = {"network": network, "images": images, "seed": seed}
    settings = read_recipe(recipe, {key: value for key, value in given.items() if value is not None})
    where = choose_device(device)
    size = settings.spec.image_size if settings.resize else None
    with first_goes_ahead():  # which may have to fetch them
        pixels, description, digest = data.training_images(source, data_root, size)
    about = {"description": description, "digest": digest, "images": len(pixels)}
    if settings.resize:
        about["resized_to"] = size
    together = started_by_torchrun()
    training = Run(settings, pixels, out, about, where, resume, together)
    place = f"{where}, {os.environ['WORLD_SIZE']} processes" if together else f"{where}"
    print(f"network {settings.network} on {len(pixels):,} images ({description}), {place}, {settings.precision}")
    print(f"{settings.images:,} images in {settings.steps:,} batches of {settings.batch_size}, into {out}")
    if training.training.steps_done:
        print(f"resuming after batch {training.training.steps_done:,}")
    for note in training.notes:
        print(f"note: {note}")
    weights = training.finish()
    print(f"weights: {weights}")


if __name__ == "__main__":
    run(app)
