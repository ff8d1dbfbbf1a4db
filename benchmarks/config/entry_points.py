"""Rows of tables that other packages register: an entry point in the group `dcgan_features.rows`.

    [project.entry-points."dcgan_features.rows"]
    cifar10 = "my_package.rows:ROWS"

The entry point's name is the table's. What it leads to is a row, as a mapping; a list of rows; or the path of a YAML
file with the key `rows`. Rows are written as in `tables/cifar10.yaml`.
"""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path
from typing import Any

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_yaml

GROUP = "dcgan_features.rows"


def registered_rows(table: str) -> dict[str, list[dict[str, Any]]]:
    """The rows that installed packages register for a table, unchecked, by what registers them.

    Raises `InputError`, naming the package, for an entry point that cannot be loaded or leads to something else.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for point in metadata.entry_points(group=GROUP, name=table):
        package = f"{point.dist.name} {point.dist.version}" if point.dist is not None else "a package"
        whose = f"the entry point {point.value} of {package}"
        try:
            loaded = point.load()
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise InputError(f"{whose} cannot be loaded ({reason}); mend or uninstall the package") from error
        found.setdefault(whose, []).extend(_rows(loaded, whose))
    return found


def _rows(loaded: Any, whose: str) -> list[dict[str, Any]]:
    if isinstance(loaded, str | os.PathLike):
        path = Path(loaded)
        rows = read_yaml(path, "file of rows").get("rows")
        if not isinstance(rows, list):
            raise InputError(f"{whose}: {path} has no list of 'rows'; give it one")
        for row in rows:
            _place_weights(row, path.parent)
    else:
        rows = [loaded] if isinstance(loaded, dict) else loaded
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(
            f"{whose} leads to a {type(loaded).__name__}; give a mapping, a list of them, or a YAML's path"
        )
    return rows


def _place_weights(row: Any, folder: Path) -> None:
    """Files of weights are meant relative to the YAML file, as they are in a table."""
    weights = row.get("weights") if isinstance(row, dict) else None
    if not isinstance(weights, dict):
        return
    file = weights.get("file")
    if isinstance(file, str) and (len(Path(file).parts) > 1 or Path(file).suffix):
        weights["file"] = str(folder / file)
