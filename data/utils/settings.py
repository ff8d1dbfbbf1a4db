"""Settings and results that pydantic checks: what is wrong with them is said in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


def first_mistake(error: ValidationError, whole: str = "the file") -> str:
    """Return the first of the mistakes that pydantic found, as "key: what is wrong (not what was given)".

    whole : what to call a mistake that is not of one key. The caller says in which file, and what to do.
    """
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"])) or whole
    reason = first["msg"].removeprefix("Value error, ")
    given = first["input"]
    shown = "" if isinstance(given, dict | list) else f" (not {given!r})"
    return f"{key}: {reason[:1].lower()}{reason[1:]}{shown}"
