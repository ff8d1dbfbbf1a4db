"""Measuring whether a generator makes copies of its training images."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from dcgan_features.benchmarks.memorisation.files import Measured, write_memory
from dcgan_features.benchmarks.memorisation.study import (
    PLANTED,
    Images,
    common,
    compare_found,
    neighbours,
    plant,
    spaces,
)
from dcgan_features.benchmarks.records.environment import describe_device, environment
from dcgan_features.benchmarks.runner.executor import check_writable
from dcgan_features.data import STAND_INS, load, training_images
from dcgan_features.data.utils.cli import progress
from dcgan_features.data.utils.devices import device_option
from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.latent.sampler import LatentSampler

FEWEST_HELD_OUT = 500  # the threshold for a copy is the fifth smallest of so many
MOST_SEEN = 0.01  # of the held-out images may be among the training images: data sets hold duplicates


def run_memorisation(
    checkpoint: str,
    source: list[str],
    held_out: str | None,
    samples: int,
    seed: int,
    name: str | None,
    data_root: Path | None,
    device: str | None,
    results: Path,
) -> None:
    """Measure and write; parameters are those of the command."""
    check_writable(results)
    place = device_option(device)
    sampler = LatentSampler.load(checkpoint, place)
    training, description, digest = training_images(source, data_root)
    _check_trained_on(checkpoint, sampler.metadata, description, digest)
    unseen, unseen_title, stand_in = unseen_images(source, held_out, samples, data_root)
    seen = _check_unseen(unseen, training, unseen_title)
    begun = time.perf_counter()
    made = sampler.images(sampler.latent(seed, range(samples)))
    planted = plant(training, max(1, round(PLANTED * samples)), seed)
    print(f"{samples:,} samples and {len(unseen):,} of {unseen_title} beside {len(training):,} training images")
    measured = {}
    everywhere = spaces(sampler.discriminator, np.asarray(training[: len(unseen)]), place)
    with progress(len(training) * len(everywhere), "searching training images") as advance:
        for key, space in everywhere.items():
            ours, theirs, copies = neighbours(space, [made, unseen, planted], training, place, advance)
            half = len(theirs.first) // 2
            measured[key] = Measured(
                title=space.title,
                samples=ours,
                held_out=theirs,
                comparison=compare_found(ours, theirs, seed),
                unseen=compare_found(theirs[:half], theirs[half:], seed),
                planted=compare_found(ours.with_replaced(np.arange(len(planted)), copies), theirs, seed),
            )
    about = {
        "checkpoint": Path(checkpoint).name,
        "data": description,
        "data_digest": digest,
        "held_out": unseen_title,
        "held_out_images": len(unseen),
        "held_out_among_training": seen,
        "training_images": len(training),
        "samples": samples,
        "seed": seed,
        "weights": sampler.metadata.get("sha256"),
        "images_seen": sampler.metadata.get("images_seen"),
        "stand_in": stand_in,
        "seconds": round(time.perf_counter() - begun, 1),
        "device": describe_device(place),
        **environment(),
    }
    stem = results / f"memory-{name or Path(checkpoint).with_suffix('').name}"
    sentence = write_memory(stem, measured, about, made, np.asarray(unseen), training)
    print(sentence)
    print(f"written: {stem}.json, .md, .png and -pairs.png")


def _check_trained_on(checkpoint: str, metadata: dict[str, Any], description: str, digest: str) -> None:
    recorded = metadata.get("data", {})
    if recorded.get("digest") != digest:
        told = recorded.get("description", "images that it does not name")
        raise InputError(
            f"{checkpoint} was trained on {told}, not on {description}; give --data as it was for gan.train"
        )


def unseen_images(source: list[str], held_out: str | None, count: int, root: Path | None) -> tuple[Images, str, bool]:
    """At most `count` images that were not trained on, what they are, and whether they are made up.

    Those of a data set are its test images. Raises `InputError` where there are none.
    """
    if held_out is None:
        for part in (load(name, root) for name in source):
            if part.test_images is not None:
                return _first(part.test_images, count), f"the test images of {part.title}", part.stand_in
        raise InputError(
            f"the network was trained on all of {' + '.join(source)}, so that no image is left to compare its "
            "samples with; name others of the same kind with --held-out, or train another one without some of them"
        )
    dataset = STAND_INS[held_out](n_train=1, n_test=count) if held_out in STAND_INS else load(held_out, root)
    if dataset.test_images is not None:
        return _first(dataset.test_images, count), f"the test images of {dataset.title}", dataset.stand_in
    return _first(dataset.train_images, count), f"the images of {dataset.title}", dataset.stand_in


def _first(images: Images, count: int) -> Images:
    if len(images) < FEWEST_HELD_OUT:
        raise InputError(f"{len(images)} held-out images are too few; give at least {FEWEST_HELD_OUT}")
    return images[:count]


def _check_unseen(unseen: Images, training: Images, title: str) -> int:
    """How many of the held-out images are training images. Raises `InputError` for many, and for other sizes."""
    if unseen.shape[1:] != training.shape[1:]:
        raise InputError(f"{title} are of shape {unseen.shape[1:]}, the training images of {training.shape[1:]}")
    seen = common(unseen, training)
    if seen > MOST_SEEN * len(unseen):
        raise InputError(
            f"{seen:,} of {title} are among the training images, so they were not held out; give others as --held-out"
        )
    return seen
