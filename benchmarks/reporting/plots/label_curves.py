"""Accuracy against the number of labels, as one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dcgan_features.benchmarks.reporting.escaping import figure_text
from dcgan_features.benchmarks.reporting.plots.style import (
    COLOURS,
    FAINT,
    INK,
    curve_style,
    new_figure,
    tidy,
    write_figure,
)

GAP = 0.042  # between two labels, as a part of the vertical axis


@dataclass(frozen=True)
class Point:
    """Percent at a number of labels a class; `pm` stands after the published figure's plus-minus sign."""

    labels: int
    measured: float
    sd: float | None
    published: float | None
    pm: float | None


@dataclass(frozen=True)
class Curve:
    """A row's points, by number of labels."""

    title: str
    points: tuple[Point, ...]


def write_plot(path: Path, curves: Sequence[Curve], title: str, metric: str, warning: str = "") -> None:
    """Draw the curves into a PNG: bands of one standard deviation, published figures as hollow marks.

    warning : printed below the plot.
    """
    figure = draw(curves, title, metric, warning)
    write_figure(path, figure, bbox_inches="tight")


def draw(curves: Sequence[Curve], title: str, metric: str, warning: str = "") -> Figure:
    """The picture; see `write_plot`."""
    figure = new_figure(10, 6, layout=None)
    axes = figure.add_axes((0.07, 0.13, 0.65, 0.78))
    for number, curve in enumerate(curves):
        _curve(axes, curve, number)
    axes.set_xscale("log")
    numbers = sorted({point.labels for curve in curves for point in curve.points})
    axes.set_xticks(numbers, [f"{number:,}" for number in numbers])
    axes.minorticks_off()
    axes.set_xlabel("labelled images a class (logarithmic)")
    axes.set_ylabel(f"{metric}, %")
    axes.set_title(figure_text(title), loc="left", color=INK, fontsize=12)
    tidy(axes)
    _legend(axes, curves)
    _name(axes, curves)
    if warning:
        figure.text(0.07, 0.02, warning, fontsize=9, color=INK)
    return figure


def _curve(axes: Axes, curve: Curve, number: int) -> None:
    style = curve_style(number)
    colour = style["color"]
    # A single draw has no spread: the band ends before it instead of narrowing towards it.
    band = [(point.labels, point.measured - point.sd, point.measured + point.sd) for point in curve.points if point.sd]
    axes.fill_between(*np.array(band).reshape(-1, 3).T, color=colour, alpha=0.18, lw=0)
    points = np.array([(point.labels, point.measured) for point in curve.points]).reshape(-1, 2).T
    axes.plot(*points, **style)
    for point in curve.points:
        if point.published is not None:
            axes.errorbar(
                point.labels, point.published, point.pm,
                fmt=style["marker"], mfc="white", mec=colour, ecolor=colour, ms=8, capsize=3,
            )  # fmt: skip


def _legend(axes: Axes, curves: Sequence[Curve]) -> None:
    def mark(fill: str, width: float) -> Line2D:
        return Line2D([], [], color=FAINT, marker="o", mfc=fill, lw=width)

    handles, labels = [mark(FAINT, 1.6)], ["measured; bands: ± one standard deviation over label draws"]
    if any(point.published is not None for curve in curves for point in curve.points):
        handles, labels = [*handles, mark("white", 0)], [*labels, "published"]
    axes.legend(handles, labels, loc="best", frameon=False, fontsize=9)


def _name(axes: Axes, curves: Sequence[Curve]) -> None:
    """Write each curve's title beside its end, moved apart where they would overlap."""
    bottom, top = axes.get_ylim()
    ends = sorted((curve.points[-1].measured, number) for number, curve in enumerate(curves) if curve.points)
    heights = spread_out([end for end, _ in ends], GAP * (top - bottom), top)
    for (end, number), height in zip(ends, heights, strict=True):
        colour = COLOURS[number % len(COLOURS)]
        axes.annotate(
            curves[number].title,
            (curves[number].points[-1].labels, end),
            (1.03, height),
            textcoords=("axes fraction", "data"),
            color=colour,
            fontsize=9,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.6, "relpos": (0, 0.5), "shrinkA": 2, "shrinkB": 4},
        )


def spread_out(heights: Sequence[float], gap: float, most: float = math.inf) -> list[float]:
    """Move sorted heights as little as it takes to be `gap` apart: each run of them around the mean of its own.

    most : none is put above it; a run that would be hangs below it.
    """
    groups: list[list[float]] = []
    for height in heights:
        groups.append([height])
        while len(groups) > 1 and _overlap(groups[-2], groups[-1], gap):
            groups[-2:] = [groups[-2] + groups[-1]]
    spread = [_centre(group) + gap * (index - (len(group) - 1) / 2) for group in groups for index in range(len(group))]
    return [min(height, most - gap * above) for above, height in zip(range(len(spread))[::-1], spread, strict=True)]


def _overlap(lower: Sequence[float], upper: Sequence[float], gap: float) -> bool:
    return _centre(upper) - _centre(lower) < gap * (len(lower) + len(upper)) / 2


def _centre(heights: Sequence[float]) -> float:
    return sum(heights) / len(heights)
