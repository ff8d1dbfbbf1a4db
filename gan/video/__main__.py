"""`python -m gan.video`: train a network that continues clips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

app = typer.Typer(add_completion=False)


@app.command()
def video(
    source: Annotated[str, typer.Option("--data", help="moving-mnist, moving-shapes, or a folder of clips.")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoint, samples, logs and weights.")],
    recipe: Annotated[Path | None, typer.Option(help="YAML file of settings; see gan/video/recipe.py.")] = None,
    network: Annotated[str | None, typer.Option(help="moving-64, clips-64, ...; see gan/video/networks.py.")] = None,
    clips: Annotated[int | None, typer.Option(help="Clips to see in all.")] = None,
    seed: Annotated[int | None, typer.Option(help="Decides every random number.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the official data sets.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; by default a GPU if there is one.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoint in --out, if there is one.")] = True,
) -> None:
    """Train a generator that predicts frames, against a discriminator of short clips; no label is seen."""
    from dcgan_features.data.utils.devices import device_option  # late, as they import PyTorch: --help is quick
    from dcgan_features.data.video.sources import training_clips
    from dcgan_features.gan.video.recipe import read_video_recipe
    from dcgan_features.gan.video.training import PredictionRun

    given = {"network": network, "clips": clips, "seed": seed}
    settings = read_video_recipe(recipe, {key: value for key, value in given.items() if value is not None})
    where, spec = device_option(device), settings.spec
    found = training_clips(source, data_root, settings.clips, settings.seed, spec.length, spec.size, spec.channels)
    training = PredictionRun(settings, found, out, where, resume)
    print(f"network {spec.name} on {len(found):,} clips ({found.description}), {where}, {settings.precision}")
    print(f"{settings.clips:,} clips in {settings.steps:,} batches of {settings.batch_size}, into {out}", flush=True)
    if training.training.steps_done:
        print(f"resuming after batch {training.training.steps_done:,}")
    for note in training.notes:
        print(f"note: {note}")
    print(f"weights: {training.finish()}")


if __name__ == "__main__":
    run(app)
