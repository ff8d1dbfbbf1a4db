"""External extractors beside rows of a table, and suites of them; made by `python -m benchmarks.compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dcgan_features.benchmarks.records.figures import interval, rounded
from dcgan_features.benchmarks.reporting.html.csv_file import Line, number, read_lines
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import opened, read_json

_KNOWN = {"count": ",", "effective_rank": ",.0f", "parameters": ",", "gmacs": ".3g"}


def compared_views(folder: Path, protocols: dict[str, str]) -> list[dict[str, Any]]:
    """The comparisons below the results' `folder`: accuracies, and each extractor against each reference.

    protocols : titles by name. What cannot be read is left out.
    """
    views = []
    for path in sorted(folder.glob("compare/*/comparison.json")):
        try:
            views.append(_view(opened(read_json(path), path, required=False), protocols))
        except (InputError, KeyError, TypeError, ValueError):
            continue
    return views


def _view(content: dict[str, Any], protocols: dict[str, str]) -> dict[str, Any]:
    titles = {entry["name"]: entry["title"] for entry in content["extractors"]}
    protocols = protocols | content.get("protocols", {})  # a comparison's own probes, by the titles that it has
    accuracies = [
        [
            entry["title"],
            protocols.get(name, name),
            rounded(found["measured"]),
            "" if found["sd"] is None else rounded(found["sd"]),
            interval(found["low"], found["high"]),
            _shown(found.get("calibration_error"), ".2f"),
        ]
        for entry in content["extractors"]
        for name, found in entry["protocols"].items()
    ]
    pairs = [
        [
            titles.get(pair["extractor"], pair["extractor"]),
            titles.get(pair["reference"], pair["reference"]),
            protocols.get(pair["protocol"], pair["protocol"]),
            rounded(pair["difference"], sign=True),
            interval(pair["low"], pair["high"], 2, sign=True),
            pair["verdict"],
        ]
        for pair in content["pairs"]
    ]
    costs = [
        [
            entry["title"],
            *(_shown(entry.get("features", {}).get(name), form) for name, form in _KNOWN.items()),
            _shown(entry.get("peak_gib"), ".2f"),
        ]
        for entry in content["extractors"]
    ]
    return {
        "title": content["title"],
        "costs": costs,
        "stand_in": bool(content["stand_in"]),
        "accuracies": accuracies,
        "pairs": pairs,
    }


def suite_views(folder: Path) -> list[dict[str, Any]]:
    """The suites below the results' `folder`: a matrix a probe, extractors down and data sets across.

    Accuracies that share a letter within a column are not told apart. What cannot be read is left out.
    """
    views = []
    for path in sorted(folder.glob("compare/suite-*/standing.csv")):
        lines = [line for line in read_lines(path) if number(line.get("accuracy", "")) is not None]
        if any(not {"data", "probe", "extractor", "group"} <= line.keys() for line in lines):
            continue
        for probe in dict.fromkeys(line["probe"] for line in lines):
            own = [line for line in lines if line["probe"] == probe]
            data, extractors = (list(dict.fromkeys(line[key] for line in own)) for key in ("data", "extractor"))
            by_cell = {(line["extractor"], line["data"]): line for line in own}
            cells = [[name, *(_cell(by_cell.get((name, part))) for part in data)] for name in extractors]
            title = f"{path.parent.name.removeprefix('suite-')}, {probe}"
            stand_in = any(line.get("stand_in") == "True" for line in own)
            views.append({"title": title, "stand_in": stand_in, "headings": ["Extractor", *data], "cells": cells})
    return views


def _cell(line: Line | None) -> str:
    return "" if line is None else f"{float(line['accuracy']):.1f} {line['group']}"


def _shown(value: Any, form: str) -> str:
    return "" if value is None else format(value, form)
