"""The method, from an image to the results table, as one picture.

The numbers in the picture come from the network's specification, the image from the built-in stand-in.
"""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.gan.spec import PAPER_32, NetworkSpec

WIDTH, HEIGHT = 122, 45  # of the canvas, in the units of all positions below; ten units are an inch
INK, FAINT, PAPER = "#222222", "#8a8a8a", "white"
FIRST, STEP = 26.0, 10.5  # centre of the first layer, and from one layer to the next
LEFT_X, TITLE_Y = 9.5, 42.0
MAPS_Y, GRIDS_Y, BAR_Y = 33.0, 18.5, 6.0
GRID_SIDE, BAR_HEIGHT = 5.0, 3.2
SVM_X, SVM_Y, SVM_SIDE = 87.0, 14.5, 13.0
TABLE_X, TABLE_WIDTH = 104.5, 15.5


def draw(spec: NetworkSpec = PAPER_32) -> Figure:
    """The picture for one network with up to six layers: a figure of 12.2 x 4.5 inches."""
    figure = Figure(figsize=(WIDTH / 10, HEIGHT / 10), facecolor=PAPER)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(0, HEIGHT)
    axes.axis("off")
    _image(axes, spec)
    _layers(axes, spec)
    _svm(axes)
    _table(axes)
    return figure


def _text(
    axes: Axes, x: float, y: float, text: str, size: float = 11, colour: str = INK, weight: str = "normal"
) -> None:
    axes.text(x, y, text, ha="center", va="center", fontsize=size, color=colour, fontweight=weight, linespacing=1.25)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = FAINT) -> None:
    axes.annotate(
        "", end, start, arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.2, "shrinkA": 0, "shrinkB": 0}
    )


def _image(axes: Axes, spec: NetworkSpec) -> None:
    side = 10.0
    axes.imshow(
        stand_in(n_train=6, n_test=1).train_images[5],
        extent=(LEFT_X - side / 2, LEFT_X + side / 2, MAPS_Y - side / 2, MAPS_Y + side / 2),
        interpolation="nearest",
        aspect="auto",
    )
    _text(axes, LEFT_X, TITLE_Y, "image", weight="bold")
    _text(axes, LEFT_X, MAPS_Y - 7.2, f"{spec.image_size} × {spec.image_size} pixels", 9.5, FAINT)
    _arrow(axes, (LEFT_X + side / 2 + 0.8, MAPS_Y), (LEFT_X + side / 2 + 4.8, MAPS_Y))


def _layers(axes: Axes, spec: NetworkSpec) -> None:
    """Maps, their pooled grids, and the grids side by side in one vector, a colour for each layer."""
    colours = matplotlib.colormaps["viridis"](np.linspace(0.1, 0.9, len(spec.discriminator)))
    centres = FIRST + STEP * np.arange(len(spec.discriminator))
    middle = float(centres.mean())
    left, width = FIRST - STEP / 2, STEP * len(centres)
    start = left
    for centre, layer, size, colour in zip(centres, spec.discriminator, spec.map_sizes(), colours, strict=True):
        side = 2.0 + 4.5 * size / spec.image_size
        for offset in (0.9, 0.45, 0.0):  # a few of the maps, as a stack
            corner = (centre - side / 2 + offset, MAPS_Y - side / 2 + offset)
            axes.add_patch(Rectangle(corner, side, side, facecolor=colour, edgecolor=PAPER, lw=0.8))
        _text(axes, centre, MAPS_Y - 6.4, f"{layer.maps} maps\n{size} × {size}", 9.5, FAINT)
        _arrow(axes, (centre, MAPS_Y - 8.6), (centre, GRIDS_Y + GRID_SIDE / 2 + 0.5))
        for cell in range(16):
            corner = (centre + (cell % 4 - 2) * GRID_SIDE / 4, GRIDS_Y + (cell // 4 - 2) * GRID_SIDE / 4)
            side = GRID_SIDE / 4
            axes.add_patch(Rectangle(corner, side, side, facecolor=colour, edgecolor=PAPER, lw=0.8))
        part = width * layer.maps * 16 / spec.feature_count()
        axes.add_patch(Rectangle((start, BAR_Y), part, BAR_HEIGHT, facecolor=colour, edgecolor=PAPER, lw=0.8))
        _arrow(axes, (centre, GRIDS_Y - GRID_SIDE / 2 - 0.5), (start + part / 2, BAR_Y + BAR_HEIGHT + 0.4))
        start += part
    _text(axes, middle, TITLE_Y, "the discriminator's layers, frozen", weight="bold")
    _text(axes, middle, TITLE_Y - 2.3, "trained against a generator, without labels", 9.5, FAINT)
    _text(axes, LEFT_X, GRIDS_Y, "max-pooled\nto 4 × 4", weight="bold")
    _text(axes, LEFT_X, BAR_Y + BAR_HEIGHT / 2, "concatenated", weight="bold")
    _text(axes, middle, BAR_Y - 2.2, f"{spec.feature_count():,} features", 9.5, FAINT)
    _arrow(axes, (left + width + 0.8, BAR_Y + BAR_HEIGHT / 2), (SVM_X - 0.8, SVM_Y + 2.5))


def _svm(axes: Axes) -> None:
    """Two classes of points, the line between them and its margins."""
    axes.add_patch(Rectangle((SVM_X, SVM_Y), SVM_SIDE, SVM_SIDE, facecolor="#f5f5f5", edgecolor=FAINT, lw=1))
    random = np.random.default_rng(3)
    along, away = random.uniform(-4.5, 4.5, 26), random.uniform(1.6, 4.2, 26)
    side = np.where(np.arange(26) % 2, 1, -1)
    x = SVM_X + SVM_SIDE / 2 + (along + side * away) / np.sqrt(2)
    y = SVM_Y + SVM_SIDE / 2 + (along - side * away) / np.sqrt(2)
    for sign, marker, colour in ((1, "o", "#440154"), (-1, "s", "#35b779")):
        axes.scatter(x[side == sign], y[side == sign], s=14, marker=marker, color=colour, linewidths=0)
    for shift, style in ((0.0, "-"), (1.8, ":"), (-1.8, ":")):
        ends = np.array([1.0 + abs(shift), SVM_SIDE - 1.0 - abs(shift)])
        axes.plot(SVM_X + ends + shift / 2, SVM_Y + ends - shift / 2, style, color=INK, lw=1.2)
    middle = SVM_X + SVM_SIDE / 2
    _text(axes, middle, SVM_Y - 2.2, "L2-SVM", weight="bold")
    _text(axes, middle, SVM_Y + SVM_SIDE + 6.4, "labels enter\nonly here", 9.5)
    _arrow(axes, (middle, SVM_Y + SVM_SIDE + 4.2), (middle, SVM_Y + SVM_SIDE + 0.6), INK)
    _arrow(axes, (SVM_X + SVM_SIDE + 0.8, SVM_Y + SVM_SIDE / 2), (TABLE_X - 0.8, SVM_Y + SVM_SIDE / 2))


def _table(axes: Axes) -> None:
    bottom, height = SVM_Y, SVM_SIDE
    style = "round,pad=0,rounding_size=0.6"
    box = FancyBboxPatch((TABLE_X, bottom), TABLE_WIDTH, height, boxstyle=style, facecolor=PAPER, edgecolor=FAINT)
    axes.add_patch(box)
    columns = (TABLE_X + 3.9, TABLE_X + 9.9)
    for x, heading in zip(columns, ("published", "measured"), strict=True):
        _text(axes, x + 2.6, bottom + height - 1.6, heading, 7.2)
    axes.plot((TABLE_X, TABLE_X + TABLE_WIDTH), (bottom + height - 3.1,) * 2, color=FAINT, lw=1)
    for row in range(4):
        y = bottom + height - 5.0 - 2.2 * row
        for x, length in ((TABLE_X + 0.8, (3.4, 2.4, 3.8, 2.8)[row]), (columns[0] + 1.2, 2.8), (columns[1] + 1.2, 2.8)):
            axes.plot((x, x + length), (y, y), color="#c8c8c8", lw=4, solid_capstyle="butt")
    _text(axes, TABLE_X + TABLE_WIDTH / 2, bottom - 2.2, "results table", weight="bold")
