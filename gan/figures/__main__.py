"""`python -m gan.figures`: what a trained DCGAN has learnt, in pictures whose samples have names.

A further kind is a function with these options, in a module of its own, and a line in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run
from dcgan_features.gan.figures.filters import activations, filters
from dcgan_features.gan.figures.latent import (
    Arithmetic,
    Forget,
    Turn,
    arithmetic_sheet,
    directions_sheet,
    forget_sheet,
    samples_sheet,
    turn_sheet,
    walk_sheet,
)
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
    open_laboratory,
    read_choice,
)
from dcgan_features.gan.latent.directions import find_directions

Samples = Annotated[str, typer.Option(help="Numbers of the samples, such as 0-7,12.")]


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
    chosen = numbers(samples, "--samples")
    finish(samples_sheet(open_laboratory(checkpoint, device), seed, chosen, columns), "samples", out, scale, colours)


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
    chosen = numbers(samples, "--samples")
    finish(walk_sheet(open_laboratory(checkpoint, device), seed, chosen, steps), "walk", out, scale, colours)


def arithmetic(
    checkpoint: Checkpoint,
    choice: Choice,
    out: Out = None,
    scale: Scale = None,
    colours: Colours = None,
    device: Device = None,
) -> None:
    """Samples' z added and subtracted, and their pixels as a control (figure 7)."""
    chosen = read_choice(Arithmetic, choice)
    finish(arithmetic_sheet(open_laboratory(checkpoint, device), chosen), "arithmetic", out, scale, colours)


def turn(
    checkpoint: Checkpoint,
    choice: Choice,
    out: Out = None,
    scale: Scale = None,
    colours: Colours = None,
    device: Device = None,
) -> None:
    """The vector from samples that face left to samples that face right, added to others (figure 8)."""
    chosen = read_choice(Turn, choice)
    finish(turn_sheet(open_laboratory(checkpoint, device), chosen), "turn", out, scale, colours)


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
    chosen = numbers(samples, "--samples")
    laboratory = open_laboratory(checkpoint, device)
    found = find_directions(laboratory, count, layer)
    finish(directions_sheet(laboratory, found, seed, chosen), "directions", out, scale, colours)


def forget(
    checkpoint: Checkpoint,
    choice: Choice,
    out: Out = None,
    scale: Scale = None,
    colours: Colours = None,
    device: Device = None,
) -> None:
    """Samples before and after the maps that draw what stands in a few boxes are dropped (figure 6)."""
    chosen = read_choice(Forget, choice)
    sheet, found = forget_sheet(open_laboratory(checkpoint, device), chosen)
    print(f"maps of positive weight in layer {found.layer}, the largest first: {found.maps()}")
    print(
        f"the regression is right about {100 * found.accuracy:.1f}% of its own {found.positions} positive positions "
        "and as many others"
    )
    finish(sheet, "forget", out, scale, colours)


KINDS: dict[str, Callable[..., None]] = {
    "samples": samples,
    "walk": walk,
    "arithmetic": arithmetic,
    "turn": turn,
    "directions": directions,
    "forget": forget,
    "filters": filters,
    "activations": activations,
}

app = typer.Typer(add_completion=False, help="Draw what a generator or a discriminator has learnt, into one PNG.")
for _name, _kind in KINDS.items():
    app.command(_name)(_kind)

if __name__ == "__main__":
    run(app, "run the same command again")
