"""How real samples are, as a sealed JSON, Markdown and two pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dcgan_features.benchmarks.realism.study import Images, Nearest, Realism
from dcgan_features.benchmarks.records.environment import environment
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.data.utils.files import write_text
from dcgan_features.data.utils.formats import write_sealed
from dcgan_features.gan.figures.grid import Cell, Row, Sheet, write_sheet

REAL = "the other half of the real images"
_COLUMNS = 12
_HOW = (
    "Real images are split into two halves at random; distances are from the first half, with as many images each. "
    "Fréchet distance: of the means of all maps of our frozen discriminator {judge}, squared; it compares with nothing "
    "but itself. Checkerboard: the share of the images' power at which every second pixel differs, and beside it how "
    "many times that of real images it is."
)


def write_realism(
    results: Path,
    name: str,
    figures: Mapping[str, Realism],
    shown: Mapping[str, Images],
    nearest: Mapping[str, Nearest],
    about: dict[str, Any],
) -> Path:
    """Write realism-<name>.json, .md, .png and -nearest.png; returns the path of the Markdown.

    figures : of each checkpoint, and under `REAL` of real images. shown : of each, the images for the picture.
    """
    stem = results / f"realism-{name}"
    real = figures[REAL]
    content = {"about": about, "figures": {title: asdict(found) for title, found in figures.items()}, **environment()}
    write_sealed(stem.with_suffix(".json"), content)
    cells = [
        [
            title,
            f"{found.frechet:.3f}",
            f"{found.frechet / real.frechet:.1f}" if real.frechet > 0 else "",
            f"{100 * found.checkerboard:.4f}",
            f"{found.checkerboard / real.checkerboard:.2f}" if real.checkerboard > 0 else "",
        ]
        for title, found in figures.items()
    ]
    headings = ["Images", "Fréchet distance", "Times real", "Checkerboard, % of power", "Times real"]
    text = [
        f"# How real the samples are: {about['data']}",
        "",
        _HOW.format(judge=about["judge"]),
        "",
        f"{real.images:,} images of each. {_sentence(figures)}",
        "",
        *markdown_table(headings, cells),
    ]
    write_text(stem.with_suffix(".md"), "\n".join(text) + "\n")
    rows = []
    for title, images in shown.items():
        for start in range(0, len(images), _COLUMNS):
            rows.append(Row([Cell(image) for image in images[start : start + _COLUMNS]], "" if start else title))
    write_sheet(stem.with_suffix(".png"), Sheet("Real images and samples", rows), None if _small(shown) else 1, 256)
    rows = []
    for title, found in nearest.items():
        for words, images in (
            (f"{title}:\nsamples", found.samples),
            ("nearest training\nimage, pixels", found.by_pixels),
            ("nearest, frozen\nfeatures", found.by_features),
        ):
            rows.append(Row([Cell(image) for image in images], words))
    sheet = Sheet("Samples and the training images nearest to them", rows)
    write_sheet(stem.with_name(f"{stem.name}-nearest.png"), sheet, None if _small(shown) else 1, 256)
    return stem.with_suffix(".md")


def _small(shown: Mapping[str, Images]) -> bool:
    return next(iter(shown.values())).shape[1] < 48


def _sentence(figures: Mapping[str, Realism]) -> str:
    real = figures[REAL]
    others = {title: found for title, found in figures.items() if title != REAL}
    best = min(others, key=lambda title: others[title].frechet)
    said = f"The nearest to real images is {best}, at {others[best].frechet / max(real.frechet, 1e-12):.1f} times "
    said += "the distance of the two halves"
    if len(others) > 1:
        first = next(iter(others))
        said += f"; {others[best].frechet / max(others[first].frechet, 1e-12):.2f} times that of {first}"
    return said + "."
