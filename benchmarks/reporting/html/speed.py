"""What `python -m benchmarks.speed` measured, whatever it is: lists become tables, single figures become facts."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import opened, read_json

_TITLES = {
    "svm": "The L2-SVM against LIBLINEAR",
    "svm-rows": "The L2-SVM over the number of rows",
    "extract": "Extraction over the matrix product",
    "train": "Training",
    "kmeans": "k-means",
    "svm-gpu": "The L2-SVM on a GPU against LIBLINEAR",
    "svm-rows-gpu": "The L2-SVM on a GPU over the number of rows",
    "extract-gpu": "Extraction on a GPU",
    "train-gpu": "Training on a GPU",
    "liblinear": "by C",
    "fits": "fits",
    "parts": "shares of the time",
    "convolutions": "convolutions one by one, GFLOP/s",
}
_IN_A_CELL = 3  # figures with names of their own
_UNITS = {
    "gflops": "GFLOP/s",
    "gib": "GiB",
    "images per second": "images/s",
    "liblinear": "LIBLINEAR's",
    "cpu": "CPU",
    "gflop": "GFLOP",
}


def speed_views(folder: Path) -> list[dict[str, Any]]:
    """Each measurement in the folder: its title, commit and versions, and its parts with facts and tables."""
    views = []
    for path in sorted(folder.glob("*.json")):
        try:
            content = opened(read_json(path), path, required=False)
        except InputError:
            continue
        if "measured" not in content:
            continue
        versions = content.get("versions") or {}
        views.append(
            {
                "name": path.stem,
                "title": _title(path.stem),
                "commit": str(content.get("commit") or "unknown")[:10],
                "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
                "parts": _parts("", content["measured"]),
            }
        )
    return views


def _parts(title: str, value: Any) -> list[dict[str, Any]]:
    """A measurement flattened to parts, each with single figures and at most one table."""
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        every = list(dict.fromkeys(key for item in value for key in item))
        apart = [column for column in every if any(_large(item.get(column)) for item in value)]
        columns = [column for column in every if column not in apart]
        texts = [_column([item.get(column) for item in value]) for column in columns]
        numeric = [
            all(_is_number(item.get(column)) or item.get(column) is None for item in value) for column in columns
        ]
        table = {"columns": list(map(_words, columns)), "rows": list(zip(*texts, strict=True)), "numeric": numeric}
        parts: list[dict[str, Any]] = [{"title": title, "facts": [], "table": table}]
        for item in value:
            whose = figure_text(item.get(columns[0])) if columns else ""
            for column in apart:
                if item.get(column):
                    parts += _parts(": ".join(filter(None, (title, whose, _title(column)))), item[column])
        return parts
    if not isinstance(value, dict):
        return [{"title": title, "facts": [("", figure_text(value))], "table": None}]
    facts = [(_words(key), figure_text(item)) for key, item in value.items() if not _nested(item)]
    parts = [{"title": title, "facts": facts, "table": None}] if facts else []
    for key, item in value.items():
        if _nested(item):
            parts += _parts(": ".join(filter(None, (title, _title(key)))), item)
    return parts


def _nested(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value))


def _large(value: Any) -> bool:
    """Whether what stands in a row is too large for a cell of the table."""
    return _nested(value) and (
        not isinstance(value, dict) or len(value) > _IN_A_CELL or any(map(_nested, value.values()))
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _column(values: list[Any]) -> list[str]:
    """The texts of a column: decimals alike where its figures are of about the same size."""
    figures = [abs(value) for value in values if isinstance(value, float) and value]
    if not figures or min(figures) < 0.1 or max(figures) >= 1000 * min(figures):
        return list(map(figure_text, values))
    near_one = all(abs(figure - 1) < 1e-3 for figure in figures)
    decimals = 6 if near_one else max(0, 3 - math.floor(math.log10(max(figures))))
    return [f"{value:,.{decimals}f}" if isinstance(value, float) else figure_text(value) for value in values]


def figure_text(value: Any) -> str:
    """A figure for people: whole numbers in groups of three, others with four digits, ratios near 1 with seven."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ""}[value]
    if isinstance(value, int) or (isinstance(value, float) and value == round(value) and abs(value) < 1e9):
        return f"{value:,.0f}"
    if isinstance(value, float):
        if abs(value) >= 1000:
            return f"{value:,.0f}"
        return f"{value:.7g}" if abs(value - 1) < 1e-3 else f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(figure_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{_words(key).lower()} {figure_text(item)}" for key, item in value.items())
    return str(value)


def _title(key: str) -> str:
    return _TITLES.get(key, _words(key))


def _words(key: str) -> str:
    text = key.replace("_", " ").replace("-", " ")
    for written, meant in _UNITS.items():
        text = re.sub(rf"\b{written}\b", meant, text)
    return text[:1].upper() + text[1:]
