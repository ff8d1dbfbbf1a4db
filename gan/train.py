"""`python -m gan.train`: train a DCGAN on images without labels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import duration, run
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.torchrun import started_by_torchrun

app = typer.Typer(add_completion=False)


@app.command()
def train(
    source: Annotated[
        list[str], typer.Option("--data", help="cifar10, stand-in, a folder of images or an .npy file; repeatable.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for checkpoint, samples, logs and weights.")],
    data_root: Annotated[Path | None, typer.Option(help="Folder of the official data sets.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="YAML file of settings; see gan/recipe.py.")] = None,
    network: Annotated[str | None, typer.Option(help="paper-32, svhn-32, lsun-64, ...; see gan/spec.py.")] = None,
    images: Annotated[int | None, typer.Option(help="Real images to see in all; or:")] = None,
    epochs: Annotated[int | None, typer.Option(help="How often to see each; for folders 25 unless given.")] = None,
    seed: Annotated[int | None, typer.Option(help="Decides every random number.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; by default a GPU if there is one.")] = None,
    watch: Annotated[
        bool, typer.Option(help="Take readings of its health meanwhile, and warn; see stability.md.")
    ] = True,
    on_alarm: Annotated[
        str, typer.Option(help="stop, rollback (to the last healthy state, at half the learning rate) or go-on.")
    ] = "go-on",
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoint in --out, if there is one.")] = True,
) -> None:
    """Train a DCGAN on images without labels; a run that was stopped or killed goes on where it was."""
    from dcgan_features.data.utils.devices import device_option  # late, as they import PyTorch: --help is quick
    from dcgan_features.data.utils.distributed import first_goes_ahead, is_first
    from dcgan_features.gan.figures.history import make_history, save_real
    from dcgan_features.gan.figures.losses import draw_losses
    from dcgan_features.gan.folders.near_duplicates import find_images
    from dcgan_features.gan.folders.prepare import prepare_folders
    from dcgan_features.gan.training.dcgan import Run
    from dcgan_features.gan.training.pace import images_per_second
    from dcgan_features.gan.training.recipe import read_recipe
    from dcgan_features.gan.watching.picture import write_picture
    from dcgan_features.gan.watching.watch import WatchSettings, chosen_action

    given = {"network": network, "images": images, "epochs": epochs, "seed": seed}
    settings = read_recipe(recipe, {key: value for key, value in given.items() if value is not None})
    where = device_option(device)
    with first_goes_ahead():  # which may have to fetch them, decode them or look for near-duplicates
        prepared = prepare_folders(source, settings.spec.image_size, settings.unreadable, out)
        for note in prepared.notes:
            print(f"note: {note}", flush=True)
        found = find_images(prepared, settings, data_root)
    pixels, description = found.images, found.description
    about = {"description": description, "digest": found.digest, "images": len(pixels)}
    if settings.resize or prepared.folders:
        about["resized_to"] = settings.spec.image_size
    of_run = settings.for_images(len(pixels), prepared.only_folders)
    together = started_by_torchrun()
    watching = WatchSettings(settings.watch_every, chosen_action(on_alarm), _say) if watch else None
    training = Run(of_run, pixels, out, about, where, resume, together, settings.start_from, watching)
    place = f"{where}, {os.environ['WORLD_SIZE']} processes" if together else f"{where}"
    print(f"network {settings.network} on {len(pixels):,} images ({description}), {place}, {settings.precision}")
    print(f"{of_run.images:,} images in {of_run.steps:,} batches of {of_run.batch_size}, into {out}", flush=True)
    if settings.start_from is not None:
        print(f"first weights: {settings.start_from}")
    if training.training.steps_done:
        print(f"resuming after batch {training.training.steps_done:,}")
    for note in training.notes:
        print(f"note: {note}")
    left = of_run.images - training.training.images_seen
    if where.type == "cpu" and not together and left > 0:
        rate = images_per_second(of_run, pixels)
        print(f"about {rate:,.0f} images/s here: {duration(left / rate)}, samples and checkpoints apart", flush=True)
    if of_run.sample_every is not None and is_first():
        save_real(out, pixels, of_run.sample_count)
    weights = training.finish()
    print(f"weights: {weights}")
    if is_first() and of_run.steps >= of_run.log_every:
        print(f"picture: {draw_losses(out)}")
    if training.watch is not None:
        share = training.watch.seconds / max(training.seconds, 1e-9)
        print(f"watched: {write_picture(out)}, {len(training.watch.alarms)} alarms, {100 * share:.1f}% of the time")
    if is_first() and any((out / "samples").glob("*.png")):
        try:
            for picture in make_history(out, out):
                print(f"picture: {picture}")
        except InputError as error:  # of a grid drawn long ago; what was asked for is there
            print(f"note: no pictures of the run are made: {error}")


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    run(app)
