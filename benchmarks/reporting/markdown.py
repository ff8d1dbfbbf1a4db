"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dcgan_features.data.utils.raw import printable

_ESCAPED = {"|": "\\|", "<": "&lt;", ">": "&gt;", "[": "\\[", "]": "\\]", "`": "\\`"}


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> list[str]:
    """The lines of a Markdown table; beyond the first `text_columns` columns, all are aligned to the right."""
    rule = "|".join("---" if column < text_columns else "---:" for column in range(len(headings)))
    return [_line(headings), f"|{rule}|", *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(markdown_text, cells))} |"


def markdown_text(text: str) -> str:
    """Text on one line that Markdown shows as it stands: no table, link, picture or HTML can begin in it."""
    line = " ".join(printable(part) for part in text.split())
    escaped = "".join(_ESCAPED.get(character, character) for character in line)
    return f"\\{escaped}" if escaped[:1] in ("#", "-", "+", ">") and escaped[1:2] in ("", " ", "#", "-") else escaped
