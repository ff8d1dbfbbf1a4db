"""Packages whose classes are imported when they are first asked for.

A package lists its exports once, as imports under `if TYPE_CHECKING:`, where mypy and editors find them. Instead of
importing everything, and so PyTorch, networks and drawing for a class that needs none of it, `exports_of` reads that
list and imports a module when a name of it is used.
"""

from __future__ import annotations

import ast
import contextlib
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
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


class _Later(ModuleType):
    """Takes a module's place while others are imported that only name it; imports it when something of it is used."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


@contextlib.contextmanager
def put_off(*names: str) -> Iterator[None]:
    """Inside, importing these modules costs nothing; they are imported when something of them is used.

    For what other packages import on the way and hardly use. Afterwards `sys.modules` is as if they had not been
    imported, so that nobody else meets the substitutes; modules that are not installed stay so.
    """
    substitutes = {}
    for name in names:
        if name not in sys.modules and (spec := _spec(name)) is not None:
            substitutes[name] = sys.modules[name] = _Later(name)
            substitutes[name].__spec__ = spec
    try:
        yield
    finally:
        for name, substitute in substitutes.items():
            if sys.modules.get(name) is substitute:
                del sys.modules[name]


def _spec(name: str) -> ModuleSpec | None:
    try:
        return find_spec(name)
    except ImportError:  # nor is the package that it is part of
        return None


def import_scikit_learn() -> None:
    """Import scikit-learn's base without pandas and SciPy's statistics, which it imports with it and does not use.

    They take two thirds of the time. Where scikit-learn has been imported already, nothing happens.
    """
    if "sklearn.base" not in sys.modules:
        with put_off("pandas", "scipy.stats"):
            import_module("sklearn.base")
