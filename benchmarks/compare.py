"""`python -m benchmarks.compare`: your own extractors beside the rows of a table, under its protocols."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import typer

import benchmarks

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(add_completion=False)


class _Callable(ModuleType):
    """Importing this module hides the function `benchmarks.compare`, so the module takes its place."""

    def __call__(self, *extractors: str, **options: Any) -> pd.DataFrame:
        return _function(*extractors, **options)


if not isinstance(benchmarks.compare, ModuleType):
    _function = benchmarks.compare
    sys.modules[__name__].__class__ = _Callable


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
    preset: Annotated[str | None, typer.Option(help="demo, quick (default) or paper.")] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(help="Which of them the others are compared with, repeatable; the table's rows by default."),
    ] = None,
    protocol: Annotated[list[str] | None, typer.Option(help="Only this protocol; repeatable.")] = None,
    curve: Annotated[bool, typer.Option("--curve", help="Also accuracy by number of labels.")] = False,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the official data sets.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; by default a GPU if there is one.")] = None,
    rerun: Annotated[bool, typer.Option("--rerun", help="Measure again what is measured.")] = False,
    results: Annotated[Path | None, typer.Option(help="Folder of the results; results, for demo results/demo.")] = None,
    store: Annotated[Path, typer.Option(help="Folder of features and trained networks.")] = Path("feature-store"),
) -> None:
    """Compare extractors: accuracy, paired tests, cost, and the images that only one gets right."""
    from benchmarks.comparison import run_comparison
    from benchmarks.comparison_files import write_comparison
    from benchmarks.comparison_text import print_comparison

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


def _shadowed() -> str | None:
    """A sentence where a file or package of the user's is imported in the place of one of this project's packages."""
    home = Path(__file__).resolve().parent.parent
    for name in ("data", "eval", "features", "gan"):
        found = importlib.util.find_spec(name)
        origin = None if found is None or found.origin is None else Path(found.origin).resolve()
        if origin is not None and not origin.is_relative_to(home / name):
            return f"{origin} takes the place of this project's package '{name}'; rename it, or run in another folder"
    return None


if __name__ == "__main__":
    if "--help" in sys.argv:
        app()  # needs none of the packages that take seconds to import
    if (sentence := _shadowed()) is not None:
        print(f"error: {sentence}", file=sys.stderr)
        sys.exit(2)

    from gan.command import run

    run(app)
