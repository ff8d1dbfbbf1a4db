"""`python -m gan.near_duplicates`: which of one's pictures are nearly the same; looked at before any is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run
from dcgan_features.data.utils.errors import InputError

app = typer.Typer(add_completion=False)


@app.command()
def look(
    source: Annotated[
        list[str], typer.Option("--data", help="A folder of pictures, an .npy file or a data set; repeatable.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the list and the contact sheet.")],
    data_root: Annotated[Path | None, typer.Option(help="Folder of the official data sets.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="The recipe of the training to come; see gan/recipe.py.")] = None,
    network: Annotated[str | None, typer.Option(help="The network to be trained, which decides the size.")] = None,
    threshold: Annotated[float | None, typer.Option(help="In place of the recipe's hash_threshold.")] = None,
) -> None:
    """List the near-duplicates that `near_duplicates: remove` in the recipe would leave out; none is touched."""
    from dcgan_features.data import training_images  # late, as they import PyTorch: --help is quick
    from dcgan_features.gan.folders.near_duplicates import hash_settings, near_duplicates, write_look
    from dcgan_features.gan.folders.prepare import prepare_folders
    from dcgan_features.gan.training.recipe import read_recipe

    given = {"network": network, "hash_threshold": threshold}
    settings = read_recipe(recipe, {key: value for key, value in given.items() if value is not None})
    prepared = prepare_folders(source, settings.spec.image_size, settings.unreadable, out)
    for note in prepared.notes:
        print(f"note: {note}", flush=True)
    size = settings.spec.image_size if settings.resize else None
    images, description, digest = training_images(prepared.sources, data_root, size)
    if len(images) < 2:
        raise InputError(f"{description}: one image has no near-duplicate; give a folder of several")
    hashing = hash_settings(settings)
    first = near_duplicates(images, digest, hashing)
    names = [f"image {index}" for index in range(len(images))]
    if prepared.only_folders:
        names = [file for files in prepared.files for file in files or []]
    removed, paths = write_look(out, images, first, names, hashing)
    print(f"{removed:,} of {description} are near-duplicates; they would be left out by 'near_duplicates: remove'")
    for path in paths:
        print(path)


if __name__ == "__main__":
    run(app)
