"""SVG as text, escaped, and the scales of its axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape
from matplotlib.ticker import LogLocator, MaxNLocator

_WIDTH_OF_A_CHARACTER = 0.58  # of the font's size, on average, in the usual sans-serif fonts


def tag(name: str, *content: str | Markup, **attributes: object) -> Markup:
    """An element; `class_` is the attribute class, other underscores are hyphens, numbers have one decimal."""
    written = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _number(value))
        for key, value in attributes.items()
        if value is not None
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), written, Markup("").join(map(escape, content)))


def _number(value: object) -> object:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value


def text_width(text: str, size: float) -> float:
    """About how wide a text is in a font of `size`, in the same unit."""
    return len(text) * size * _WIDTH_OF_A_CHARACTER


@dataclass(frozen=True)
class Scale:
    """An axis: values from `low` to `high`, and the ticks to be drawn, on a linear or a logarithmic scale."""

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Where a value lies: 0 at the low end, 1 at the high end. On a logarithmic scale 0 lies at the low end."""
        if self.logarithmic:
            return math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def linear(values: Iterable[float], most_ticks: int = 6, margin: float = 0.06) -> Scale:
    """A scale around the values, with a margin (a share of their range) on both sides and round ticks within."""
    known = list(values)
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    space = (high - low) * margin or 1.0
    low, high = low - space, high + space
    ticks = MaxNLocator(most_ticks, steps=[1, 2, 5, 10]).tick_values(low, high)
    return Scale(low, high, tuple(float(tick) for tick in ticks if low <= tick <= high))


def logarithmic(values: Iterable[float], most_ticks: int = 6, margin: float = 0.08) -> Scale:
    """The same for values above 0 on a logarithmic scale, with ticks at 1, 2 and 5 times powers of ten."""
    known = [value for value in values if value > 0]
    low, high = (min(known), max(known)) if known else (1.0, 10.0)
    factor = (high / low) ** margin if high > low else 2.0
    low, high = low / factor, high * factor
    ticks: list[float] = []
    for multiples in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
        candidates = LogLocator(base=10, subs=multiples, numticks=99).tick_values(low, high)
        ticks = [float(tick) for tick in candidates if low <= tick <= high]
        if len(ticks) <= most_ticks:
            break
    return Scale(low, high, tuple(ticks[:: max(1, math.ceil(len(ticks) / most_ticks))]), True)


def at(positions: Sequence[float], scale: Scale) -> Scale:
    """The scale with ticks at these positions, where there are few, in place of its own."""
    return Scale(scale.low, scale.high, tuple(positions), scale.logarithmic) if len(positions) <= 8 else scale


def tick_text(value: float) -> str:
    """A tick's label: "0.00003", "7,000", "20"."""
    if abs(value) >= 1 and value == round(value):
        return f"{value:,.0f}"
    return f"{value:.6f}".rstrip("0") if 1e-6 < abs(value) < 1e-4 else f"{value:g}"


def apart(wanted: Sequence[float], distance: float, low: float, high: float) -> list[float]:
    """Positions near the wanted ones, in their order along the axis, at least `distance` apart where there is room.

    Neighbours that are too close become a group that is centred where its members want to be.
    """
    groups: list[tuple[float, list[int]]] = []  # (centre, members)
    for index in sorted(range(len(wanted)), key=lambda index: wanted[index]):
        members: list[int] = [index]
        while True:
            half = (len(members) - 1) * distance / 2
            centre = sum(wanted[member] for member in members) / len(members)
            centre = max(min(centre, high - half), low + half)
            if not groups or centre - half >= groups[-1][0] + (len(groups[-1][1]) + 1) * distance / 2:
                break
            members = groups.pop()[1] + members
        groups.append((centre, members))
    placed = [0.0] * len(wanted)
    for centre, members in groups:
        for place, member in enumerate(members):
            placed[member] = centre + (place - (len(members) - 1) / 2) * distance
    return placed
