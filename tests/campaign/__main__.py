"""`python -m tests.campaign`: thousands of damaged inputs for every reader, and kill -9 at random moments."""

from __future__ import annotations

import logging
import multiprocessing
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import torch
import typer

from dcgan_features.data.utils.cli import run
from dcgan_features.data.utils.files import write_text
from tests.campaign.readers import all_readers
from tests.campaign.trial import BAD, CLEAR, OTHER, SAME, Outcome, try_reader

app = typer.Typer(add_completion=False)
Found = dict[str, Outcome]


def try_all(folder: Path, inputs: int, seed: int, say: bool = False, share: tuple[int, int] = (0, 1)) -> Found:
    """Every reader, tried on about `inputs` damaged inputs in all; what came of it, by reader.

    share : which part of the readers, and of how many parts.
    """
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)  # of entries that are made again
    try:
        readers = sum(1 for _ in all_readers(folder / "counted"))
        found: Found = {}
        for number, reader in enumerate(all_readers(folder / "tried")):
            if number % share[1] != share[0]:
                continue
            begun = time.monotonic()
            found[reader.name] = try_reader(reader, -(-inputs // readers), random.Random(f"{seed} {reader.name}"))
            if say:
                took = time.monotonic() - begun
                print(f"{reader.name}: {dict(found[reader.name].counts)} in {took:.0f} s", file=sys.stderr, flush=True)
        return found
    finally:
        logging.disable(logging.NOTSET)


def try_in_processes(folder: Path, inputs: int, seed: int, processes: int) -> Found:
    """As `try_all`, the readers shared by so many processes."""
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        calls = [(folder / str(part), inputs, seed, True, (part, processes)) for part in range(processes)]
        parts = pool.starmap(try_all, calls)
    return {name: outcome for part in parts for name, outcome in part.items()}


def table(found: Found, seed: int) -> str:
    """The outcome as Markdown."""
    total = Outcome()
    for outcome in found.values():
        total.counts.update(outcome.counts)
    lines = [
        "# Damaged inputs",
        "",
        f"`python -m tests.campaign --seed {seed}`. Each input is a whole file with one damage: a bit, a byte, a part "
        "cut, doubled, zeroed or put in, another file, a pipe, a folder or a link in its place, and in text odd "
        "values, deep nesting, bytes that are no UTF-8, lines given twice, aliases that multiply.",
        "",
        "Clear: one sentence that names the file. The same: the damage changed nothing that is read, or what was "
        "damaged was made again. Accepted: a file of the user's says something else, which is recorded by its digest. "
        "Bad: a traceback, a hang, an explosion of memory, or a silent change of what is trained, measured or "
        "published.",
        "",
        "| reader | tried | clear | the same | accepted | bad |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, outcome in [*found.items(), ("in all", total)]:
        bad = sum(outcome.counts[kind] for kind in BAD)
        cells = (outcome.tried, outcome.counts[CLEAR], outcome.counts[SAME], outcome.counts[OTHER], bad)
        lines.append(f"| {name} | {' | '.join(f'{cell:,}' for cell in cells)} |")
    return "\n".join(lines) + "\n"


@app.command()
def campaign(
    inputs: Annotated[int, typer.Option(min=0, help="Damaged inputs, in all.")] = 13_000,
    kills: Annotated[int, typer.Option(min=0, help="kill -9 at random moments, in all.")] = 100,
    seed: Annotated[int, typer.Option(help="Decides every damage and every moment.")] = 0,
    processes: Annotated[int, typer.Option(min=1, help="That share the readers, and what is killed.")] = 2,
    out: Annotated[Path | None, typer.Option(help="Markdown file for the tables.")] = None,
) -> None:
    """Damage files, kill processes; say what came of it. Exit code 1 where anything ended badly."""
    from tests.campaign.kills import kill_all, kill_table

    parts, bad = [], []
    with tempfile.TemporaryDirectory() as folder:
        if inputs:
            found = try_in_processes(Path(folder), inputs, seed, processes)
            parts.append(table(found, seed))
            bad += [line for outcome in found.values() for line in outcome.seen]
        if kills:
            killed = kill_all(Path(folder) / "kills", kills, seed, processes=processes)
            parts.append(kill_table(killed))
            bad += [line for item in killed for line in item.wrong]
    text = "\n".join(parts)
    print(text)
    print("\n".join(bad[:200]), file=sys.stderr)
    if out is not None:
        write_text(out, text)
    raise typer.Exit(1 if bad else 0)


if __name__ == "__main__":
    run(app)
