"""The study's images and GANs, made or found where they were made before."""

from __future__ import annotations

from pathlib import Path

from dcgan_features.benchmarks.disentanglement.settings import Run, Settings
from dcgan_features.data.factors.known import KnownFactors
from dcgan_features.data.factors.sources import load_factors
from dcgan_features.data.utils.hashing import array_digest
from dcgan_features.gan.training import dcgan


def study_images(settings: Settings, root: Path | None) -> tuple[KnownFactors, KnownFactors]:
    """Training and test images, none in both, in colour and of the GANs' size."""
    size = settings.recipe(settings.runs()[0]).spec.image_size
    both = load_factors(settings.data, root, settings.training_images + settings.test_images, seed=0)
    both = both.as_colour(size)
    return both.rows(0, settings.training_images), both.rows(settings.training_images, len(both))


def train(settings: Settings, run: Run, images: KnownFactors, work: Path) -> Path:
    """Train a GAN in `work`/<its name>, or go on where it was; return its weights.

    Raises `InputError` when that folder's run had other settings or images.
    """
    about = {
        "description": f"{images.name} ({'stand-in, ' if images.stand_in else ''}{len(images):,} images)",
        "digest": array_digest(images.images),
        "images": len(images),
    }
    folder = work / run.name
    training = dcgan.Run(settings.recipe(run), images.images, folder, about, "cpu")
    weights = folder / "weights.safetensors"
    if training.training.steps_done == settings.recipe(run).steps and weights.exists():
        return weights
    return training.finish()
