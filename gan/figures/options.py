"""What the kinds of `python -m gan.figures` share: options, lists of samples, settings from files, and the ending."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from pydantic import BaseModel

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_yaml
from dcgan_features.gan.figures.grid import Cell, Row, Sheet, write_sheet
from dcgan_features.gan.training.recipe import check_settings

if TYPE_CHECKING:  # PyTorch is not imported for --help
    from dcgan_features.gan.latent.sampler import Images, LatentSampler

EXAMPLES = Path(__file__).parents[1] / "examples"
MOST_SAMPLES = 400  # in one figure; keeps it legible, and its making below two minutes

Checkpoint = Annotated[str, typer.Argument(help="A training run's folder, a weights file, or shipped weights by name.")]
Choice = Annotated[str, typer.Argument(help="YAML file of what to show, or the name of one in gan/examples.")]
Out = Annotated[Path | None, typer.Option(help="PNG to write; by default <kind>.png in the current folder.")]
Device = Annotated[str | None, typer.Option(help="cpu or cuda; by default a GPU if there is one.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the samples; under each stands seed:number.")]
Scale = Annotated[int | None, typer.Option(min=1, max=16, help="Pixels for each one of an image.")]
Colours = Annotated[int | None, typer.Option(min=2, max=256, help="Of a palette, for a smaller file; default: all.")]

Settings = TypeVar("Settings", bound=BaseModel)


def open_sampler(checkpoint: str, device: str | None) -> LatentSampler:
    """The sampler on the device that an option names. Raises `InputError` as these do."""
    from dcgan_features.data.utils.devices import device_option
    from dcgan_features.gan.latent.sampler import LatentSampler

    return LatentSampler.load(checkpoint, device_option(device))


def read_choice(kind: type[Settings], choice: str) -> Settings:
    """Settings from a YAML file, or from the one of that name that is shipped in gan/examples.

    Raises `InputError` for a missing or damaged file, a misspelt key or a value out of range.
    """
    shipped = EXAMPLES / f"{choice}.yaml"
    path = shipped if shipped.is_file() and not Path(choice).is_file() else Path(choice)
    settings = read_yaml(path, "choice")
    missing = [name for name, field in kind.model_fields.items() if field.is_required() and name not in settings]
    if missing:
        raise InputError(f"{path} lacks '{missing[0]}'; it needs {', '.join(kind.model_fields)}")
    return check_settings(kind, settings, str(path))


def numbers(text: str, option: str) -> list[int]:
    """The whole numbers that "0-3,8" means: 0, 1, 2, 3 and 8. Raises `InputError` for anything else, and for none."""
    found: list[int] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"(\d{1,12})(?:-(\d{1,12}))?", part)
        if match is None:
            raise InputError(f"{option}: '{part}' is not a number or a range; give such as 0-7,12")
        first, last = int(match[1]), int(match[2] or match[1])
        if last - first >= MOST_SAMPLES:
            raise InputError(f"{option}: '{part}' is more than {MOST_SAMPLES} samples, too many for a figure")
        found += range(first, last + 1)
    if not found:
        raise InputError(f"{option}: no sample is chosen; give numbers such as 0-7,12")
    if len(found) > MOST_SAMPLES:
        raise InputError(f"{option}: {len(found)} samples are too many for a figure; give {MOST_SAMPLES} at most")
    return found


def cells(images: Images, captions: Sequence[str] = ()) -> list[Cell]:
    """A cell for each image, captioned as far as there are captions."""
    return [Cell(image, captions[index] if captions else "") for index, image in enumerate(images)]


def names(seed: int, indices: Sequence[int]) -> list[str]:
    """What stands under samples: "seed:number"."""
    return [f"{seed}:{index}" for index in indices]


def in_rows(found: Sequence[Cell], columns: int) -> list[Row]:
    """Cells in rows of so many."""
    return [Row(found[start : start + columns]) for start in range(0, len(found), columns)]


def finish(sheet: Sheet, kind: str, out: Path | None, scale: int | None, colours: int | None) -> None:
    """Write the figure, by default to <kind>.png, and say where it is. Raises `InputError` where it cannot be."""
    path = out or Path(f"{kind}.png")
    write_sheet(path, sheet, scale, colours)
    print(f"written: {path} ({path.stat().st_size / 1000:,.0f} kB)")
