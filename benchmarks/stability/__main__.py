"""`python -m benchmarks.stability`: trainings that fail, what warns of it, and what prevents it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import progress, run
from dcgan_features.data.utils.errors import InputError

app = typer.Typer(add_completion=False)


@app.command()
def stability(
    study: Annotated[
        str, typer.Option(help="stability, stability-demo (synthetic images), or a study of your own in YAML.")
    ] = "stability",
    only: Annotated[list[str] | None, typer.Option(help="This condition alone; repeatable.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the official data sets.")] = None,
    rerun: Annotated[bool, typer.Option("--rerun", help="Measure again what is measured.")] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Train nothing: write the page of what is measured.")
    ] = False,
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results"),
    store: Annotated[Path, typer.Option(help="Folder in which networks are trained.")] = Path("feature-store"),
) -> None:
    """Train each condition with several seeds, watched, and score its snapshots; say what warned of which failure.

    A run that is measured is kept, one that was killed goes on where it was.
    """
    from dcgan_features.benchmarks.runner.executor import (
        check_writable,
    )  # late, as they import PyTorch: --help is quick
    from dcgan_features.benchmarks.stability.files import write_study
    from dcgan_features.benchmarks.stability.study import load_stability
    from dcgan_features.benchmarks.stability.trial import Material, measure_trial, read_trial, trial_key, trial_path
    from dcgan_features.data.download import chosen_root

    settings = load_stability(study)
    for name in only or []:
        settings.condition(name)
    folder = results / settings.name
    check_writable(folder)
    if not report:
        check_writable(store)
        material = Material.of(settings, chosen_root(data_root))
        wanted = list(settings.trials(only))
        with progress(len(wanted), settings.name) as advance:
            for condition, seed in wanted:
                path = trial_path(folder, condition, seed)
                kept = not rerun and path.exists()
                if not (kept and read_trial(path).key == trial_key(settings, condition, seed, material)):
                    measure_trial(settings, condition, seed, material, path, store / settings.name)
                advance(1, f"{condition.name}, seed {seed}")
    trials = [
        read_trial(path)
        for condition, seed in settings.trials()
        if (path := trial_path(folder, condition, seed)).exists()
    ]
    if not trials:
        raise InputError(f"{folder} holds no runs of {settings.name}")
    for line in write_study(results / settings.name, settings, trials):
        print(line)


if __name__ == "__main__":
    run(app)
