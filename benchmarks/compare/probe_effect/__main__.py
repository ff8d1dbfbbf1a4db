"""`python -m benchmarks.compare.probe_effect`: how much of a comparison of features is due to the probe alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

app = typer.Typer(add_completion=False)


@app.command()
def probe_effect(
    study: Annotated[str, typer.Argument(help="The shipped study, or one of your own in YAML.")] = "probe-effect",
    only: Annotated[list[str] | None, typer.Option(help="This data set alone; repeatable.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the official data sets.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; by default a GPU if there is one.")] = None,
    rerun: Annotated[bool, typer.Option("--rerun", help="Measure again what is measured.")] = False,
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results"),
    store: Annotated[Path, typer.Option(help="Folder of features and trained networks.")] = Path("feature-store"),
) -> None:
    """Measure feature sets under several probes, and say what the probe alone changes; it goes on where it stopped."""
    from dcgan_features.benchmarks.compare.probe_effect.run import run_study  # late, as it imports PyTorch

    raise typer.Exit(run_study(study, only or [], data_root, device, not rerun, results, store))


if __name__ == "__main__":
    run(app)
