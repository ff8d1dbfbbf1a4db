"""The files that take a row from the command to its figures.

The files are those that CONTRIBUTING lists under "The spine"; their imports and purposes are read in the code.
"""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from dcgan_features.data.utils.errors import InputError

ROOT = Path(__file__).parents[2]
LIST = ROOT / "CONTRIBUTING.md"
INK, FAINT, ARROW = "#222222", "#6b6b6b", "#0072b2"
WIDTH, ROW = 122.0, 6.2  # of the canvas, in the units of all positions below; ten units are an inch
BOX_LEFT, BOX_WIDTH, BOX_HEIGHT, WORDS = 34.0, 32.0, 4.2, 68.0


@dataclass(frozen=True)
class File:
    """A file of the spine: its path from the root, what its docstring begins with, and what it imports of the spine."""

    path: str
    purpose: str
    imports: tuple[str, ...]


def spine(listing: str, root: Path = ROOT) -> list[File]:
    """The files of a numbered list in Markdown, each a link, in its order.

    Raises `InputError` where the list is empty or names a file that is not there.
    """
    paths = re.findall(r"^\d+\. \[[^]]+\]\(([^)]+\.py)\)", listing, re.M)
    if not paths:
        raise InputError(f"{LIST.name} lists no files of the spine; write them as '1. [path](path): what it is for'")
    files = []
    for path in paths:
        if not (root / path).is_file():
            raise InputError(f"{LIST.name} lists {path} among the spine, but there is no such file; mend the list")
        tree = ast.parse((root / path).read_text(encoding="utf-8"))
        named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        others = tuple(other for other in paths if other != path and f"dcgan_features.{_module(other)}" in named)
        files.append(File(path, _first_sentence(ast.get_docstring(tree) or ""), others))
    return files


def _module(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.;])\s", " ".join(text.split()))[0].rstrip(".;")


def draw(files: list[File]) -> Figure:
    """The picture: the files from top to bottom, an arc for each import, on the left of the files."""
    height = ROW * (len(files) + 0.6)
    figure = Figure(figsize=(WIDTH / 10, height / 10), facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(0, height)
    axes.axis("off")
    heights = {file.path: height - ROW * (number + 0.8) for number, file in enumerate(files)}
    for file in files:
        _file(axes, file, heights[file.path])
        for other in file.imports:
            _arc(axes, heights[file.path], heights[other])
    return figure


def _file(axes: Axes, file: File, y: float) -> None:
    style = "round,pad=0,rounding_size=0.6"
    corner = (BOX_LEFT, y - BOX_HEIGHT / 2)
    axes.add_patch(FancyBboxPatch(corner, BOX_WIDTH, BOX_HEIGHT, boxstyle=style, facecolor="#f5f5f5", edgecolor=FAINT))
    axes.text(
        BOX_LEFT + BOX_WIDTH / 2, y, file.path, ha="center", va="center", fontsize=9.5, color=INK, family="monospace"
    )
    words = textwrap.fill(file.purpose, 66, max_lines=2, placeholder=" …")
    axes.text(WORDS, y, words, ha="left", va="center", fontsize=8.2, color=INK, linespacing=1.3)


def _arc(axes: Axes, start: float, end: float) -> None:
    """From a file to one that it imports, the further out the further they are apart."""
    bend = -min(0.9, 0.35 + abs(start - end) / 80)
    axes.annotate(
        "",
        (BOX_LEFT - 0.3, end),
        (BOX_LEFT - 0.3, start),
        arrowprops={
            "arrowstyle": "-|>",
            "color": ARROW,
            "lw": 0.9,
            "connectionstyle": f"arc3,rad={-bend}",
            "shrinkA": 0,
            "shrinkB": 0,
        },
    )
