"""Text of tables and of their users, put into Markdown and pictures so that it stays text."""

from __future__ import annotations

from dcgan_features.data.utils.raw import printable

_MARKDOWN = {"\\": "&#92;", "|": "\\|", "<": "&lt;", ">": "&gt;", "[": "\\[", "]": "\\]", "`": "\\`"}


def one_line(text: str) -> str:
    """The text on a single line; what is no space and cannot be printed is written out."""
    return " ".join(printable(part) for part in text.split())


def markdown_text(text: str) -> str:
    """Text on one line that Markdown shows as it stands: no table, link, picture, list or HTML can begin in it."""
    escaped = "".join(_MARKDOWN.get(character, character) for character in one_line(text))
    return f"\\{escaped}" if escaped[:1] in ("#", "-", "+", "*") and escaped[1:2] in ("", " ", "#", "-") else escaped


def figure_text(text: str) -> str:
    """Text on one line that matplotlib draws as it stands: a dollar sign begins no formula."""
    return one_line(text).replace("$", "\\$")
