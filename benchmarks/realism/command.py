"""The command from end to end: real images and checkpoints in, files of results out."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from dcgan_features.benchmarks.realism.files import REAL, write_realism
from dcgan_features.benchmarks.realism.study import (
    FrozenMeans,
    Nearest,
    Realism,
    find_nearest,
    halves,
    measure,
    samples_of,
)
from dcgan_features.benchmarks.runner.executor import check_writable
from dcgan_features.data import training_images
from dcgan_features.data.utils.cli import progress
from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.batch_norm import evenly_spaced
from dcgan_features.gan.folders.prepare import prepare_folders
from dcgan_features.gan.latent.sampler import Images, LatentSampler
from dcgan_features.gan.weights_file import find_weights, load_weights

_SHOWN = 24
_UNREADABLE = 0.02  # of a folder's files, as gan.train passes over them


def compare(
    checkpoints: list[str],
    source: list[str],
    name: str | None,
    most: int,
    seed: int,
    judge: str,
    data_root: Path | None,
    results: Path,
) -> Path:
    """Measure each checkpoint's samples; return the path of the page. See `benchmarks.realism` for the parameters.

    Raises `InputError` for checkpoints of different image sizes, images of another size, or too few of them.
    """
    check_writable(results)
    samplers = {Path(checkpoint).name: LatentSampler.load(checkpoint, "cpu") for checkpoint in checkpoints}
    if len(samplers) < len(checkpoints):
        raise InputError("two checkpoints have the same name; copy one of them to another")
    sizes = {(sampler.spec.image_size, sampler.spec.channels) for sampler in samplers.values()}
    if len(sizes) > 1:
        raise InputError("the checkpoints make images of different sizes or channels; compare those of one size")
    size, channels = sizes.pop()
    real, description = _real_images(source, size, data_root)
    if real.shape[1:] != (size, size, channels):
        raise InputError(
            f"{description} has images of shape {real.shape[1:]}, the checkpoints make {(size, size, channels)}"
        )
    first, second = halves(evenly_spaced(real, most), seed)
    frozen = FrozenMeans(load_weights(find_weights(judge)).discriminator)
    if channels not in (1, frozen.judge.spec.channels):
        raise InputError(f"{judge} takes {frozen.judge.spec.channels} channels, not {channels}; give another --judge")
    figures: dict[str, Realism] = {}
    nearest: dict[str, Nearest] = {}
    shown: dict[str, Images] = {"real": second[:_SHOWN]}
    with progress(len(first) * (2 + len(samplers)), "features of images") as advance:
        features = frozen(first, advance)
        others = frozen(second, advance)
        figures[REAL] = measure(second, others, features)
        for title, sampler in samplers.items():
            made = samples_of(sampler, seed, len(first))
            of_made = frozen(made, advance)
            figures[title] = measure(made, of_made, features)
            shown[title] = made[:_SHOWN]
            nearest[title] = find_nearest(
                made, of_made, np.concatenate([first, second]), np.concatenate([features, others])
            )
    about = {
        "data": description,
        "judge": judge,
        "seed": seed,
        "images": len(first),
        "checkpoints": {
            title: {"sha256": sampler.metadata.get("sha256"), "images_seen": sampler.images_seen}
            for title, sampler in samplers.items()
        },
    }
    return write_realism(results, name or next(iter(samplers)), figures, shown, nearest, about)


def _real_images(source: list[str], size: int, root: Path | None) -> tuple[Images, str]:
    with TemporaryDirectory() as folder:  # in which the list of unreadable files has no use
        prepared = prepare_folders(source, size, _UNREADABLE, Path(folder))
    images, description, _ = training_images(prepared.sources, root, size)
    return images, description
