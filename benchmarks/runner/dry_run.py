"""What a run would do, without doing any of it: what is cached, the disk that it needs and the time."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcgan_features.benchmarks.config.weights import TrainedWeights
from dcgan_features.benchmarks.records.reading import read_row
from dcgan_features.benchmarks.records.rows import row_path
from dcgan_features.benchmarks.runner.job import Job
from dcgan_features.benchmarks.runner.plan import Plan, ToMeasure, Unmeasured, describe, plan
from dcgan_features.benchmarks.runner.worker import make_extractor
from dcgan_features.data import LOADERS
from dcgan_features.data.sources import without_downloads
from dcgan_features.data.utils.errors import InputError
from dcgan_features.features import FeatureStore
from dcgan_features.features.base import DTYPES

# Results that come with a clone of this project: a row's number of features is known before it is measured anew.
_OURS = Path(__file__).parents[2] / "results"
_NOTHING_DONE = "nothing was run or written: --dry-run"


@dataclass(frozen=True)
class Need:
    """What a row still needs besides its fits: in words, and the bytes of features to be written, if they are known."""

    text: str
    size: int | None


def headline(job: Job) -> str:
    """What is measured, on which images and where; loads the images."""
    dataset = job.dataset()
    return f"{job.table.title}: preset {job.preset}, {dataset.title}, {dataset.note}, on {job.device}"


def say_what_would_run(jobs: list[Job], resume: bool) -> list[str]:
    """What measuring these rows of one table would do, and what it needs of time and disk, in lines.

    Nothing is downloaded, computed or written. Images that are absent are no error here: the run would fetch them.
    """
    first = jobs[0]
    with without_downloads():
        try:
            lines = [headline(first)]
        except InputError as error:
            if first.table.presets[first.preset].dataset.source not in LOADERS:
                raise
            plans = [Unmeasured(job) if job.measurement is None else Plan(job, job.minutes) for job in jobs]
            lines = [f"the images are not here, so that nothing is known of what is cached: {error}"]
            return [*lines, *describe(plans, first.store, first.results), _NOTHING_DONE]
        plans = [plan(job, resume, look_only=True) for job in jobs]
        needs = {item.job.row: need_of(item) for item in plans if isinstance(item, ToMeasure)}
    *rows, total = describe(plans, first.store, first.results)
    for item, row in zip(plans, rows, strict=True):
        need = needs.get(item.job.row)
        lines.append(row if need is None else f"{row}; {need.text}")
    return [*lines, total, *_disk(needs, first.store), _NOTHING_DONE]


def _disk(needs: dict[str, Need], store: Path) -> list[str]:
    if not needs:
        return []
    known = sum(need.size for need in needs.values() if need.size is not None)
    unknown = [name for name, need in needs.items() if need.size is None]
    text = f"features need {_gib(known)} of disk"
    if unknown:
        text += f", besides those of {', '.join(unknown)}, whose number is not known beforehand"
    free = shutil.disk_usage(next(place for place in (store, *store.parents) if place.exists())).free
    return [f"{text}; {_gib(free)} are free"]


def need_of(plan: ToMeasure) -> Need:
    """What the row of a plan needs before its classifiers can be fitted."""
    job, dataset, weights = plan.job, plan.job.dataset(), plan.resolved.weights
    missing, words = [dataset.train_images, dataset.test_images], []
    if isinstance(weights, TrainedWeights) and not weights.path.exists():
        begun = weights.path.with_name("checkpoint.safetensors").exists()
        words.append("the network to be trained" + (", from its checkpoint on" if begun else ""))
    else:
        store = FeatureStore(job.store / "features")
        extractor = make_extractor(job.method.extractor, weights, job.device)
        missing = [images for images in missing if store.find(extractor, dataset.train_images, images) is None]
    if not missing:
        return Need("features are in the store", 0)
    each = _bytes_each(job)
    if each is None:
        return Need(" and ".join([*words, "features to be computed"]), None)
    size = each * sum(map(len, missing))
    return Need(" and ".join([*words, f"features to be computed, {_gib(size)}"]), size)


def _bytes_each(job: Job) -> int | None:
    """Bytes of features an image, from a result of the same extractor; None where there is none."""
    wanted = _extractor(job.method.settings.model_dump(mode="json"))
    for folder in (job.results, _OURS):
        try:
            former = read_row(row_path(folder, job.table.name, job.row))
        except InputError:
            continue
        if former is not None and _extractor(former.settings.get("measurement", {})) == wanted:
            return int(former.features["count"]) * DTYPES[former.features["dtype"]].itemsize
    return None


def _extractor(measurement: dict[str, Any]) -> tuple[Any, Any]:
    """What the number of features depends on: the extractor, and the network that it takes."""
    weights = measurement.get("weights") or {}
    recipe = (weights.get("train") or {}).get("recipe", {})
    return measurement.get("extractor"), weights.get("network") or weights.get("file") or recipe.get("network")


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB" if size >= 2**20 * 10 else f"{size / 2**20:.1f} MiB"


def size_of(folder: Path) -> str:
    """The size of all files in a folder, in words."""
    return _gib(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()))
