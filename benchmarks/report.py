"""`python -m benchmarks.report`: measured results as Markdown, CSV and LaTeX."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.render import latex, write_table
from benchmarks.results import read_outline, read_rows
from benchmarks.screen import print_table
from data.errors import InputError, unknown_name
from data.files import write_text
from gan.command import run

app = typer.Typer(add_completion=False)


def tables_in(folder: Path) -> dict[str, Path]:
    """The tables whose results lie in `folder`, by name. Raises `InputError` when there is none."""
    found = {path.stem: path for path in sorted(folder.glob("*.json")) if (folder / path.stem).is_dir()}
    if not found:
        raise InputError(f"{folder} holds no results; run python -m benchmarks.cifar10 first, or name another folder")
    return found


@app.command()
def report(
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results"),
    table: Annotated[list[str] | None, typer.Option(help="Report this table alone; repeatable.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write; by default beside the results.")] = None,
) -> None:
    """Write Markdown, CSV, JSON and LaTeX of all results, and print the tables."""
    found = tables_in(results)
    for name in table or []:
        if name not in found:
            raise unknown_name("table", name, found, str(results))
    for name in table or found:
        outline = read_outline(found[name])
        measured = read_rows(results, outline)
        folder = out or results
        lines = write_table(outline, measured, folder)
        write_text(folder / f"{name}.tex", latex(outline, lines))
        print_table(outline, lines)
        print(f"written: {folder / name}.csv, .md, .json and .tex")


if __name__ == "__main__":
    run(app)
