"""`python -m benchmarks.report`: measured results as Markdown, CSV, LaTeX and one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dcgan_features.data.utils.cli import run
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.files import write_text

if TYPE_CHECKING:  # what imports PyTorch is imported where it is needed, so that --help is quick
    from dcgan_features.benchmarks.reporting.diff import Change
    from dcgan_features.benchmarks.reporting.table import Report

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
    against: Annotated[Path | None, typer.Option(help="Folder of earlier results: say what changed since.")] = None,
) -> None:
    """Write Markdown, CSV, JSON, LaTeX and one HTML page of all results, and print the tables."""
    from dcgan_features.benchmarks.reporting.console import print_changes, print_table
    from dcgan_features.benchmarks.reporting.diff import markdown_of_changes
    from dcgan_features.benchmarks.reporting.html import make_page
    from dcgan_features.benchmarks.reporting.table import latex, read_report, write_table

    found = tables_in(results)
    for name in table or []:
        if name not in found:
            raise unknown_name("table", name, found, str(results))
    reports = [read_report(found[name]) for name in table or found]
    changes = None if against is None else _changes(reports, against)
    folder = out or results
    for item in reports:
        name = item.outline.name
        write_table(item.outline, item.results, folder, results)
        write_text(folder / f"{name}.tex", latex(item.outline, item.lines))
        print_table(item.outline, item.lines)
        print(f"written: {folder / name}.csv, .md, .json and .tex")
    if changes is not None:
        write_text(folder / "changes.md", markdown_of_changes(changes, str(against)))
        print_changes(changes)
        print(f"written: {folder / 'changes.md'}")
    write_text(folder / "report.html", make_page(reports, results, changes, str(against)))
    print(f"written: {folder / 'report.html'}")


def _changes(reports: list[Report], against: Path) -> list[Change]:
    """What changed since the results in `against`; tables that are not there are new."""
    from dcgan_features.benchmarks.reporting.diff import compare_reports
    from dcgan_features.benchmarks.reporting.table import Report, read_report

    earlier = tables_in(against)
    changes = []
    for item in reports:
        before = earlier.get(item.outline.name)
        former = read_report(before) if before is not None else Report(item.outline, {}, [], against)
        changes += compare_reports(former, item)
    return changes


if __name__ == "__main__":
    run(app)
