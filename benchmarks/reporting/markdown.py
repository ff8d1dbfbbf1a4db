"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from dcgan_features.benchmarks.reporting.escaping import markdown_text


def markdown_table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int | Collection[int] = 1
) -> list[str]:
    """The lines of a Markdown table, without padding: a figure that changes changes its own line alone.

    text_columns : the columns that are aligned to the left, or how many from the first one; figures, all others, are
    aligned to the right.
    """
    text = range(text_columns) if isinstance(text_columns, int) else text_columns
    rule = "|".join("---" if column in text else "---:" for column in range(len(headings)))
    return [_line(headings), f"|{rule}|", *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(markdown_text, cells))} |"
