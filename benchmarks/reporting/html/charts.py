"""Charts as inline SVG: lines with intervals, and points with names. Colours are the style sheet's.

One unit is about a pixel on a telephone; on wider screens a chart is drawn somewhat larger, never smaller.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dcgan_features.benchmarks.reporting.html.svg import (
    Scale,
    apart,
    at,
    linear,
    logarithmic,
    tag,
    text_width,
    tick_text,
)

WIDTH, HEIGHT = 420, 270
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 26, 40
FONT = 11.5
COLOURS = 7  # series with a colour of their own; further ones share the last
_LINE_HEIGHT = 13.0

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Point:
    """One measured value: where it lies, its 95% interval if known, what it is, and what was published beside it."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    title: str = ""
    published: float | None = None


@dataclass(frozen=True)
class Series:
    """Points that are joined by a line, and their name."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Axes:
    """What the two axes show, units included; `logarithmic` is the horizontal one."""

    x: str
    y: str
    logarithmic: bool = False
    categories: tuple[str, ...] = ()


class _Plot:
    """The area between the axes, with grid, ticks and titles."""

    def __init__(self, points: Sequence[Point], axes: Axes, right: float, ticks_at_points: bool) -> None:
        xs = [point.x for point in points]
        ys = [
            value
            for point in points
            for value in (point.y, point.low, point.high, point.published)
            if value is not None
        ]
        self.left, self.right, self.top, self.bottom = LEFT, WIDTH - right, TOP, HEIGHT - BOTTOM
        self.x: Scale = logarithmic(xs) if axes.logarithmic else linear(xs)
        if ticks_at_points:
            self.x = at(sorted(set(xs)), self.x)
        self.y = linear(ys, 6)
        self.axes = axes

    def place_x(self, value: float) -> float:
        return self.left + self.x.share(value) * (self.right - self.left)

    def place_y(self, value: float) -> float:
        return self.bottom - self.y.share(value) * (self.bottom - self.top)

    def frame(self) -> list[Markup]:
        parts = []
        for tick in self.y.ticks:
            y = self.place_y(tick)
            parts.append(tag("line", x1=self.left, x2=self.right, y1=y, y2=y, class_="grid"))
            parts.append(tag("text", tick_text(tick), x=self.left - 6, y=y + 4, class_="tick-label end"))
        parts.append(tag("line", x1=self.left, x2=self.right, y1=self.bottom, y2=self.bottom, class_="base"))
        ends = float(self.left)
        for number, tick in enumerate(self.x.ticks):
            x = self.place_x(tick)
            label = self.axes.categories[round(tick)] if self.axes.categories else tick_text(tick)
            half = text_width(label, FONT) / 2
            parts.append(tag("line", x1=x, x2=x, y1=self.bottom, y2=self.bottom + 4, class_="base"))
            if number and x - half < ends + 4:
                continue  # its neighbour's label is in the way
            ends = x + half
            parts.append(tag("text", label, x=x, y=self.bottom + 17, class_="tick-label"))
        middle = (self.left + self.right) / 2
        parts.append(tag("text", self.axes.x, x=middle, y=HEIGHT - 6, class_="axis-title"))
        parts.append(tag("text", self.axes.y, x=2, y=12, class_="axis-title start"))
        return parts


def line_chart(series: Sequence[Series], axes: Axes, name: str) -> Markup:
    """Series as lines with their intervals, each named at its right end."""
    longest = max((text_width(item.name, FONT) for item in series), default=0.0) if len(series) > 1 else 0.0
    right = min(longest + 16, 0.46 * WIDTH) if longest else RIGHT
    plot = _Plot([point for item in series for point in item.points], axes, right, ticks_at_points=True)
    parts = plot.frame()
    ends = [plot.place_y(max(item.points, key=lambda point: point.x).y) for item in series]
    labels = apart(ends, _LINE_HEIGHT, plot.top + 4, plot.bottom - 2)
    for number, (item, end, label) in enumerate(zip(series, ends, labels, strict=True)):
        kind = f"series s{min(number, COLOURS - 1)}"
        points = sorted(item.points, key=lambda point: point.x)
        places = [(plot.place_x(point.x), plot.place_y(point.y)) for point in points]
        marks = [tag("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places), class_="trace")]
        for point, (x, y) in zip(points, places, strict=True):
            if point.low is not None and point.high is not None:
                marks.append(
                    tag("line", x1=x, x2=x, y1=plot.place_y(point.low), y2=plot.place_y(point.high), class_="whisker")
                )
            if point.published is not None:
                marks.append(_diamond(x, plot.place_y(point.published), f"{item.name}: published {point.published}"))
            marks.append(tag("circle", tag("title", point.title or item.name), cx=x, cy=y, r=3.2, class_="dot"))
        if len(series) > 1:
            x = places[-1][0]
            marks.append(tag("polyline", points=f"{x + 5:.1f},{end:.1f} {plot.right + 6:.1f},{label:.1f}",
                             class_="leader"))  # fmt: skip
            marks.append(tag("text", _shortened(item.name, WIDTH - plot.right - 10), x=plot.right + 8, y=label + 4,
                             class_="label"))  # fmt: skip
        parts.append(tag("g", *marks, class_=kind))
    return _chart(parts, name)


def scatter(points: Sequence[Point], axes: Axes, name: str) -> Markup:
    """Points with their intervals, each with its title beside it where there is room."""
    plot = _Plot(points, axes, RIGHT, ticks_at_points=False)
    parts = plot.frame()
    places = [(plot.place_x(point.x), plot.place_y(point.y)) for point in points]
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in places]
    for point, (x, y) in zip(points, places, strict=True):
        marks = []
        if point.low is not None and point.high is not None:
            ends = plot.place_y(point.low), plot.place_y(point.high)
            marks.append(tag("line", x1=x, x2=x, y1=ends[0], y2=ends[1], class_="whisker"))
            taken.append((x - 1, ends[1], x + 1, ends[0]))
        marks.append(tag("circle", tag("title", point.title), cx=x, cy=y, r=4, class_="dot"))
        parts.append(tag("g", *marks, class_="series s0"))
    area = (plot.left, plot.top - 8, WIDTH + 4, plot.bottom)
    for point, place in zip(points, places, strict=True):
        box = _free_place(place, text_width(point.title, FONT), area, taken)
        if box is not None:
            taken.append(box)
            parts += _named(point.title, place, box)
    return _chart(parts, name)


def _free_place(place: tuple[float, float], width: float, area: Box, taken: list[Box]) -> Box | None:
    """The nearest box for a name around a point that lies within the area and covers nothing taken, if there is one."""
    x, y = place
    for distance in (8, 16, 26, 38, 52):
        for dx, dy in ((1, 0), (-1, 0), (0, -1), (0, 1), (0.7, -0.7), (0.7, 0.7), (-0.7, -0.7), (-0.7, 0.7)):
            start = x + dx * distance - width * (1 - (dx > 0) - 0.5 * (dx == 0))
            middle = y + dy * (distance + 3)
            box = (start, middle - _LINE_HEIGHT / 2, start + width, middle + _LINE_HEIGHT / 2)
            inside = area[0] <= box[0] and box[2] <= area[2] and area[1] <= box[1] and box[3] <= area[3]
            if inside and not any(_overlap(box, other) for other in taken):
                return box
    return None


def _named(text: str, place: tuple[float, float], box: Box) -> list[Markup]:
    """The name in its box, joined to its point by a thin line where it stands apart."""
    x, y = place
    nearest = (min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3]))
    if nearest[0] == box[2]:  # to the left: anchored at its end, whatever the font's widths
        parts = [tag("text", text, x=box[2], y=box[3] - 3, class_="label end")]
    else:
        parts = [tag("text", text, x=box[0], y=box[3] - 3, class_="label")]
    if math.dist(place, nearest) > 12:
        parts.append(tag("line", x1=x, y1=y, x2=nearest[0], y2=nearest[1], class_="leader plain-leader"))
    return parts


def _diamond(x: float, y: float, title: str) -> Markup:
    corners = f"{x:.1f},{y - 5:.1f} {x + 5:.1f},{y:.1f} {x:.1f},{y + 5:.1f} {x - 5:.1f},{y:.1f}"
    return tag("polygon", tag("title", title), points=corners, class_="published-point")


def _chart(parts: list[Markup], name: str) -> Markup:
    return tag("svg", *parts, class_="chart", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=name)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _shortened(text: str, room: float) -> str:
    while len(text) > 4 and text_width(text, FONT) > room:
        text = text[:-2].rstrip() + "…"
    return text
