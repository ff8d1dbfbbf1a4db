"""`python -m benchmarks.compare`: your own extractors beside the rows of a table, under its protocols."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def compare(
    extractors: Annotated[
        list[str],
        typer.Argument(
            help="What to compare: path.py:Class, package.module:Class, torchvision:resnet18, timm:resnet18, "
            "file:features.npz, or a row of the table such as dcgan. @layer after a module or model names the layer to "
            "read; settings follow after commas: mine.py:MyExtractor,width=64",
        ),
    ],
    table: Annotated[str, typer.Option(help="Name of the table, or a table of your own, in YAML.")] = "cifar10",
    preset: Annotated[str | None, typer.Option(help="default, small, from-scratch or demo.")] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(help="Which of them the others are compared with, repeatable; the table's rows by default."),
    ] = None,
    protocol: Annotated[list[str] | None, typer.Option(help="Only this protocol; repeatable.")] = None,
    curve: Annotated[bool, typer.Option("--curve", help="Also accuracy by number of labels.")] = False,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the official data sets.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; by default a GPU if there is one.")] = None,
    rerun: Annotated[bool, typer.Option("--rerun", help="Measure again what is measured.")] = False,
    results: Annotated[Path | None, typer.Option(help="Folder of the results; results, or results/PRESET.")] = None,
    store: Annotated[Path, typer.Option(help="Folder of features and trained networks.")] = Path("feature-store"),
) -> None:
    """Compare extractors: accuracy, paired tests, cost, and the images that only one gets right."""
    from dcgan_features.benchmarks.compare.files import write_comparison
    from dcgan_features.benchmarks.compare.run import run_comparison
    from dcgan_features.benchmarks.compare.text import print_comparison

    compared = run_comparison(
        extractors, table, preset, reference or [], protocol or [], data_root, device, results, store, not rerun, curve
    )
    if compared.contenders:
        files = write_comparison(compared)
        print_comparison(compared)
        print(f"written: {compared.folder}: {', '.join(files)}")
    for title, why in compared.failed.items():
        print(f"error: {title} is not measured: {why}", file=sys.stderr)
    if compared.failed:
        raise typer.Exit(2 if compared.bad_input else 1)


if __name__ == "__main__":
    if "--help" in sys.argv:
        app()  # needs none of the packages that take seconds to import
    from dcgan_features.data.utils.cli import run

    run(app)
