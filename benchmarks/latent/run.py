"""Measuring the latent space of a generator against controls, and writing what was found."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

from dcgan_features.benchmarks.latent.classifier import train_judge
from dcgan_features.benchmarks.latent.files import write_latent
from dcgan_features.benchmarks.latent.study import DEMO, Sizes, measure
from dcgan_features.benchmarks.runner.executor import check_writable
from dcgan_features.data.utils.cli import duration, progress
from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.latent.sampler import LatentSampler


def run_latent(checkpoint: str, demo: bool, results: Path | None) -> None:
    """Measure and write; parameters are those of the command."""
    folder = results or Path("results/demo" if demo else "results")
    check_writable(folder)
    sampler = LatentSampler.load(checkpoint, "cpu")
    description = str(sampler.metadata.get("data", {}).get("description", ""))
    if "shapes" not in description or sampler.spec.image_size != 32:
        raise InputError(
            f"{checkpoint} has learnt from {description or 'unknown data'}, not from the stand-in, so that nobody "
            "knows what its images show; give a generator trained with --data stand-in-plain or --data stand-in"
        )
    begun, sizes, clutter = time.monotonic(), DEMO if demo else Sizes(), "plain" not in description
    print(f"the judge learns from {sizes.judge_images:,} stand-in images; in all about {duration(10 if demo else 90)}")
    with progress(sizes.judge_images * sizes.judge_epochs, "training the judge") as advance:
        judge = train_judge(clutter, sizes.judge_images, sizes.judge_epochs, sizes.judge_width, advance)
    measures, found = measure(sampler, judge, clutter, sizes, lambda text: print(f"measuring: {text}", flush=True))
    about = {
        "weights": Path(checkpoint).name,
        "network": sampler.spec.name,
        "images_seen": sampler.images_seen,
        "data": description,
        "sizes": asdict(sizes),
        **found,
    }
    page = write_latent(folder, measures, about)
    print(f"written: {page}, .csv and .json after {duration(time.monotonic() - begun)}")
