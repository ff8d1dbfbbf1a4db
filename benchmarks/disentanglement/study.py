"""The study from end to end: every GAN trained and measured, or found measured, and the report."""

from __future__ import annotations

import time
from pathlib import Path

import filelock
import numpy as np
import torch

from dcgan_features.benchmarks.disentanglement.measuring import measure
from dcgan_features.benchmarks.disentanglement.pictures import WORST_FILE, draw_pictures
from dcgan_features.benchmarks.disentanglement.report import write_pages
from dcgan_features.benchmarks.disentanglement.results import read_result, write_result
from dcgan_features.benchmarks.disentanglement.settings import Run, Settings
from dcgan_features.benchmarks.disentanglement.training import study_images, train
from dcgan_features.benchmarks.records.environment import describe_device
from dcgan_features.benchmarks.runner.executor import check_writable
from dcgan_features.data.factors.known import KnownFactors
from dcgan_features.data.utils.cli import duration, progress
from dcgan_features.data.utils.errors import unknown_name
from dcgan_features.data.utils.formats import keep_array
from dcgan_features.data.utils.hashing import array_digest
from dcgan_features.data.utils.locks import locked
from dcgan_features.gan.latent.sampler import LatentSampler
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.weights_file import find_weights, load_weights


def chosen(settings: Settings, only: str | None) -> list[Run]:
    """The study's runs, or the one named. Raises `InputError` for a name that none has."""
    runs = {run.name: run for run in settings.runs()}
    if only is None:
        return list(runs.values())
    if only not in runs:
        raise unknown_name("GAN", only, runs, "the study")
    return [runs[only]]


def measure_runs(settings: Settings, runs: list[Run], root: Path | None, work: Path, results: Path) -> None:
    """Train and measure each run that has no result yet; a killed study goes on where it was.

    Several processes may share a study: each leaves out what another one is at.

    root : folder of official files. work : holds a folder for each GAN. results : where sealed results go.
    """
    check_writable(results)
    waiting = [run for run in runs if read_result(results, settings, run) is None]
    if len(waiting) < len(runs):
        print(f"{len(runs) - len(waiting)} of {len(runs)} are measured already")
    if not waiting:
        return
    training, test = study_images(settings, root)
    judge = load_weights(find_weights(settings.judge)).discriminator.eval().requires_grad_(False)
    print(f"{training.note}: {len(training):,} to learn from, {len(test):,} to measure on")
    with progress(len(waiting), "GANs trained and measured") as advance:
        for run in waiting:
            try:
                with locked(work / f".{run.name}.lock", timeout=0):
                    if read_result(results, settings, run) is None:
                        _measure_run(settings, run, (training, test), judge, work, results)
            except filelock.Timeout:
                print(f"{run.name}: another process is at it", flush=True)
            advance(1, run.name)
    draw_pictures(settings, work, results)


def _measure_run(
    settings: Settings,
    run: Run,
    images: tuple[KnownFactors, KnownFactors],
    judge: Discriminator,
    work: Path,
    results: Path,
) -> None:
    """Train and measure one GAN. images : training and test images."""
    training, test = images
    weights = train(settings, run, training, work)
    begun = time.monotonic()
    sampler = LatentSampler.load(weights, "cpu")
    found, worst = measure(
        settings, sampler, judge, run.seed, training, test, lambda text: print(f"{run.name}: {text}", flush=True)
    )
    pairs = np.stack([worst.wanted, worst.made])
    keep_array(work / run.name / WORST_FILE, [pairs], pairs.dtype, pairs.shape)
    about = {
        "data": training.note,
        "stand_in": training.stand_in,
        "test_digest": array_digest(test.images, test.values),
        "weights": sampler.metadata.get("sha256"),
        "images_seen": sampler.metadata.get("images_seen"),
        "device": describe_device(torch.device("cpu")),
        "seconds": round(time.monotonic() - begun, 1),
    }
    write_result(results, settings, run, found, about)
    print(f"{run.name}: measured in {duration(time.monotonic() - begun)}", flush=True)


def write_report(results: Path, settings: Settings) -> Path:
    """Table, CSV and plot of all runs that are measured. Raises `InputError` where none is."""
    found = [read_result(results, settings, run) for run in settings.runs()]
    return write_pages(results, settings, [one for one in found if one is not None])
