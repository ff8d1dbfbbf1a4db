"""Versions of what computed a result."""

from __future__ import annotations

import platform
from importlib import metadata


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of Python and of installed packages, by name; without any named, of torch and numpy."""
    return {
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in packages or ("torch", "numpy")},
    }
