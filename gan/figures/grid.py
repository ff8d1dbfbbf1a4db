"""Pictures of many small images, each with a caption under it: what all figures of the sampler are drawn on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from dcgan_features.data.utils.drawing import as_picture, font
from dcgan_features.data.utils.files import atomic_path

TITLE, TEXT, SMALL = 17, 12, 10  # heights of letters, pixels
MARGIN, GAP, WIDE_GAP, SIDE = 12, 6, 22, 128  # pixels; SIDE: the width of an image where no scale is given
INK, FAINT, FRAME, PAPER = "#222222", "#5f5f5f", "#d62728", "#ffffff"


@dataclass(frozen=True)
class Cell:
    """An image, uint8 (height, width, 3 or 1), and the line under it.

    boxes : (left, top, right, bottom) in pixels of the image, drawn as frames.
    """

    image: NDArray[np.uint8]
    caption: str = ""
    boxes: Sequence[tuple[int, int, int, int]] = ()


@dataclass(frozen=True)
class Row:
    """Cells side by side, None for an empty place, and what stands left of them, in as many lines as it has."""

    cells: Sequence[Cell | None]
    title: str = ""


@dataclass(frozen=True)
class Sheet:
    """A whole figure.

    columns : captions above the cells. note : lines below everything. apart : columns with a wider gap before them.
    """

    title: str
    rows: Sequence[Row]
    columns: Sequence[str] = ()
    note: str = ""
    apart: Collection[int] = field(default_factory=frozenset)


def draw_sheet(sheet: Sheet, scale: int | None = None) -> Image.Image:
    """The figure in colour. scale : pixels for one of an image; None: as many as make images about 128 wide."""
    cells = [cell for row in sheet.rows for cell in row.cells if cell is not None]
    height, width = cells[0].image.shape[:2]
    scale = scale or max(SIDE // width, 1)
    height, width = height * scale, width * scale
    widest = max([_width(cell.caption, SMALL) for cell in cells] + [_width(name, TEXT) for name in sheet.columns[:1]])
    step = max(width, widest) + GAP
    count = max(len(row.cells) for row in sheet.rows)
    left = max(_width(row.title, TEXT) for row in sheet.rows)
    left = MARGIN + (left + 2 * GAP if left else 0)
    lefts = [left + index * step + WIDE_GAP * sum(index >= column for column in sheet.apart) for index in range(count)]
    top = MARGIN + TITLE + 3 * GAP + (TEXT + 2 * GAP if sheet.columns else 0)
    captioned = any(cell.caption for cell in cells)
    drop = height + (SMALL + 2 * GAP if captioned else GAP)
    note = sheet.note.splitlines()
    bottom = top + drop * len(sheet.rows) + (len(note) * (TEXT + GAP) + GAP if note else 0)
    right = max([lefts[-1] + step, MARGIN + _width(sheet.title, TITLE), MARGIN + _width(sheet.note, TEXT)])
    canvas = Image.new("RGB", (right + MARGIN - GAP, bottom + MARGIN - GAP), PAPER)
    pen = ImageDraw.Draw(canvas)
    pen.text((MARGIN, MARGIN), sheet.title, INK, font(TITLE))
    for name, place in zip(sheet.columns, lefts, strict=False):
        pen.text((place, top - TEXT - GAP), name, INK, font(TEXT))
    for number, row in enumerate(sheet.rows):
        above = top + number * drop
        middle = above + (height - _height(row.title, TEXT)) // 2
        pen.multiline_text((MARGIN, middle), row.title, INK, font(TEXT), spacing=GAP)
        for cell, place in zip(row.cells, lefts, strict=False):
            if cell is not None:
                _draw_cell(canvas, pen, cell, (place, above), scale)
    pen.multiline_text((MARGIN, top + drop * len(sheet.rows) + GAP), sheet.note, FAINT, font(TEXT), spacing=GAP)
    return canvas


def write_sheet(path: Path, sheet: Sheet, scale: int | None = None, colours: int | None = None) -> None:
    """Draw the figure into a PNG file, atomically. colours : of a palette, which makes a third of the file; None: all.

    Raises `InputError` where the file cannot be written.
    """
    picture = draw_sheet(sheet, scale)
    if colours is not None:
        picture = picture.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.FLOYDSTEINBERG)
    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG", optimize=True)


def _draw_cell(canvas: Image.Image, pen: ImageDraw.ImageDraw, cell: Cell, place: tuple[int, int], scale: int) -> None:
    height, width = cell.image.shape[:2]
    image = as_picture(cell.image).convert("RGB")
    canvas.paste(image.resize((width * scale, height * scale), Image.Resampling.NEAREST), place)
    for left, top, right, bottom in cell.boxes:
        corners = (left * scale, top * scale, right * scale - 1, bottom * scale - 1)
        pen.rectangle([corner + place[index % 2] for index, corner in enumerate(corners)], outline=FRAME, width=2)
    pen.text((place[0], place[1] + height * scale + 2), cell.caption, FAINT, font(SMALL))


def _width(text: str, size: int) -> int:
    return max((round(font(size).getlength(line)) for line in text.splitlines()), default=0)


def _height(text: str, size: int) -> int:
    lines = len(text.splitlines())
    return lines * size + (lines - 1) * GAP
