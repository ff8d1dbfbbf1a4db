"""How figures are printed: rounded once, from the raw value, by one function."""

from __future__ import annotations

DIGITS = 2  # of percentages that are measured


def rounded(value: float, digits: int = DIGITS, sign: bool = False) -> str:
    """A figure with so many digits after its point, with its sign where it is a difference; never "-0.00"."""
    text = f"{value:{'+' if sign else ''}.{digits}f}"
    return text.replace("-", "+" if sign else "") if float(text) == 0 else text


def with_pm(value: float | None, pm: float | None, digits: int = 1) -> str:
    """A figure as printed: "73.8 ±0.4", "82.8", or nothing; with more digits where the spread would be shown as 0."""
    if value is None:
        return ""
    while pm and digits < 3 and float(rounded(pm, digits)) == 0:
        digits += 1
    return rounded(value, digits) + ("" if pm is None else f" ±{rounded(pm, digits)}")


def interval(low: float, high: float, digits: int = 1, sign: bool = False) -> str:
    """An interval as printed: "81.0 to 83.2"."""
    return f"{rounded(low, digits, sign)} to {rounded(high, digits, sign)}"
