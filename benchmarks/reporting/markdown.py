"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> list[str]:
    """The lines of a Markdown table; beyond the first `text_columns` columns, all are aligned to the right."""
    rule = "|".join("---" if column < text_columns else "---:" for column in range(len(headings)))
    return [_line(headings), f"|{rule}|", *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
