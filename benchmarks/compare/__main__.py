"""`python -m benchmarks.compare`: your own extractors, on your own pictures or beside the rows of a table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

app = typer.Typer(add_completion=False)

_DATA, _TABLE = "Your own pictures", "A table's images and protocols"


@app.command()
def compare(
    extractors: Annotated[
        list[str] | None,
        typer.Argument(
            help="What to compare: path.py:Class or path.py:object, package.module:Class, torchvision:resnet18, "
            "timm:resnet18, file:features.npz, a row of the table such as dcgan, results:FOLDER, predictions:FILE.npz. "
            "@layer after a module or model names the layer to read; settings follow after commas: "
            "mine.py:MyExtractor,width=64",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="A folder of class folders, with train and test or without; a CSV of path, label, split, group; "
            "torchvision:NAME; hf:NAME; or a named data set.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Bring all pictures to so many pixels.", rich_help_panel=_DATA)
    ] = None,
    fit: Annotated[str, typer.Option(help="How: crop, pad or stretch.", rich_help_panel=_DATA)] = "crop",
    limit: Annotated[
        int | None, typer.Option(help="At most so many training images, for a first look.", rich_help_panel=_DATA)
    ] = None,
    probe: Annotated[
        str | None, typer.Option(help="l2-svm, logistic, knn, knn-plain: several by commas.", rich_help_panel=_DATA)
    ] = None,
    C: Annotated[
        str | None, typer.Option("--C", help="Fix C, or choose among several, by commas.", rich_help_panel=_DATA)
    ] = None,
    k: Annotated[
        str | None, typer.Option("--k", help="Fix k, or choose among several, by commas.", rich_help_panel=_DATA)
    ] = None,
    standardise: Annotated[
        bool, typer.Option("--standardise", help="Give features mean 0 and sd 1 first.", rich_help_panel=_DATA)
    ] = False,
    save: Annotated[
        Path | None, typer.Option(help="Keep the fitted probes here, for benchmarks.predict.", rich_help_panel=_DATA)
    ] = None,
    suite: Annotated[
        Path | None,
        typer.Option(help="Data sets, extractors and probes in YAML: all with all.", rich_help_panel=_DATA),
    ] = None,
    table: Annotated[
        str, typer.Option(help="Name of the table, or a table of your own, in YAML.", rich_help_panel=_TABLE)
    ] = "cifar10",
    preset: Annotated[
        str | None, typer.Option(help="default, small, from-scratch or demo.", rich_help_panel=_TABLE)
    ] = None,
    protocol: Annotated[
        list[str] | None, typer.Option(help="Only this protocol; repeatable.", rich_help_panel=_TABLE)
    ] = None,
    curve: Annotated[
        bool, typer.Option("--curve", help="Also accuracy by number of labels.", rich_help_panel=_TABLE)
    ] = False,
    reference: Annotated[
        list[str] | None,
        typer.Option(help="Which of them the others are compared with, repeatable; the table's rows by default."),
    ] = None,
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
    from dcgan_features.data.utils.errors import InputError

    if suite is not None:
        from dcgan_features.benchmarks.compare.suite import run_suite

        if extractors or data:
            raise InputError("a suite names its own extractors and data; leave them out")
        raise typer.Exit(run_suite(suite, results or Path("results"), store, data_root, device, not rerun))
    given = extractors or []
    if data is None and probe is None and save is None:
        for name, value in (("--size", size), ("--C", C), ("--k", k), ("--limit", limit)):
            if value is not None:
                raise InputError(f"{name} goes with --data or --probe; give one of them, or leave it out")
        compared = run_comparison(
            given, table, preset, reference or [], protocol or [], data_root, device, results, store, not rerun, curve
        )
    else:
        from dcgan_features.benchmarks.compare.labelled import PROBES, Request, compare_labelled
        from dcgan_features.data.labelled.pictures import Form

        if curve or protocol:
            raise InputError(
                "--curve and --protocol go with a table's own protocols; leave them out with --data or --probe"
            )
        compared = compare_labelled(
            given,
            Request(
                data=data,
                form=Form(size, fit),  # type: ignore[arg-type]  # it checks it
                probes=_words(probe) or PROBES,
                Cs=_numbers("--C", C),
                ks=[int(value) if value == int(value) else value for value in _numbers("--k", k)],  # type: ignore[misc]
                standardised=standardise,
                limit=limit,
                table=table,
                preset=preset,
                references=reference or [],
                data_root=data_root,
                device=device,
                results=results or Path("results"),
                store=store,
                resume=not rerun,
                save=save,
            ),
        )
    if compared.candidates:
        files = write_comparison(compared)
        print_comparison(compared)
        print(f"written: {compared.folder}: {', '.join(files)}")
    for title, why in compared.failed.items():
        print(f"error: {title} is not measured: {why}", file=sys.stderr)
    if compared.failed:
        raise typer.Exit(2 if compared.bad_input else 1)


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _numbers(option: str, text: str | None) -> list[float]:
    from dcgan_features.data.utils.errors import InputError

    try:
        return [float(word) for word in _words(text)]
    except ValueError:
        raise InputError(f"{option} {text} is not a number or several, separated by commas; write them so") from None


if __name__ == "__main__":
    run(app)
