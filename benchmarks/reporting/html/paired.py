"""Which row beats which on the same test images, as a matrix; made by `python -m benchmarks.paired`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dcgan_features.benchmarks.records.figures import interval, rounded
from dcgan_features.benchmarks.reporting.html.csv_file import Line, number, read_lines
from dcgan_features.eval.significance import NOT_APART

NAME = "paired"
_NEEDED = {"row_a", "row_b", "protocol", "difference", "low", "high", "verdict"}


def paired_views(folder: Path, table: str, rows: dict[str, str], protocols: dict[str, str]) -> list[dict[str, Any]]:
    """By protocol: the rows, and of each two of them the difference, its interval and the verdict.

    rows, protocols : titles by name. An absent file, or one without the columns needed, gives none.
    """
    lines = read_lines(folder / f"{table}-{NAME}.csv")
    if not lines or not set(lines[0]) >= _NEEDED:
        return []
    return [
        _matrix([line for line in lines if line["protocol"] == name], protocols.get(name, name), rows)
        for name in dict.fromkeys(line["protocol"] for line in lines)
    ]


def _matrix(lines: list[Line], title: str, rows: dict[str, str]) -> dict[str, Any]:
    names = list(dict.fromkeys(name for line in lines for name in (line["row_a"], line["row_b"])))
    cells: dict[tuple[str, str], dict[str, Any]] = {}
    for line in lines:
        difference, low, high = (number(line[key]) for key in ("difference", "low", "high"))
        if difference is None or low is None or high is None:
            continue
        decided = line["verdict"] != NOT_APART
        pair = (line["row_a"], line["row_b"])
        cells[pair] = _cell(difference, low, high, decided)
        cells[pair[::-1]] = _cell(-difference, -high, -low, decided)
    return {
        "title": title,
        "names": [rows.get(name, name) for name in names],
        "lines": [[cells.get((one, other)) for other in names] for one in names],
        "stand_in": any(line.get("stand_in") == "True" for line in lines),
    }


def _cell(difference: float, low: float, high: float, decided: bool) -> dict[str, Any]:
    return {
        "text": rounded(difference, sign=True),
        "interval": interval(low, high, 2, sign=True),
        "better": difference > 0,
        "decided": decided,
        "share": min(abs(difference) / 20, 1.0),
    }
