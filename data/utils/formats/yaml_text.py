"""YAML as people write it: no key twice, nothing that JSON could not say, and nothing that grows when it is read."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import yaml

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.raw import printable, read_text, reason_of

DEEPEST = 32  # lists and mappings inside one another
MOST = 100_000  # values, those that aliases repeat counted each time
MOST_BYTES = 2**20
_MERGE, _TIMESTAMP = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:timestamp"


class _Loader(yaml.SafeLoader):
    """YAML 1.2's numbers: plain YAML 1.1 reads 1e-4 as a word; and dates are words, which may be no day of any year."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = []
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key.tag == _MERGE:
                continue
            name = self.construct_object(key, deep=True)
            if name in seen:
                raise ValueError(f"the key '{name}' is given twice, again in line {key.start_mark.line + 1}")
            seen.append(name)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
)


def parse_yaml(text: str) -> Any:
    """What a text in YAML says, such as 64, 1e-4, [1, 2] or true: what JSON could say as well.

    Raises ValueError for all else: no YAML, a key given twice, a number that is not finite or too long, values nested
    too deeply, or too many once aliases are followed.
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _check_size(node)
            content = loader.construct_document(node)
        finally:
            loader.dispose()
    except RecursionError:
        raise ValueError(f"it is nested more than {DEEPEST} deep") from None
    except Exception as error:  # besides its own errors, whatever int, float and dates think of a value
        raise ValueError(reason_of(error)) from None
    _check_plain(content)
    return content


def read_yaml(path: Path | str, what: str) -> dict[str, Any]:
    """What a YAML file says, unchecked; an empty one says nothing.

    what : the kind of file, for messages: "table". Raises `InputError` when it is missing, is not YAML as `parse_yaml`
    takes it, or holds anything but keys with values.
    """
    try:
        text = read_text(path, MOST_BYTES)
    except InputError as error:
        raise InputError(f"cannot read the {what} {error}") from None
    try:
        content = parse_yaml(text)
    except ValueError as error:
        raise InputError(f"the {what} {printable(path)} is not YAML: {error}") from None
    if content is not None and not isinstance(content, dict):
        raise InputError(f"the {what} {printable(path)} holds no 'key: value' lines")
    return content or {}


def _check_size(root: yaml.Node) -> None:
    """Raise ValueError where aliases lead in a circle, or multiply values beyond all use."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        known = sizes.get(id(node))
        if known == 0:
            raise ValueError("an alias leads in a circle")
        if known is None:
            sizes[id(node)] = 0
            parts = [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
            inner = sum(map(size, parts)) if isinstance(node, yaml.CollectionNode) else 0
            known = sizes[id(node)] = 1 + inner
            if known > MOST:
                raise ValueError(f"it holds more than {MOST:,} values, aliases followed")
        return known

    size(root)


def _check_plain(content: Any) -> None:
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            odd = [key for key in value if not isinstance(key, str | int | float | bool | None)]
            if odd:
                raise ValueError(f"the key {odd[0]!r} is no text or number")
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{value} is not a finite number")
        elif value is not None and not isinstance(value, str | int | float | bool):
            raise ValueError(f"a {type(value).__name__} is nothing that JSON could say; write text or a number")
        elif isinstance(value, int) and abs(value) >= 2**63:
            raise ValueError(f"the number {str(value)[:20]}... is too large")
        elif isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("it holds half a character")
