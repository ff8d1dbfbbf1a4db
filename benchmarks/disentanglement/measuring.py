"""Everything that is measured of one GAN of the study."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from dcgan_features.benchmarks.disentanglement.settings import Settings
from dcgan_features.data.factors.known import KnownFactors
from dcgan_features.eval.disentanglement import (
    dci,
    factor_vae_score,
    linear_decodability,
    mutual_information_gap,
    sap_score,
)
from dcgan_features.gan.latent.encoder import LatentEncoder
from dcgan_features.gan.latent.inversion import invert, keep_inside, nearest_samples, reconstruction_error
from dcgan_features.gan.latent.path_length import perceptual_path_length, step_lengths
from dcgan_features.gan.latent.sampler import Images, LatentSampler
from dcgan_features.gan.networks import Discriminator

# Streams of samples; what is measured on one is not learnt from another.
_ENCODER, _NEAREST, _PATHS, _OWN = 1, 2, 3, 4
FIT_IMAGES = 2_000  # training images whose factors the scores' models learn from
ENCODER, UNTRAINED, COMPONENTS = "encoder", "untrained encoder", "principal components"
WORST = 6  # images of the largest error, of which reconstructions are kept
Say = Callable[[str], None]
Report = dict[str, Any]


@dataclass(frozen=True)
class Reconstructions:
    """Test images that the generator makes worst, and its nearest images: uint8 (WORST, size, size, 3) each."""

    wanted: Images
    made: Images


def measure(
    settings: Settings,
    sampler: LatentSampler,
    judge: Discriminator,
    seed: int,
    training: KnownFactors,
    test: KnownFactors,
    say: Say,
) -> tuple[Report, Reconstructions]:
    """All figures of a GAN, JSON-ready, and its worst reconstructions.

    sampler : of the GAN, on the CPU. judge : frozen, measures distances. seed : of the encoder and all draws.
    """
    say("the encoder learns")
    encoder = LatentEncoder(sampler.spec, seed).fit(
        sampler, _ENCODER, settings.encoder_samples, settings.encoder_epochs, lambda count: None
    )
    untrained = LatentEncoder(sampler.spec, seed).settle(training.images[:1_000])
    say("scores of codes")
    fit = training.rows(0, min(FIT_IMAGES, len(training)))
    components = _components(fit.images, test.images, sampler.spec.latent_size)
    codes = {
        ENCODER: (encoder(fit.images), encoder(test.images)),
        UNTRAINED: (untrained(fit.images), untrained(test.images)),
        COMPONENTS: components,
    }
    of_codes = {name: code_scores(settings, seed, fit, test, *both) for name, both in codes.items()}
    say("paths")
    lengths = step_lengths(sampler, judge, _PATHS, settings.walks)
    paths = {
        "perceptual path length": perceptual_path_length(sampler, judge, _PATHS, settings.pairs),
        "largest step over mean step": float((lengths.max(1) / lengths.mean(1)).mean()),
    }
    say("inversion")
    inverted, worst = inversion(settings, sampler, encoder, test)
    own = sampler.latent(_OWN, range(500))
    found = encoder(sampler.images(own))
    spread = ((own.numpy() - own.numpy().mean(0)) ** 2).mean()
    inverted["R² of z, own samples"] = float(1 - ((own.numpy() - found) ** 2).mean() / spread)
    return {"codes": of_codes, "paths": paths, "inversion": inverted}, worst


def code_scores(
    settings: Settings,
    seed: int,
    fit: KnownFactors,
    test: KnownFactors,
    codes: NDArray[np.float32],
    test_codes: NDArray[np.float32],
) -> Report:
    """The field's scores of codes of images with known factors, and what a linear model reads off them."""
    values, test_values = fit.values, test.values
    found = dci(codes, values, test_codes, test_values, trees=settings.forest, seed=seed)
    gap, _, _ = mutual_information_gap(test_codes, test_values)
    sap, _ = sap_score(codes, values, test_codes, test_values, test.kinds)
    rng = np.random.default_rng(seed)
    linear = linear_decodability(codes, values, test_codes, test_values, test.kinds)
    return {
        "disentanglement": found.disentanglement,
        "completeness": found.completeness,
        "informativeness": found.informativeness,
        "MIG": gap,
        "SAP": sap,
        "FactorVAE score": factor_vae_score(test_codes, test_values, rng, settings.votes, settings.votes_images),
        "linear decodability": float(linear.mean()),
        "by factor": dict(zip(test.names, map(float, linear), strict=True)),
    }


def inversion(
    settings: Settings, sampler: LatentSampler, encoder: LatentEncoder, test: KnownFactors
) -> tuple[Report, Reconstructions]:
    """Errors of reconstructions of test images, grey levels, and what of the errors each factor explains."""
    images, values = test.images[: settings.inverted], test.values[: settings.inverted]
    kind = sampler.spec.latent
    by_encoder = keep_inside(torch.from_numpy(encoder(images)), kind)
    nearest = nearest_samples(sampler, images, _NEAREST, 1_000)
    errors = {
        "mean image": reconstruction_error(images, np.broadcast_to(_mean_image(test.images), images.shape)),
        "nearest of 1,000 samples": reconstruction_error(images, sampler.images(nearest)),
        "encoder": reconstruction_error(images, sampler.images(by_encoder)),
    }
    closer = torch.from_numpy(errors["encoder"] < errors["nearest of 1,000 samples"])[:, None]
    start = torch.where(closer, by_encoder, nearest)
    made = sampler.images(invert(sampler, images, start, settings.inversion_steps, lambda count: None))
    errors["optimised"] = error = reconstruction_error(images, made)
    own = sampler.images(sampler.latent(_OWN, range(len(images) // 4)))
    start = keep_inside(torch.from_numpy(encoder(own)), kind)
    again = sampler.images(invert(sampler, own, start, settings.inversion_steps, lambda count: None))
    errors["optimised, own samples"] = reconstruction_error(own, again)
    worst = np.argsort(-error)[:WORST]
    report: Report = {name: float(found.mean()) for name, found in errors.items()}
    report["explained by factor"] = {
        name: explained(error, column) for name, column in zip(test.names, values.T, strict=True)
    }
    report["errors"] = {
        factor.name: by_value(error, column, factor.values)
        for factor, column in zip(test.factors, values.T, strict=True)
    }
    return report, Reconstructions(images[worst], made[worst])


def explained(errors: NDArray[np.float64], column: NDArray[np.int64]) -> float:
    """The part of the errors' variance that lies between the factor's values, less what chance gives; epsilon squared.

    Source: Kelley (1935), "An unbiased correlation ratio measure": 0 on average where the factor plays no part.
    """
    groups = [errors[column == value] for value in np.unique(column)]
    within = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    total = float(((errors - errors.mean()) ** 2).sum())
    if total == 0 or len(errors) <= len(groups):
        return 0.0
    return 1 - within / total * (len(errors) - 1) / (len(errors) - len(groups))


def by_value(errors: NDArray[np.float64], column: NDArray[np.int64], count: int) -> list[float | None]:
    """The mean error at each value of a factor; None where there is no image of it."""
    return [float(errors[column == value].mean()) if (column == value).any() else None for value in range(count)]


def _components(images: Images, test: Images, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """As many principal components of the pixels as z has dimensions: a code without any GAN."""
    flat, test_flat = (part.reshape(len(part), -1).astype(np.float32) for part in (images, test))
    found = PCA(min(count, *flat.shape), svd_solver="randomized", random_state=0).fit(flat)
    return found.transform(flat), found.transform(test_flat)


def _mean_image(images: Images) -> Images:
    mean: Images = np.rint(images.astype(np.float32).mean(0)).astype(np.uint8)
    return mean
