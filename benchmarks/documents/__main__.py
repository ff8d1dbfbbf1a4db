"""`python -m benchmarks.documents`: measured figures into README and docs, between marks, so that none is typed.

    <!-- results:TABLE ROW … -->
    (a table in Markdown, replaced)
    <!-- /results -->

ROW may hold wildcards; without one all rows are shown. Whatever else stands between the marks is kept.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.benchmarks.reporting.table import read_report, results_table
from dcgan_features.data.utils.cli import run
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import write_text

app = typer.Typer(add_completion=False)

_LEFT_OUT = ("Features", "Minutes")  # the page and results/ have them

_BLOCK = re.compile(r"(<!-- results:(\S+)([^\n]*?) -->\n)(?:\|[^\n]*\n)*(.*?<!-- /results -->)", re.S)


def filled(text: str, results: Path, name: str = "the text") -> str:
    """The text with every marked table replaced by what is measured.

    results : folder of the results. name : of the text, for messages.
    Raises `InputError` for a table that is not there and a row name that meets no row.
    """

    def table(block: re.Match[str]) -> str:
        path = results / f"{block[2]}.json"
        if not path.exists():
            raise InputError(f"{name} shows the table {block[2]}, but {path} is not there; measure it first")
        report = read_report(path)
        patterns = block[3].split() or ["*"]
        for pattern in patterns:
            if not any(fnmatchcase(row.name, pattern) for row in report.outline.rows):
                raise InputError(f"{name} shows the row {pattern}, which the table {block[2]} does not have; mend it")
        lines = [line for line in report.lines if any(fnmatchcase(line["row"], pattern) for pattern in patterns)]
        return block[1] + "\n".join(results_table(report.outline, lines, _LEFT_OUT)) + "\n" + block[4]

    return _BLOCK.sub(table, text)


@app.command()
def documents(
    files: Annotated[list[Path], typer.Argument(help="Markdown files to bring up to date.")],
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results"),
) -> None:
    """Put the measured figures into documents."""
    for path in files:
        if not path.is_file():
            raise InputError(f"there is no file {path}; name Markdown files")
        before = path.read_text(encoding="utf-8")
        after = filled(before, results, str(path))
        if after != before:
            write_text(path, after)
            print(f"written: {path}")


if __name__ == "__main__":
    run(app)
