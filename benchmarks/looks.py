"""`python -m benchmarks.looks`: each time that a row was measured on the test set, from the history of git."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from dcgan_features.data.utils.cli import run
from dcgan_features.data.utils.errors import InputError

app = typer.Typer(add_completion=False)

_EXPLANATION = (
    "Every measurement of a row that was ever committed, by whichever name: the times at which somebody could have "
    "chosen by the test set. Made from the history by `python -m benchmarks.looks`; what was measured and never "
    "committed is not in it. Rows are not chosen by these figures; what was chosen, on training images, stands in the "
    "tables of `python -m benchmarks.select`."
)


@dataclass(frozen=True)
class Look:
    """One measurement. finished : when. commit : of the code; figures : the measured ones by protocol, in percent."""

    finished: str
    table: str
    row: str
    preset: str
    commit: str
    figures: str


def looks_in(repository: Path, folder: str = "results") -> list[Look]:
    """All measurements of rows in a folder's history, in the order of time, each once, by the row's last name.

    Raises `InputError` where the folder is in no clone, or in one without its history.
    """
    try:
        shallow = _git(repository, "rev-parse", "--is-shallow-repository").strip()
        changes = _git(repository, "log", "-m", "--raw", "--no-abbrev", "--no-renames", "--format=", "--", folder)
    except (OSError, subprocess.CalledProcessError):
        raise InputError(f"{repository} is no clone of git; make the log of looks in one") from None
    if shallow == "true":
        raise InputError(f"{repository} has not its whole history; run git fetch --unshallow")
    blobs = {
        fields[0].split()[3]
        for line in changes.splitlines()
        if (fields := line.split("\t"))[-1].endswith(".json") and fields[-1].count("/") >= 2
    }
    found: dict[tuple[str, str, str], Look] = {}
    for content in _contents(repository, sorted(blobs)):
        look = _look(content)
        if look is None:
            continue
        now = (repository / folder / look.table / f"{look.row}.json").exists()
        key = (look.finished, look.table, look.figures)  # the same under an earlier name
        if now or key not in found:
            found[key] = look
    return sorted(found.values(), key=lambda look: (look.finished, look.table, look.row))


def _git(repository: Path, *arguments: str) -> str:
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _contents(repository: Path, blobs: Sequence[str]) -> Iterator[Any]:
    """What the JSON files of that content say; others are passed over."""
    command = ["git", "-C", str(repository), "cat-file", "--batch"]
    wanted = "".join(f"{blob}\n" for blob in blobs if set(blob) != {"0"}).encode()
    answer = subprocess.run(command, capture_output=True, check=True, input=wanted).stdout
    place = 0
    while place < len(answer):
        end = answer.index(b"\n", place)
        size = int(answer[place:end].split()[2])
        with contextlib.suppress(ValueError):
            yield json.loads(answer[end + 1 : end + 1 + size])
        place = end + size + 2


def _look(content: Any) -> Look | None:
    if not isinstance(content, dict) or not {"table", "row", "protocols", "finished"} <= set(content):
        return None
    figures = [
        f"{name} {found['measured']:.2f}"
        for name, found in content["protocols"].items()
        if found.get("scored_on", "test") == "test"
    ]
    if not figures or content.get("stand_in"):
        return None
    finished, table, row = (str(content[name]) for name in ("finished", "table", "row"))
    preset, commit = (str(content.get(name) or "") for name in ("preset", "commit"))
    return Look(finished, table, row, preset, commit, "; ".join(figures))


@app.command()
def looks(
    results: Annotated[Path, typer.Option(help="Folder of the results, in a clone.")] = Path("results"),
) -> None:
    """Write the log of looks at the test sets, `looks.csv` and `looks.md`, from the history of git."""
    from dataclasses import asdict, fields

    from dcgan_features.benchmarks.records.rows import write_csv
    from dcgan_features.benchmarks.reporting.markdown import markdown_table
    from dcgan_features.data.utils.files import write_text

    found = looks_in(results.resolve().parent, results.name)
    write_csv(results / "looks.csv", [asdict(look) for look in found], [field.name for field in fields(Look)])
    by_row: dict[tuple[str, str], list[Look]] = {}
    for look in found:
        by_row.setdefault((look.table, look.row), []).append(look)
    cells = [
        [table, row, str(len(own)), own[0].finished[:10], own[-1].finished[:10]]
        for (table, row), own in sorted(by_row.items())
    ]
    headings = ["Table", "Row", "Measured", "First", "Last"]
    text = ["# Looks at the test sets", "", _EXPLANATION, "", *markdown_table(headings, cells, (0, 1, 3, 4))]
    write_text(results / "looks.md", "\n".join(text) + "\n")
    typer.echo(f"{len(found):,} measurements of {len(by_row):,} rows; written: {results / 'looks'}.csv and .md")


if __name__ == "__main__":
    run(app)
