"""Which row beats which on the same test images, as a matrix."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def paired_views(folder: Path, table: str, rows: dict[str, str], protocols: dict[str, str]) -> list[dict[str, Any]]:
    """By protocol: the rows, and for each two of them the difference and whether it is beyond chance."""
    return []
