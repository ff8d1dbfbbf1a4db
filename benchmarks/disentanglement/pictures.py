"""What the study's GANs make: samples, and the test images that each can make least, beside what comes nearest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dcgan_features.benchmarks.disentanglement.measuring import WORST
from dcgan_features.benchmarks.disentanglement.results import STEM
from dcgan_features.benchmarks.disentanglement.settings import Settings
from dcgan_features.data.utils.formats import kept_array
from dcgan_features.gan.figures.grid import Cell, Row, Sheet, write_sheet
from dcgan_features.gan.latent.sampler import Images, LatentSampler

WORST_FILE = "worst.npy"  # in a GAN's folder: test images and their reconstructions, (2, WORST, size, size, 3)
_SAMPLES = 12
_SCALE = 2


def draw_pictures(settings: Settings, work: Path, results: Path) -> None:
    """`latent-measures-samples.png` and `-worst.png`: a row for each latent space, of the first seed's GAN."""
    samples, worst = [], []
    for run in settings.runs():
        folder = work / run.name
        pairs = _pairs(folder / WORST_FILE, settings.recipe(run).spec.image_size)
        if run.seed != settings.seeds[0] or pairs is None or not (folder / "weights.json").is_file():
            continue
        title = f"{run.latent},\n{run.latent_size} dimensions"
        sampler = LatentSampler.load(folder, "cpu")
        made = sampler.images(sampler.latent(0, range(_SAMPLES)))
        samples.append(Row([Cell(image) for image in made], title))
        shown = [Cell(image, caption) for image, caption in zip(pairs[0], ["real"] * WORST, strict=True)]
        shown += [Cell(image, "nearest") for image in pairs[1]]
        worst.append(Row(shown, title))
    if not samples:
        return
    seed = settings.seeds[0]
    note = f"Samples 0:0 to 0:{_SAMPLES - 1} of the GANs of seed {seed}; synthetic data."
    write_sheet(results / f"{STEM}-samples.png", Sheet("Samples", samples, note=note), _SCALE, 256)
    note = f"Of {settings.inverted} test images those of the largest error after optimisation; synthetic data."
    sheet = Sheet("What cannot be reconstructed", worst, note=note, apart={WORST})
    write_sheet(results / f"{STEM}-worst.png", sheet, _SCALE, 256)


def _pairs(path: Path, size: int) -> Images | None:
    found = kept_array(path, np.dtype(np.uint8), (2, WORST, size, size, 3))
    return None if found is None else np.array(found)
