"""CSV files that other commands wrote, read without trusting them."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_text

Line = dict[str, str]


def read_lines(path: Path) -> list[Line]:
    """The file's lines by column; none where there is no file, or it is not a CSV with a full line of headings."""
    try:
        lines = list(csv.DictReader(io.StringIO(read_text(path), newline="")))
    except (InputError, csv.Error):
        return []
    return [{name: value or "" for name, value in line.items() if name is not None} for line in lines]


def number(text: str) -> float | None:
    """The number that the text is, or None where it is none or not finite."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
