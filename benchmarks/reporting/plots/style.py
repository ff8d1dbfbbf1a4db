"""What all pictures of this project's figures share: colours, axes, images shown as they are, and the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dcgan_features.data.utils.files import atomic_path

INK, FAINT = "#222222", "#8a8a8a"
# Okabe and Ito's colours, which people who confuse red and green can tell apart; yellow is too light for lines.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
MARKERS, STYLES = "osD^vPXp", ("-", "--", ":", "-.")  # one mark more than colours: no two curves share both


def curve_style(number: int) -> dict[str, Any]:
    """Colour, mark and line of the curve of that number, from 0."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": STYLES[number // len(COLOURS) % len(STYLES)],
        "ms": 4.5,
        "lw": 1.6,
    }


def new_figure(width: float, height: float, warning: str = "", layout: str | None = "constrained") -> Figure:
    """An empty figure, in inches. warning : printed below everything."""
    figure = Figure(figsize=(width, height), facecolor="white", layout=layout)  # type: ignore[arg-type]
    FigureCanvasAgg(figure)
    if warning:
        figure.supxlabel(warning, x=0.01, ha="left", fontsize=9, color=INK)
    return figure


def tidy(axes: Axes) -> None:
    """A faint grid behind the curves, and no frame above or to the right of them."""
    axes.grid(color="#e6e6e6", lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def show_image(axes: Axes, image: NDArray[np.uint8]) -> None:
    """Show an image, uint8 (height, width) or (height, width, 1 or 3), pixel by pixel, black as black."""
    shown = image[:, :, 0] if image.ndim == 3 and image.shape[2] == 1 else image
    axes.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest")


def write_figure(path: Path, figure: Figure, dpi: int = 150, **how: Any) -> None:
    """Write the figure as PNG, atomically; the same figure is the same file. how : as matplotlib's `savefig` takes it.

    Raises `InputError` where the file cannot be written.
    """
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi, metadata={"Software": None}, **how)
