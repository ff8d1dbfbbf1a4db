"""What the generator has learned, to be heard and seen: samples as sound by Griffin & Lim, beside real recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dcgan_features.benchmarks.speech.parts import OWN, Parts
from dcgan_features.data.dataset import Images
from dcgan_features.data.utils.drawing import image_grid
from dcgan_features.data.utils.files import atomic_path
from dcgan_features.data.utils.formats import write_sound
from dcgan_features.gan.latent.sampler import LatentSampler

HEARD, SEEN = 10, 36
_PAUSE = 0.25  # seconds of silence between two samples
_ENLARGED = 3  # pixels of the picture along a pixel's side


def write_samples(folder: Path, parts: Parts, seed: int = 0) -> list[Path]:
    """Write sounds and pictures of samples of the own split's generator, and of real recordings; return the files.

    `<study>-samples.flac` : the first ten samples of the seed, unchosen, one after another. `<study>-real.flac` : ten
    recordings that the network has learnt from, evenly spaced over all, through the same spectrograms and back, so that
    what is lost there can be heard by itself. `.png` of both : 36 spectrograms of each, those that are heard first.
    """
    fold = parts.folds(OWN)[0]
    sampler = LatentSampler.load(parts.network(OWN, fold).path, "cpu")
    samples = sampler.images(sampler.latent(seed, range(SEEN)))
    heard = fold.train[np.linspace(0, len(fold.train) - 1, HEARD).astype(int)]
    others = fold.train[np.linspace(0, len(fold.train) - 1, SEEN - HEARD + 2).astype(int)[1:-1]]
    real = np.ascontiguousarray(parts.images[np.concatenate([heard, others])])
    files = []
    for name, images in (("samples", samples), ("real", real)):
        sound, picture = folder / f"{parts.study.name}-{name}.flac", folder / f"{parts.study.name}-{name}.png"
        write_sound(sound, in_a_row(parts, images[:HEARD]), parts.study.sound.rate)
        grid = image_grid(images)
        with atomic_path(picture) as temporary:
            size = (grid.width * _ENLARGED, grid.height * _ENLARGED)
            grid.resize(size, Image.Resampling.NEAREST).save(temporary, format="PNG")
        files += [sound, picture]
    return files


def in_a_row(parts: Parts, images: Images) -> NDArray[np.float32]:
    """The sounds of spectrograms one after another, with silence between them: float32 (samples,)."""
    pause = np.zeros(round(_PAUSE * parts.study.sound.rate), np.float32)
    sounds = parts.log_mel.inverse_transform(images)
    return np.concatenate([part for sound in sounds for part in (sound, pause)])
