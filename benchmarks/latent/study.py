"""The latent space of a generator of stand-in images, measured where the truth is known: all parts of the study."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcgan_features.benchmarks.latent.ablation import measure_forgetting
from dcgan_features.benchmarks.latent.arithmetic import measure_arithmetic
from dcgan_features.benchmarks.latent.classifier import FACTORS, Judge, Judgement
from dcgan_features.benchmarks.latent.linear import measure_linearity, r2
from dcgan_features.benchmarks.latent.measure import Measure, Source, mean, resampled, share
from dcgan_features.benchmarks.latent.walks import measure_walks
from dcgan_features.data.synthetic.stand_in import stand_in, stand_in_factors
from dcgan_features.gan.latent.sampler import LatentSampler

JUDGE, SAMPLES = "judge", "samples"
SURE, ALL_SURE = "the judge is sure", "the judge is sure of every factor"
# Names of streams of samples; what is measured on one is not chosen on another.
_POOL_SEED, _WALK_SEED, _TEST_SEED = 0, 1, 1


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    judge_images, judge_epochs, judge_width : of the judge's training. test_images : on which it is measured.
    pool : samples from which exemplars are picked and on which linearity is measured. trials : of arithmetic, for each
    attribute. walks : of the walks. forget : images on which maps are dropped.
    """

    judge_images: int = 8_000
    judge_epochs: int = 8
    judge_width: int = 24
    test_images: int = 1_000
    pool: int = 3_000
    trials: int = 100
    walks: int = 100
    forget: int = 300


DEMO = Sizes(1_000, 2, 8, 250, 400, 10, 6, 20)


def measure_judge(judge: Judge, clutter: bool, images: int) -> list[Measure]:
    """The judge on stand-in test images, which neither it nor the generator has seen: all, and where it is sure."""
    made: Any = stand_in(1, images, seed=_TEST_SEED, clutter=clutter).test_images
    truth = stand_in_factors(images, seed=_TEST_SEED, part="test")
    judged, rng = judge(made), np.random.default_rng(0)
    measures = []
    for factor in FACTORS:
        for how, rows in (("all test images", np.ones(images, bool)), ("where it is sure", judged.sure[factor])):
            ours, theirs = judged.of(factor)[rows], truth[factor][rows]
            if factor == "shape":
                measures.append(share(JUDGE, "shape: right", how, ours == theirs))
            elif factor == "hue":
                apart = np.abs((ours - theirs + 0.5) % 1 - 0.5)
                measures.append(share(JUDGE, "hue: within a twelfth of the circle", how, apart < 1 / 12))
            else:
                measures.append(resampled(JUDGE, f"{factor}: R²", how, [theirs, ours], r2, rng))
                error = [np.abs(theirs - ours)]
                measures.append(resampled(JUDGE, f"{factor}: mean absolute error, pixels", how, error, mean, rng))
    return measures + _sureness(judged, JUDGE, "all test images")


def _sureness(judged: Judgement, part: str, how: str) -> list[Measure]:
    by_factor = [share(part, f"{SURE} of the {factor}", how, judged.sure[factor]) for factor in FACTORS]
    return [*by_factor, share(part, ALL_SURE, how, judged.all_sure)]


def measure(
    source: Source, judge: Judge, clutter: bool, sizes: Sizes, say: Callable[[str], None]
) -> tuple[list[Measure], dict[str, Any]]:
    """Every part of the study, and how many samples show what. A source that is no sampler forgets nothing."""
    rng = np.random.default_rng(0)
    say("the judge on test images")
    measures = measure_judge(judge, clutter, sizes.test_images)
    say(f"{sizes.pool:,} samples")
    latent = source.latent(_POOL_SEED, range(sizes.pool))
    images = source.images(latent)
    judgement = judge(images)
    measures += _sureness(judgement, SAMPLES, "generated")
    shown = judgement.shape[judgement.sure["shape"]]
    say("arithmetic")
    measures += measure_arithmetic(source, judge, (latent, images, judgement), sizes.trials, rng)
    say("linearity")
    measures += measure_linearity(latent.numpy(), judgement, rng)
    if isinstance(source, LatentSampler):
        say("forgetting")
        measures += measure_forgetting(source, _POOL_SEED, judgement, sizes.forget, 20, rng)
    say("walks")
    measures += measure_walks(source, judge, _WALK_SEED, sizes.walks, rng)
    return measures, {"shapes shown by samples": _counts(shown)}


def _counts(shapes: NDArray[np.int64]) -> list[int]:
    return [int(count) for count in np.bincount(shapes, minlength=10)]
