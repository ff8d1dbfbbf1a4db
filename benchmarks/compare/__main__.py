"""`python -m benchmarks.compare`: your own extractors, on your own pictures or beside the rows of a table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from dcgan_features.data.utils.cli import run
from dcgan_features.data.utils.errors import InputError

app = typer.Typer(add_completion=False)

_MOVED = {
    "--fit": "fit=pad", "--C": "C=0.1", "--k": "k=10", "--standardise": "standardise", "--protocol": "protocol=NAME",
    "--curve": "curve", "--reference": "reference=NAME",
}  # fmt: skip
_DATA, _TABLE = "Your own pictures", "A table's images and protocols"


class _Command(typer.core.TyperCommand):
    """Says of options that became settings what to write instead."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for word in args:
            name = word.partition("=")[0]
            if name in _MOVED:
                raise InputError(f"{name} is a setting now; write --set {_MOVED[name]}")
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


@app.command(cls=_Command)
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
    limit: Annotated[
        int | None, typer.Option(help="At most so many training images, for a first look.", rich_help_panel=_DATA)
    ] = None,
    probe: Annotated[
        str | None,
        typer.Option(help="l2-svm, logistic, knn, knn-plain, sgd: several by commas.", rich_help_panel=_DATA),
    ] = None,
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
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A setting, repeatable: fit=pad, C=0.1, k=1,5,10, rate=0.1, standardise, label_noise=0.2, "
            "test_limit=all, labelled=400, seed=1, reference=NAME, protocol=NAME, curve; or a YAML file of them.",
        ),
    ] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the official data sets.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; by default a GPU if there is one.")] = None,
    rerun: Annotated[bool, typer.Option("--rerun", help="Measure again what is measured.")] = False,
    results: Annotated[Path | None, typer.Option(help="Folder of the results; results, or results/PRESET.")] = None,
    store: Annotated[Path, typer.Option(help="Folder of features and trained networks.")] = Path("feature-store"),
) -> None:
    """Compare extractors: accuracy, paired tests, cost, and the images that only one gets right."""
    from dcgan_features.benchmarks.compare.files import write_comparison
    from dcgan_features.benchmarks.compare.labelled import PROBES, Request, check_without_probes, compare_labelled
    from dcgan_features.benchmarks.compare.run import run_comparison
    from dcgan_features.benchmarks.compare.settings import read_settings
    from dcgan_features.benchmarks.compare.text import print_comparison
    from dcgan_features.benchmarks.runner.dry_run import size_of
    from dcgan_features.data.labelled.multi import is_multi_label

    if suite is not None:
        from dcgan_features.benchmarks.compare.suite import run_suite

        if extractors or data or settings:
            raise InputError("a suite names its own extractors, data and settings; leave them out")
        raise typer.Exit(run_suite(suite, results or Path("results"), store, data_root, device, not rerun))
    given, own = extractors or [], read_settings(settings or [])
    request = Request(
        data=data,
        size=size,
        limit=limit,
        probes=[word.strip() for word in (probe or "").split(",") if word.strip()] or PROBES,
        settings=own,
        table=table,
        preset=preset,
        data_root=data_root,
        device=device,
        results=results or Path("results"),
        store=store,
        resume=not rerun,
        save=save,
    )
    if is_multi_label(data):
        from dcgan_features.benchmarks.compare.multi_label import compare_list

        compare_list(given, request)
        return
    if data is None and probe is None and save is None:
        check_without_probes(request)
        compared = run_comparison(
            given, table, preset, own.reference, own.protocol, data_root, device, results, store, not rerun, own.curve
        )
    else:
        compared = compare_labelled(given, request)
    if compared.candidates:
        files = write_comparison(compared)
        print_comparison(compared)
        print(f"written: {compared.folder}: {', '.join(files)}")
        print(f"features and trained networks: {size_of(store)} in {store}")
    for title, why in compared.failed.items():
        print(f"error: {title} is not measured: {why}", file=sys.stderr)
    if compared.failed:
        raise typer.Exit(2 if compared.bad_input else 1)


if __name__ == "__main__":
    run(app)
