"""What a run's generator made of one fixed z from epoch to epoch, as two pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, features

from dcgan_features.data.utils.drawing import BORDER, font, image_grid
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path
from dcgan_features.data.utils.raw import check_file, reason_of
from dcgan_features.gan.batch_norm import evenly_spaced
from dcgan_features.gan.description import read_description
from dcgan_features.gan.spec import SPECS
from dcgan_features.gan.training.checkpoint import read_state

SAMPLES, FRAMES = 36, 40  # of a grid, and of the animation
REAL = "real.png"  # in a run's folder: a grid of training images
_FRAME_MS, _LAST_MS = 150, 2500
LETTERS = 20  # pixels high
_GAP, _LINE = 10, 30  # pixels between grids, and height of a line of text
_SMALL = 48  # images of fewer pixels are shown twice as large


@dataclass(frozen=True)
class Grids:
    """The pictures of samples that a run has drawn.

    files : by number of minibatches done, in order. size : pixels of an image. columns : images in a row.
    epoch : minibatches in which all training images are seen once. network : its name.
    """

    files: dict[int, Path]
    size: int
    columns: int
    epoch: int
    network: str

    @classmethod
    def of(cls, folder: Path) -> Grids:
        """Those in a run's folder; `InputError` where there is no run, or it has drawn none."""
        about = _about(folder)
        try:
            recipe, steps = about["recipe"], int(about["batches"])
            network, count, batch = SPECS[recipe["network"]], int(recipe["sample_count"]), int(recipe["batch_size"])
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{folder} holds no run of gan.train; check the path") from None
        named = {int(file.stem): file for file in (folder / "samples").glob("*.png") if file.stem.isdigit()}
        files = {step: named[step] for step in sorted(named) if step <= steps}  # later ones are of a former run
        if not files:
            raise InputError(f"{folder} holds no grids of samples; train with 'sample_every' in the recipe")
        columns = math.ceil(math.sqrt(count))
        epoch = max(int((about.get("data") or {}).get("images") or 0) // batch, 1)
        return cls(files, network.image_size, columns, epoch, network.name)

    def caption(self, step: int) -> str:
        """When a grid was drawn."""
        return f"epoch {round(step / self.epoch, 1):g}"

    def open(self, step: int, side: int) -> Image.Image:
        """The upper left side x side images of a grid."""
        return self.cropped(_opened(self.files[step]), side)

    def cropped(self, grid: Image.Image, side: int) -> Image.Image:
        """The upper left side x side images of a picture like those of the run; small ones twice as large."""
        pixels = min(side, self.columns) * (self.size + BORDER) + BORDER
        corner = grid.crop((0, 0, min(pixels, grid.width), min(pixels, grid.height)))
        factor = 2 if self.size < _SMALL else 1
        return corner.resize((corner.width * factor, corner.height * factor), Image.Resampling.NEAREST)


def save_real(folder: Path, images: NDArray[np.uint8], count: int = 64) -> None:
    """Write `real.png`: `count` training images, spread evenly over all, uint8 (n, height, width, 3 or 1)."""
    with atomic_path(folder / REAL) as temporary:
        image_grid(evenly_spaced(images, count)).save(temporary, format="PNG")


def make_history(run_folder: Path, out: Path, samples: int = SAMPLES, frames: int = FRAMES) -> list[Path]:
    """Write the pictures of a run: `epochs.png`, the first, a middle and the last grid beside real images, and
    `training.webp`, an animation of the grids (`training.gif` where Pillow was built without WebP).

    run_folder : that of a run of `python -m gan.train`, finished or not. samples : images of a grid that are shown, as
    a square. frames : of the animation, at most; they follow one another quickly at first, when most changes.
    Returns the paths. Raises `InputError` when the folder holds no run or no grids.
    """
    grids = Grids.of(run_folder)
    side = max(math.isqrt(samples), 1)
    animated = out / ("training.webp" if features.check("webp") else "training.gif")
    still = out / "epochs.png"
    with atomic_path(still) as temporary:
        _still(grids, run_folder / REAL, side).quantize(256, dither=Image.Dither.NONE).save(temporary, format="PNG")
    steps = thinned(list(grids.files), frames)
    pictures = [_captioned([grids.open(step, side)], [grids.caption(step)]) for step in steps]
    durations = [_FRAME_MS] * (len(pictures) - 1) + [_LAST_MS]
    options: dict[str, Any] = {"quality": 60, "method": 4} if animated.suffix == ".webp" else {}
    with atomic_path(animated) as temporary:
        pictures[0].save(
            temporary,
            format=animated.suffix[1:].upper(),
            save_all=True,
            append_images=pictures[1:],
            duration=durations,
            loop=0,
            **options,
        )
    return [still, animated]


def thinned(steps: list[int], frames: int) -> list[int]:
    """At most `frames` of `steps`, the first and the last among them, denser towards the first."""
    if frames >= len(steps):
        return steps
    places = np.linspace(0, 1, frames) ** 2 * (len(steps) - 1)
    return [steps[index] for index in np.unique(places.round().astype(int))]


def _still(grids: Grids, real: Path, side: int) -> Image.Image:
    steps = list(grids.files)
    middle = min(steps, key=lambda step: abs(step - (steps[0] + steps[-1]) / 2))
    chosen = sorted({steps[0], middle, steps[-1]})
    pictures, captions = [grids.open(step, side) for step in chosen], [grids.caption(step) for step in chosen]
    if real.is_file():
        pictures.append(grids.cropped(_opened(real), side))
        captions.append("real images")
    return _captioned(pictures, captions)


def _opened(path: Path) -> Image.Image:
    """A picture of the run's; `InputError`, naming it, where it is damaged."""
    check_file(path)
    try:
        with Image.open(path, formats=["PNG"]) as opened:
            return opened.convert("RGB")
    except Exception as error:  # Pillow's decoders raise nearly every kind of exception over a damaged file
        raise InputError(f"{path} cannot be read as a picture ({reason_of(error)}); remove it") from None


def _captioned(pictures: list[Image.Image], captions: list[str]) -> Image.Image:
    """The pictures side by side on white, each with a line above it."""
    columns = [
        max(picture.width, math.ceil(font(LETTERS).getlength(caption)) + 2 * BORDER)
        for picture, caption in zip(pictures, captions, strict=True)
    ]
    width = sum(columns) + _GAP * (len(columns) - 1)
    canvas = Image.new("RGB", (width, max(picture.height for picture in pictures) + _LINE), "white")
    draw, left = ImageDraw.Draw(canvas), 0
    for picture, caption, column in zip(pictures, captions, columns, strict=True):
        canvas.paste(picture, (left, _LINE))
        draw.text((left + BORDER, _LINE // 2), caption, "black", font(LETTERS), anchor="lm")
        left += column + _GAP
    return canvas


def _about(folder: Path) -> dict[str, Any]:
    """Recipe, images and minibatches of the run in a folder."""
    described, checkpoint = folder / "weights.json", folder / "checkpoint.safetensors"
    about: dict[str, Any]
    if checkpoint.exists():
        about = read_state(checkpoint)[0]
        return {**about, "batches": about["steps_done"]}
    if not described.exists():
        raise InputError(f"{folder} holds no run of gan.train, finished or begun; check the path")
    return read_description(described)[1]
