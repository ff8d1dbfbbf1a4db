"""`python -m features.exemplar.train`: train an Exemplar-CNN on images without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

app = typer.Typer(add_completion=False)


@app.command()
def train(
    source: Annotated[
        list[str],
        typer.Option("--data", help="stl10-unlabelled, cifar10, stand-in, a folder or an .npy file; repeatable."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for checkpoint, logs and weights.")],
    data_root: Annotated[Path | None, typer.Option(help="Folder of the official data sets.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="YAML file of settings; see features/exemplar/recipe.py.")] = None,
    network: Annotated[str | None, typer.Option(help="small, middle, large or written like 64c5-64c5-128f.")] = None,
    samples: Annotated[int | None, typer.Option(help="Transformed patches to see in all.")] = None,
    seed: Annotated[int | None, typer.Option(help="Decides every random number.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; by default a GPU if there is one.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoint in --out, if there is one.")] = True,
) -> None:
    """Train an Exemplar-CNN on images without labels; a run that was stopped or killed goes on where it was."""
    from dcgan_features.data import training_images  # late, as they import PyTorch: --help is quick
    from dcgan_features.data.utils.devices import device_option
    from dcgan_features.features.exemplar.recipe import read_exemplar_recipe
    from dcgan_features.features.exemplar.training import ExemplarRun

    given = {"network": network, "samples": samples, "seed": seed}
    settings = read_exemplar_recipe(recipe, {key: value for key, value in given.items() if value is not None})
    where = device_option(device)
    pixels, description, digest = training_images(source, data_root)
    about = {"description": description, "digest": digest, "images": len(pixels)}
    print(
        f"network {settings.network}, {settings.seeds:,} seed patches of {description}, {where}, {settings.precision}"
    )
    print(
        f"{settings.samples:,} samples in {settings.steps:,} batches of {settings.batch_size}, into {out}", flush=True
    )
    training = ExemplarRun(settings, pixels, out, about, where, resume)
    if training.training.steps_done:
        print(f"resuming after batch {training.training.steps_done:,}")
    for note in training.notes:
        print(f"note: {note}")
    weights = training.finish()
    print(f"weights: {weights}")


if __name__ == "__main__":
    run(app)
