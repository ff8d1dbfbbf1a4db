"""`python -m benchmarks.disentanglement`: latent spaces of several sizes and distributions, in the field's measures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

app = typer.Typer(add_completion=False)


@app.command()
def disentanglement(
    settings: Annotated[Path | None, typer.Option(help="YAML file of settings; see docs/latent-measures.md.")] = None,
    demo: Annotated[bool, typer.Option(help="A small study that shows that all works.")] = False,
    report: Annotated[bool, typer.Option(help="Only write table and plots of what is measured already.")] = False,
    only: Annotated[str | None, typer.Option(help="One GAN of the study, such as z100-normal-seed0.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of dSprites' or 3D Shapes' official file.")] = None,
    work: Annotated[Path | None, typer.Option(help="Folder of the GANs; by default runs/latent-measures.")] = None,
    results: Annotated[
        Path | None, typer.Option(help="Folder of the results; results, for --demo results/demo.")
    ] = None,
) -> None:
    """Train a GAN for every latent space and seed, and measure how its codes represent the images' factors."""
    from dcgan_features.benchmarks.disentanglement.settings import read_settings  # late: --help is quick
    from dcgan_features.benchmarks.disentanglement.study import chosen, measure_runs, write_report

    chosen_settings = read_settings(settings, demo)
    folder = results or Path("results/demo" if demo else "results")
    if not report:
        place = work or Path("runs/demo" if demo else "runs") / "latent-measures"
        measure_runs(chosen_settings, chosen(chosen_settings, only), data_root, place, folder)
    print(f"written: {write_report(folder, chosen_settings)}, .csv and .png")


if __name__ == "__main__":
    run(app)
