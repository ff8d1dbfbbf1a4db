"""JSON: read strictly, and sealed, so that not one character of what this project wrote can change unnoticed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NoReturn

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import write_text
from dcgan_features.data.utils.raw import printable, read_text, reason_of

DEEPEST = 64  # lists and mappings inside one another
SEAL = "seal"  # the key of the digest over all others


def parse_json(
    text: str, where: object, remedy: str = "delete it or restore it from a copy", names: bool = False
) -> Any:
    """What a text in JSON says.

    where : the file, for messages, which `remedy` ends. names : whether text may hold the halves of characters by which
    Python writes names of files that are no UTF-8.
    Raises `InputError` for all that is no JSON or cannot be written as such again: a key that is given twice, numbers
    that are not finite or too long, values nested too deeply.
    """
    try:
        content = json.loads(text, object_pairs_hook=_mapping, parse_constant=_refuse, parse_float=_finite)
        if _depth(content) > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")
        if not names and "\\ud" in text.lower():
            json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        reason = "it holds half a character"
    except RecursionError:
        reason = f"it is nested more than {DEEPEST} deep"
    except ValueError as error:
        reason = reason_of(error)
    else:
        return content
    raise InputError(f"{printable(where)} is damaged: {reason}; {remedy}") from None


def read_json(path: Path | str, remedy: str = "delete it or restore it from a copy", names: bool = False) -> Any:
    """What a JSON file says; parameters and errors as `parse_json`, also for a file that cannot be read."""
    return parse_json(read_text(path), path, remedy, names)


def sealed(content: dict[str, Any]) -> dict[str, Any]:
    """The content, and under the key "seal" a SHA-256 of it, whatever its layout and order."""
    content = {key: value for key, value in content.items() if key != SEAL}
    return {**content, SEAL: _digest(content)}


def opened(
    content: Any, where: object, required: bool = True, remedy: str = "restore it from a copy"
) -> dict[str, Any]:
    """What was `sealed`, without its seal.

    required : whether what has no seal is refused; else it is taken as it is, for files from before there were seals.
    Raises `InputError`, naming `where`, for what is no mapping or was changed since.
    """
    if not isinstance(content, dict):
        raise InputError(f"{printable(where)} is damaged: it is no mapping; {remedy}")
    own = {key: value for key, value in content.items() if key != SEAL}
    if SEAL not in content and not required:
        return own
    if content.get(SEAL) != _digest(own):
        raise InputError(
            f"{printable(where)} is damaged or was changed since it was written (its seal is of another content); "
            f"{remedy}"
        )
    return own


def read_sealed(path: Path | str, remedy: str = "restore it from a copy", names: bool = False) -> dict[str, Any]:
    """What `write_sealed` wrote; errors as `read_json` and `opened`."""
    return opened(read_json(path, remedy, names), path, remedy=remedy)


def write_sealed(path: Path | str, content: dict[str, Any], indent: int | None = 2) -> None:
    """Write JSON-ready content with its seal, atomically. Not-a-number is refused with ValueError."""
    write_text(path, json.dumps(sealed(content), indent=indent, allow_nan=False) + "\n")


def _digest(content: dict[str, Any]) -> str:
    # Read back once: what JSON makes of tuples and of keys that are numbers is what is sealed.
    text = json.dumps(json.loads(json.dumps(content, allow_nan=False)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key '{printable(twice)}' is given twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value - value != 0:
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def _depth(content: Any) -> int:
    depth, level = 0, [content]
    while level and depth <= DEEPEST:
        depth += 1
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, dict | list)
        ]
    return depth
