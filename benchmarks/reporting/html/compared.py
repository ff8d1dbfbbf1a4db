"""Extractors that somebody brought, beside rows of a table; made by `python -m benchmarks.compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dcgan_features.benchmarks.records.figures import interval, rounded
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import opened, read_json


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
    accuracies = [
        [
            entry["title"],
            protocols.get(name, name),
            rounded(found["measured"]),
            "" if found["sd"] is None else rounded(found["sd"]),
            interval(found["low"], found["high"]),
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
    return {
        "title": content["title"],
        "stand_in": bool(content["stand_in"]),
        "accuracies": accuracies,
        "pairs": pairs,
    }
