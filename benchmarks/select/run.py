"""Measuring the candidates of a selection, and writing which is best by how much."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from dcgan_features.benchmarks.config.images import load_dataset
from dcgan_features.benchmarks.records.environment import describe_device, environment, peak_gib
from dcgan_features.benchmarks.runner.executor import check_writable
from dcgan_features.benchmarks.select.extractors import measure_extractors
from dcgan_features.benchmarks.select.files import write_selection
from dcgan_features.benchmarks.select.kept import KeptFits
from dcgan_features.benchmarks.select.measure import compare_all, compute_sources, measure, split_images
from dcgan_features.benchmarks.select.study import PREFIX, ExtractorStudy, load_selection
from dcgan_features.data.download import chosen_root
from dcgan_features.data.utils.errors import unknown_name
from dcgan_features.data.utils.hashing import array_digest


def run_selection(name: str, only: list[str] | None, data_root: Path | None, store: Path, results: Path) -> None:
    """Measure the candidates; parameters are those of the command."""
    study = load_selection(name)
    for wanted in only or []:
        if wanted not in [candidate.name for candidate in study.candidates]:
            raise unknown_name("candidate", wanted, [candidate.name for candidate in study.candidates], study.name)
    study = study.model_copy(
        update={"candidates": [item for item in study.candidates if not only or item.name in only]}
    )
    check_writable(store)
    check_writable(results)
    begun = time.perf_counter()
    root = chosen_root(data_root)
    dataset = load_dataset(study.dataset, root)
    split = split_images(study, dataset.train_labels, dataset.train_groups)
    labels = dataset.train_labels[split.images]
    drawn = array_digest(split.images, split.fitted_on, split.evaluated, *split.draws)
    kept = KeptFits(store / "selections", [dataset.digest, drawn, study.Cs])
    if isinstance(study, ExtractorStudy):
        measured = measure_extractors(study, dataset, split, store, root, kept, _say)
    else:
        wanted_sources = {
            name for candidate in study.candidates for block in candidate.blocks for name in block.sources
        }
        names = [source for source in study.sources if source in wanted_sources]
        sources = compute_sources(study, names, dataset, split, store, root, _say)
        measured = measure(study, study.candidates, sources, split, labels, kept, _say)
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
