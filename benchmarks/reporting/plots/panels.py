"""Accuracy along layers, grids or training, as panels of one picture."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from dcgan_features.benchmarks.reporting.escaping import figure_text
from dcgan_features.benchmarks.reporting.plots.style import INK, curve_style, new_figure, tidy, write_figure

_TITLE_LETTERS = 72  # that fit over a panel
_LABEL_SPACE = 0.14  # of the axis that a place's label takes


@dataclass(frozen=True)
class Series:
    """Points (where, percent, standard deviation over draws or None), in their order."""

    name: str
    points: tuple[tuple[float, float, float | None], ...]


@dataclass(frozen=True)
class Panel:
    """Series over one axis. title : may be empty."""

    title: str
    along: str
    series: tuple[Series, ...]


def write_panels(path: Path, panels: Sequence[Panel], title: str, metric: str, warning: str = "") -> None:
    """Draw the panels into a PNG, two beside each other; `warning` is printed below them."""
    figure = draw_panels(panels, title, metric, warning)
    write_figure(path, figure)


def draw_panels(panels: Sequence[Panel], title: str, metric: str, warning: str = "") -> Figure:
    """The picture; see `write_panels`."""
    columns = min(len(panels), 2) or 1
    rows = max(math.ceil(len(panels) / columns), 1)
    figure = new_figure(6.2 * columns + 0.4, 4.6 * rows + 0.6, warning)
    title = textwrap.fill(figure_text(title), _TITLE_LETTERS * columns)
    figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=12)
    for number, panel in enumerate(panels):
        _panel(figure.add_subplot(rows, columns, number + 1), panel, metric)
    return figure


def apart(places: Sequence[float], doubling: bool) -> list[float]:
    """Of the places, ascending, those whose labels do not run into each other; the last one is among them.

    doubling : whether the axis is logarithmic.
    """
    along = [math.log(place) if doubling else place for place in places]
    shown: list[int] = []
    for number in reversed(range(len(places))):
        if not shown or along[shown[-1]] - along[number] >= _LABEL_SPACE * (along[-1] - along[0]):
            shown.append(number)
    return [places[number] for number in reversed(shown)]


def _panel(axes: Axes, panel: Panel, metric: str) -> None:
    for number, series in enumerate(panel.series):
        if series.points:
            where, values, spread = zip(*series.points, strict=True)
            axes.errorbar(
                where,
                values,
                [sd or 0.0 for sd in spread],
                label=figure_text(series.name),
                capsize=2.5,
                **curve_style(number),
            )
    places = sorted({point[0] for series in panel.series for point in series.points})
    doubling = bool(places) and places[0] > 0 and places[-1] >= 8 * places[0]
    if doubling:
        axes.set_xscale("log", base=2)
    if len(places) <= 8:
        shown = apart(places, doubling)
        axes.set_xticks(shown, [f"{place:,.0f}" for place in shown])
        axes.minorticks_off()
    else:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda place, _: f"{place:,.0f}"))
    axes.set_xlabel(panel.along)
    axes.set_ylabel(f"{metric}, %")
    axes.set_title(figure_text(panel.title), loc="left", color=INK, fontsize=10)
    tidy(axes)
    if axes.has_data():
        axes.legend(frameon=False, fontsize=8)
