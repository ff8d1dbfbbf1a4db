"""`python -m benchmarks.overlap search` and `scores`: test images in corpora, and figures without them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command()
def search(
    only: Annotated[list[str] | None, typer.Option(help="CORPUS-for-TEST of this search alone; repeatable.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the official data sets.")] = None,
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results"),
) -> None:
    """Search every corpus for every table's test images; write what was found, with pictures, and the lists."""
    from dcgan_features.benchmarks.overlap.files import search_pair, write_page
    from dcgan_features.benchmarks.overlap.study import load_overlap, read_found, write_lists

    study = load_overlap()
    for pair in study.chosen(only or []):
        hits = search_pair(pair, data_root, results).hits
        typer.echo(f"{pair.name}: {len(hits):,} pairs, {len({hit.image for hit in hits}):,} images left out")
    all_found = [found for pair in study.pairs if (found := read_found(results, pair)) is not None]
    searched = {found.pair.name for found in all_found}
    whole = {pair.corpus for pair in study.pairs} - {pair.corpus for pair in study.pairs if pair.name not in searched}
    for path in write_lists([found for found in all_found if found.pair.corpus in whole]):
        typer.echo(f"written: {path}; networks trained before are of another corpus now")
    typer.echo(f"written: {write_page(study, all_found, results)}")


@app.command()
def scores(
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results"),
) -> None:
    """Recompute every measured row's figures without the test images that are near-duplicates of training images."""
    from dcgan_features.benchmarks.overlap.scores import score_all, write_scores
    from dcgan_features.benchmarks.overlap.study import load_overlap

    study = load_overlap()
    for path in write_scores(score_all(study, results), results):
        typer.echo(f"written: {path}")


if __name__ == "__main__":
    run(app)
