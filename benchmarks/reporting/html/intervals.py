"""Published and measured on one line: the bar that a table shows beside its figures."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from dcgan_features.benchmarks.reporting.html.svg import Scale, linear, tag, tick_text

Line = dict[str, Any]

# Published above, measured in the middle, single draws below: figures that agree do not hide each other.
_HEIGHT, _PUBLISHED, _MEASURED, _DRAWS = 30, 8, 17, 26


def scale_of(lines: list[Line]) -> Scale:
    """One scale for all lines, around everything that their bars show."""
    values = []
    for line in lines:
        if line["published"] is not None:
            margin = line["published_pm"] or 0.0
            values += [line["published"] - margin, line["published"] + margin]
        if line["measured"] is not None:
            values += [line["low"], line["high"], line["measured"]]
    return linear(values, 6, 0.05)


def interval_axis(scale: Scale) -> Markup:
    """The axis above the bars: its ticks' values, in percent."""
    labels = [tag("text", tick_text(tick), x=_percent(scale, tick), y=12, class_="tick-label") for tick in scale.ticks]
    return tag("svg", *labels, class_="interval axis", height=16, aria_hidden="true", focusable="false")


def interval_bar(line: Line, scale: Scale, values: list[float] | None = None) -> Markup:
    """The published figure as a diamond, the measured one as a dot on its 95% interval, single draws as strokes.

    Positions are percentages, so that the bar is as wide as its cell while its marks keep their form.
    """
    parts = [_vertical(scale, tick, 0, _HEIGHT, "grid") for tick in scale.ticks]
    if line["published"] is not None:
        if line["published_pm"]:
            low, high = (line["published"] + sign * line["published_pm"] for sign in (-1, 1))
            parts.append(_horizontal(scale, low, high, _PUBLISHED, "published-pm"))
        diamond = tag("path", d="M0,-4.5 L4.5,0 L0,4.5 L-4.5,0 Z", class_="published-mark")
        place = _percent(scale, line["published"])
        parts.append(tag("svg", diamond, x=place, y=_PUBLISHED, overflow="visible", width=1, height=1))
    if line["measured"] is not None:
        if values is not None and len(values) > 1:
            parts += [_vertical(scale, value, _DRAWS - 3, _DRAWS + 3, "draw-mark") for value in values]
        parts.append(_horizontal(scale, line["low"], line["high"], _MEASURED, "interval-line"))
        parts += [_vertical(scale, line[end], _MEASURED - 3, _MEASURED + 3, "interval-line") for end in ("low", "high")]
        parts.append(tag("circle", cx=_percent(scale, line["measured"]), cy=_MEASURED, r=3.8, class_="measured-mark"))
    return tag("svg", *parts, class_="interval", height=_HEIGHT, aria_hidden="true", focusable="false")


def _percent(scale: Scale, value: float) -> str:
    return f"{100 * scale.share(value):.2f}%"


def _horizontal(scale: Scale, low: float, high: float, y: int, kind: str) -> Markup:
    return tag("line", x1=_percent(scale, low), x2=_percent(scale, high), y1=y, y2=y, class_=kind)


def _vertical(scale: Scale, value: float, top: int, bottom: int, kind: str) -> Markup:
    place = _percent(scale, value)
    return tag("line", x1=place, x2=place, y1=top, y2=bottom, class_=kind)
