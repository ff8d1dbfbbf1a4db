"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dcgan_features.benchmarks.reporting.escaping import markdown_text


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> list[str]:
    """The lines of a Markdown table; beyond the first `text_columns` columns, all are aligned to the right."""
    rule = "|".join("---" if column < text_columns else "---:" for column in range(len(headings)))
    return [_line(headings), f"|{rule}|", *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(markdown_text, cells))} |"
