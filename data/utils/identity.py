"""Names that classes keep wherever their files lie.

Results and stored features are found again by digests into which the names of classes go: were those read off the
files, moving one would make every result stale. `known_as` writes a class's name down where the class is defined.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

PACKAGE = "dcgan_features"
_ATTRIBUTE = "_known_as"

Class = TypeVar("Class", bound=type)


def known_as(name: str) -> Callable[[Class], Class]:
    """A decorator, after which `name_of` gives the class `name`; subclasses do not inherit it."""

    def decorate(kind: Class) -> Class:
        setattr(kind, _ATTRIBUTE, name)
        return kind

    return decorate


def name_of(kind: type) -> str:
    """The name that a class is known as, or else its module, without this project's own prefix, and its name there."""
    kept = vars(kind).get(_ATTRIBUTE)
    return kept if isinstance(kept, str) else f"{kind.__module__.removeprefix(f'{PACKAGE}.')}.{kind.__qualname__}"


def is_ours(kind: type) -> bool:
    """Whether a class is one of this project's."""
    return kind.__module__.split(".")[0] == PACKAGE
