"""Packages whose classes are imported when they are first asked for.

A package lists its exports once, as imports under `if TYPE_CHECKING:`, where mypy and editors find them. Instead of
importing everything, and so PyTorch, networks and drawing for a class that needs none of it, `exports_of` reads that
list and imports a module when a name of it is used.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def exports_of(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for the package whose `__init__.py` is `file`.

    Its `if TYPE_CHECKING:` may hold nothing but `from module import name, ...`.
    """
    modules: dict[str, str] = {}
    for node in ast.parse(Path(file).read_bytes()).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for line in node.body:
                assert isinstance(line, ast.ImportFrom), f"{file}: only 'from module import name' may stand there"
                modules.update({alias.asname or alias.name: str(line.module) for alias in line.names})

    def find(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(modules[name]), name)
        setattr(sys.modules[package], name, value)  # so that it is asked for once
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return find, names
