"""`python -m benchmarks.video`: Moving MNIST, what a DCGAN predicts and what its discriminator knows of motion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

app = typer.Typer(add_completion=False)


@app.command()
def video(
    preset: Annotated[str | None, typer.Option(help="default, or demo (synthetic shapes, minutes).")] = None,
    study: Annotated[str, typer.Option(help="The shipped study, or one of your own in YAML.")] = "moving-mnist",
    data_root: Annotated[Path | None, typer.Option(help="Folder of the official data sets.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; by default a GPU if there is one.")] = None,
    rerun: Annotated[bool, typer.Option("--rerun", help="Measure again what is measured.")] = False,
    results: Annotated[
        Path | None, typer.Option(help="Folder of the results; results/video, or results/video/PRESET.")
    ] = None,
    store: Annotated[Path, typer.Option(help="Folder of trained networks.")] = Path("feature-store"),
) -> None:
    """Train frame predictors, measure them beside the last frame copied, and probe their discriminators.

    Trainings go on where they were when the same command is run again.
    """
    from dcgan_features.benchmarks.config.schema import DEFAULT_PRESET  # late: --help is quick
    from dcgan_features.benchmarks.runner.executor import check_writable
    from dcgan_features.benchmarks.video.settings import load_study
    from dcgan_features.benchmarks.video.study import Measurement
    from dcgan_features.data.utils.devices import device_option

    settings = load_study(study)
    name, chosen = settings.preset(preset)
    folder = results or Path("results", "video", "" if name == DEFAULT_PRESET else name)
    check_writable(folder)
    check_writable(store)
    measurement = Measurement(settings, name, chosen, data_root, device_option(device), store / "video" / name)
    measurement.train()
    print(measurement.finish(folder / settings.name, rerun), flush=True)


if __name__ == "__main__":
    run(app)
