"""Ways to damage a file, all drawn from one seeded generator."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

Damage = Callable[[bytes, random.Random], bytes]


def one_bit(content: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << draw.randrange(8)]) + content[place + 1 :]


def one_early_bit(content: bytes, draw: random.Random) -> bytes:
    """Where headers lie."""
    head = min(len(content), 160)
    return one_bit(content[:head], draw) + content[head:]


def one_late_bit(content: bytes, draw: random.Random) -> bytes:
    """Where directories of archives lie."""
    tail = min(len(content), 160)
    return content[:-tail] + one_bit(content[-tail:], draw)


def one_byte(content: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(content))
    return content[:place] + bytes([draw.randrange(256)]) + content[place + 1 :]


def cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content))]


def without_a_part(content: bytes, draw: random.Random) -> bytes:
    first, last = sorted(draw.randrange(len(content) + 1) for _ in range(2))
    return content[:first] + content[min(last, first + 64) :]


def twice_a_part(content: bytes, draw: random.Random) -> bytes:
    first = draw.randrange(len(content))
    last = first + draw.randrange(1, 64)
    return content[:last] + content[first:last] + content[last:]


def zeroed(content: bytes, draw: random.Random) -> bytes:
    first = draw.randrange(len(content))
    count = min(draw.randrange(1, 64), len(content) - first)
    return content[:first] + bytes(count) + content[first + count :]


def noise_inside(content: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(content))
    return content[:place] + draw.randbytes(draw.randrange(1, 16)) + content[place:]


def more_behind(content: bytes, draw: random.Random) -> bytes:
    return content + draw.randbytes(draw.randrange(1, 64))


def something_else(content: bytes, draw: random.Random) -> bytes:
    """Another file altogether."""
    return draw.choice(
        [b"", b"\n", b"null", b"[]", b"{}", b"0", b"words", b"\x80\x04N.", b"PK\x05\x06" + bytes(18),
         b"\x89PNG\r\n\x1a\n", b"\x93NUMPY", b"\x93NUMPY\x01\x00v\x00{", bytes(64), b"\xff\xfe{}", draw.randbytes(200)]
    )  # fmt: skip


def odd_value(content: bytes, draw: random.Random) -> bytes:
    """A number, word or bracket of a text replaced by what no reader expects."""
    values = [
        "null", "true", "-1", "0", "1e999", "NaN", "Infinity", "-0.0", "1" * 5000, "0x10", "[]", "{}", "[" * 3000,
        "{" * 3000,
        '"\\ud800"', '"\x00"', "2001-13-45", "!!int foo", "!!float x", "!!python/object:os.system x", "!!binary eA==",
        "!!set {a, b}", ".inf", "1:30", "~", "&a [*a, *a]", "*b", '""', "9" * 19, "1_000", "\u2028", "<<: {a: 1}",
    ]  # fmt: skip
    places = list(re.finditer(rb"[-+\w.]+|\"[^\"]*\"", content))
    if not places:
        return one_bit(content, draw)
    place = draw.choice(places)
    return content[: place.start()] + draw.choice(values).encode("utf-8", "surrogatepass") + content[place.end() :]


def line_twice(content: bytes, draw: random.Random) -> bytes:
    lines = content.split(b"\n")
    place = draw.randrange(len(lines))
    return b"\n".join([*lines[: place + 1], *lines[place:]])


def not_text(content: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(content) + 1)
    return content[:place] + draw.choice([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x00", b"\x1b[2J"]) + content[place:]


def anchor_bomb(content: bytes, draw: random.Random) -> bytes:
    """Nine levels of nine aliases each, in front of a YAML text."""
    levels = ["bomb0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"bomb{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, draw.randrange(4, 10))]
    return "\n".join(levels).encode() + b"\n" + content


def other_leaf(content: bytes, draw: random.Random) -> bytes:
    """A value, or a key, of a JSON replaced, removed or nested, with the text otherwise as it was."""
    try:
        value = json.loads(content)
    except ValueError:
        return odd_value(content, draw)
    places = list(_places(value))
    if not places:
        return something_else(content, draw)
    holder, key = draw.choice(places)
    before = holder[key]
    kind = draw.randrange(6)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(before, int | float) and not isinstance(before, bool):
        holder[key] = before + draw.choice([1, -1, 0.5, 1e-3, 1e9, -before])
    elif kind == 2:
        holder[key] = [before]
    elif kind == 3 and isinstance(before, str) and before:
        place = draw.randrange(len(before))
        holder[key] = before[:place] + chr(ord(before[place]) ^ 1) + before[place + 1 :]
    elif kind == 4:
        for _ in range(draw.choice([3, 70, 900])):
            before = {"a": before}
        holder[key] = before
    else:
        holder[key] = draw.choice([None, True, -1, 0, "", "x", [], {}, 1e308, 10**30])
    return json.dumps(value, indent=2).encode()


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        item = waiting.pop()
        keys = list(item) if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ()
        for key in keys:
            found.append((item, key))
            waiting.append(item[key])
    return found


BYTES: tuple[Damage, ...] = (
    one_bit, one_early_bit, one_late_bit, one_byte, cut, without_a_part, twice_a_part, zeroed, noise_inside,
    more_behind, something_else,
)  # fmt: skip
TEXT: tuple[Damage, ...] = (*BYTES, odd_value, odd_value, line_twice, not_text)
JSON: tuple[Damage, ...] = (*TEXT, other_leaf, other_leaf, other_leaf)
YAML: tuple[Damage, ...] = (*TEXT, anchor_bomb)


def no_file(path: Path, draw: random.Random) -> None:
    """In place of a file nothing, a folder, a pipe, or a link that leads nowhere or in a circle."""
    path.unlink()
    kind = draw.randrange(5)
    if kind == 1:
        path.mkdir()
    elif kind == 2:
        os.mkfifo(path)
    elif kind == 3:
        path.symlink_to(path.parent / "gone")
    elif kind == 4:
        path.symlink_to(path)


def remove(path: Path) -> None:
    """Make way for a file, whatever is there."""
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
