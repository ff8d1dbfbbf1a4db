"""`python -m benchmarks.select NAME`: choose features on training images alone, and write down by what."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import torch
import typer

from dcgan_features.benchmarks.config.images import load_dataset
from dcgan_features.benchmarks.records.environment import describe_device, environment, peak_gib
from dcgan_features.benchmarks.runner.executor import check_writable
from dcgan_features.benchmarks.select.files import write_selection
from dcgan_features.benchmarks.select.measure import compare_all, compute_sources, measure, split_images
from dcgan_features.benchmarks.select.study import PREFIX, load_selection
from dcgan_features.data.download import chosen_root
from dcgan_features.data.utils.cli import run
from dcgan_features.data.utils.errors import unknown_name

app = typer.Typer(add_completion=False)


@app.command()
def select(
    name: Annotated[str, typer.Argument(help="A selection: second-order, or a YAML file of your own.")],
    only: Annotated[list[str] | None, typer.Option(help="This candidate alone; repeatable. Writes nothing.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the official data sets.")] = None,
    store: Annotated[Path, typer.Option(help="Folder of features.")] = Path("feature-store"),
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results"),
) -> None:
    """Measure the candidates of a selection on training images and compare them in pairs."""
    study = load_selection(name)
    for wanted in only or []:
        if wanted not in [candidate.name for candidate in study.candidates]:
            raise unknown_name("candidate", wanted, [candidate.name for candidate in study.candidates], study.name)
    candidates = [candidate for candidate in study.candidates if not only or candidate.name in only]
    check_writable(store)
    check_writable(results)
    begun = time.perf_counter()
    root = chosen_root(data_root)
    dataset = load_dataset(study.dataset, root)
    split = split_images(study, dataset.train_labels)
    names = [
        source
        for source in study.sources
        if any(source in block.sources for candidate in candidates for block in candidate.blocks)
    ]
    sources = compute_sources(study, names, dataset, split, store, root, _say)
    labels = dataset.train_labels[split.images]
    measured = measure(study, candidates, sources, split, labels, _say)
    pairs = compare_all(measured, labels[split.evaluated])
    for item in measured:
        pair = pairs.get(item.candidate.name)
        _say(f"{item.mean:6.2f}  {item.candidate.title}" + ("" if pair is None else f" ({pair.difference:+.2f})"))
    if only:
        return
    about = {
        "data": dataset.title,
        "stand_in": dataset.stand_in,
        "data_digest": dataset.digest,
        "seconds": round(time.perf_counter() - begun, 1),
        "peak_gib": round(peak_gib(), 2),
        "device": describe_device(torch.device("cpu")),
        **environment(),
    }
    stem = results / f"{PREFIX}{study.name}"
    write_selection(stem, study, measured, pairs, about)
    _say(f"written: {stem}.json and .md")


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    run(app)
