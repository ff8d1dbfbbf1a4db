"""`python -m gan.figures`: what a trained DCGAN has learnt, in pictures whose samples have names.

A further kind is a function with these options, in a module of its own, and a line in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run
from dcgan_features.gan.figures.options import (
    Checkpoint,
    Choice,
    Colours,
    Device,
    Out,
    Scale,
    Seed,
    finish,
    numbers,
    open_sampler,
    read_choice,
)

# What imports PyTorch is imported by the kind that needs it, so that --help is quick.

Samples = Annotated[str, typer.Option(help="Numbers of the samples, such as 0-7,12.")]
Source = Annotated[str, typer.Option("--data", help="cifar10, stand-in, a folder of images or an .npy file.")]
DataRoot = Annotated[Path | None, typer.Option(help="Folder of the official data sets.")]
Number = Annotated[int, typer.Option(min=1, help="Images of the source to look through, evenly spaced.")]
Layer = Annotated[int | None, typer.Option(min=0, help="Of the discriminator, from 0; by default the last.")]
Maps = Annotated[str, typer.Option(help="Numbers of the layer's maps, such as 0-5,12.")]


def samples(
    checkpoint: Checkpoint,
    seed: Seed = 0,
    samples: Samples = "0-59",
    columns: Annotated[int, typer.Option(min=1, max=40, help="Samples in a row.")] = 10,
    out: Out = None,
    scale: Scale = None,
    colours: Colours = None,
    device: Device = None,
) -> None:
    """Samples by number, to choose from."""
    from dcgan_features.gan.figures.latent import samples_sheet

    chosen = numbers(samples, "--samples")
    finish(samples_sheet(open_sampler(checkpoint, device), seed, chosen, columns), "samples", out, scale, colours)


def walk(
    checkpoint: Checkpoint,
    seed: Seed = 0,
    samples: Samples = "0-8",
    steps: Annotated[int, typer.Option(min=1, max=20, help="Images from one sample to the next.")] = 8,
    out: Out = None,
    scale: Scale = None,
    colours: Colours = None,
    device: Device = None,
) -> None:
    """A closed walk from sample to sample (figure 4 of the paper)."""
    from dcgan_features.gan.figures.latent import walk_sheet

    chosen = numbers(samples, "--samples")
    finish(walk_sheet(open_sampler(checkpoint, device), seed, chosen, steps), "walk", out, scale, colours)


def arithmetic(
    checkpoint: Checkpoint,
    choice: Choice,
    out: Out = None,
    scale: Scale = None,
    colours: Colours = None,
    device: Device = None,
) -> None:
    """Samples' z added and subtracted, and their pixels as a control (figure 7)."""
    from dcgan_features.gan.figures.latent import Arithmetic, arithmetic_sheet

    chosen = read_choice(Arithmetic, choice)
    finish(arithmetic_sheet(open_sampler(checkpoint, device), chosen), "arithmetic", out, scale, colours)


def turn(
    checkpoint: Checkpoint,
    choice: Choice,
    out: Out = None,
    scale: Scale = None,
    colours: Colours = None,
    device: Device = None,
) -> None:
    """The vector from samples that face left to samples that face right, added to others (figure 8)."""
    from dcgan_features.gan.figures.latent import Turn, turn_sheet

    chosen = read_choice(Turn, choice)
    finish(turn_sheet(open_sampler(checkpoint, device), chosen), "turn", out, scale, colours)


def directions(
    checkpoint: Checkpoint,
    seed: Seed = 0,
    samples: Samples = "0,1",
    count: Annotated[int, typer.Option(min=1, max=40, help="Directions, the strongest first.")] = 6,
    layer: Annotated[int, typer.Option(min=0, help="Hidden layer of the generator; 0 is the projection of z.")] = 0,
    out: Out = None,
    scale: Scale = None,
    colours: Colours = None,
    device: Device = None,
) -> None:
    """The directions of z that change a layer's maps most, from -2 to 2 standard deviations; no label is used."""
    from dcgan_features.gan.figures.latent import directions_sheet
    from dcgan_features.gan.latent.directions import find_directions

    chosen = numbers(samples, "--samples")
    sampler = open_sampler(checkpoint, device)
    found = find_directions(sampler, count, layer)
    finish(directions_sheet(sampler, found, seed, chosen), "directions", out, scale, colours)


def forget(
    checkpoint: Checkpoint,
    choice: Choice,
    out: Out = None,
    scale: Scale = None,
    colours: Colours = None,
    device: Device = None,
) -> None:
    """Samples before and after the maps that draw what stands in a few boxes are dropped (figure 6)."""
    from dcgan_features.gan.figures.latent import Forget, forget_sheet

    chosen = read_choice(Forget, choice)
    sheet, found = forget_sheet(open_sampler(checkpoint, device), chosen)
    print(f"maps of positive weight in layer {found.layer}, the largest first: {found.maps()}")
    print(
        f"the regression is right about {100 * found.accuracy:.1f}% of its own {found.positions} positive positions "
        "and as many others"
    )
    finish(sheet, "forget", out, scale, colours)


def filters(
    checkpoint: Checkpoint,
    source: Source,
    data_root: DataRoot = None,
    layer: Layer = None,
    maps: Maps = "0-5",
    top: Annotated[int, typer.Option(min=1, max=9, help="Images for each map.")] = 3,
    images: Number = 10_000,
    out: Out = None,
    scale: Scale = None,
    colours: Colours = None,
    device: Device = None,
) -> None:
    """Guided gradients of a discriminator's maps at their strongest responses, beside an untrained one's (figure 5)."""
    from dcgan_features.gan.figures.filters import chosen_maps, filters_sheet, look, source_images, untrained

    sampler = open_sampler(checkpoint, device)
    place, chosen = chosen_maps(sampler.spec, layer, maps)
    pictures, description = source_images(source, data_root, sampler.spec, images)
    networks = [
        look("trained", sampler.discriminator, pictures, place, min(top, len(pictures))),
        look("untrained", untrained(sampler.spec, sampler.device), pictures, place, min(top, len(pictures))),
    ]
    finish(filters_sheet(networks, pictures, place, chosen, description), "filters", out, scale, colours)


def activations(
    checkpoint: Checkpoint,
    source: Source,
    data_root: DataRoot = None,
    layer: Layer = None,
    maps: Maps = "0-5",
    top: Annotated[int, typer.Option(min=1, max=30, help="Images for each map.")] = 9,
    images: Number = 10_000,
    crop: Annotated[bool, typer.Option(help="Show the receptive fields alone.")] = False,
    out: Out = None,
    scale: Scale = None,
    colours: Colours = None,
    device: Device = None,
) -> None:
    """The images that excite the maps of a discriminator's layer most."""
    from dcgan_features.gan.figures.filters import activations_sheet, chosen_maps, look, source_images

    sampler = open_sampler(checkpoint, device)
    place, chosen = chosen_maps(sampler.spec, layer, maps)
    pictures, description = source_images(source, data_root, sampler.spec, images)
    looked = look("trained", sampler.discriminator, pictures, place, min(top, len(pictures)))
    finish(activations_sheet(looked, pictures, place, chosen, description, crop), "activations", out, scale, colours)


def losses(
    run: Annotated[Path, typer.Argument(help="Folder of a training run, finished or not.")],
    out: Annotated[Path | None, typer.Option(help="PNG to write; by default losses.png in that folder.")] = None,
) -> None:
    """The losses of a run over its minibatches, without TensorBoard."""
    from dcgan_features.gan.figures.losses import draw_losses

    print(f"picture: {draw_losses(run, out)}")


KINDS: dict[str, Callable[..., None]] = {
    "samples": samples,
    "walk": walk,
    "arithmetic": arithmetic,
    "turn": turn,
    "directions": directions,
    "forget": forget,
    "filters": filters,
    "activations": activations,
    "losses": losses,
}

app = typer.Typer(add_completion=False, help="Draw what a generator or a discriminator has learnt, into one PNG.")
for _name, _kind in KINDS.items():
    app.command(_name)(_kind)

if __name__ == "__main__":
    run(app, "run the same command again")
