"""What every part of the latent-space study shares: the generator it studies, and a number with its interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dcgan_features.benchmarks.latent.classifier import Images
from dcgan_features.eval.protocols import wilson_interval
from dcgan_features.gan.spec import NetworkSpec

RESAMPLES = 1_000  # of the bootstrap
Randomness = np.random.Generator


class Source(Protocol):
    """Makes images from named points of latent space, as `gan.latent.sampler.LatentSampler` does."""

    @property
    def spec(self) -> NetworkSpec:
        """Of whose generator only the latent space matters here."""

    def latent(self, seed: int, indices: Sequence[int] | range) -> Tensor:
        """The z of samples of a seed, float32 (n, latent_size) on the CPU."""

    def images(self, latent: Tensor) -> Images:
        """uint8 (n, 32, 32, 3)."""


@dataclass(frozen=True)
class Measure:
    """One number of the study.

    part : of the study. what : was measured. how : by what, or the control. unit : "%", "" for a ratio.
    value, low, high : with its 95% interval. n : on how many cases.
    """

    part: str
    what: str
    how: str
    value: float
    low: float
    high: float
    n: int
    unit: str = "%"


def share(part: str, what: str, how: str, cases: NDArray[np.bool_]) -> Measure:
    """How many of the cases hold, in percent, with Wilson's interval; of no case, 0 with 0 to 100."""
    if len(cases) == 0:
        return Measure(part, what, how, 0.0, 0.0, 100.0, 0)
    value = float(cases.mean()) * 100
    return Measure(part, what, how, value, *wilson_interval(value, len(cases)), len(cases))


def resampled(
    part: str,
    what: str,
    how: str,
    columns: Sequence[NDArray[Any]],
    statistic: Callable[..., float],
    rng: Randomness,
    unit: str = "",
) -> Measure:
    """A statistic of cases, with the percentile interval of the bootstrap (Efron, 1979).

    columns : arrays (n, ...) that `statistic` takes, resampled together.
    """
    n = len(columns[0])
    draws = [rng.integers(0, n, n) for _ in range(RESAMPLES)]
    values = [statistic(*(column[rows] for column in columns)) for rows in draws]
    low, high = np.quantile(values, [0.025, 0.975])
    return Measure(part, what, how, statistic(*columns), float(low), float(high), n, unit)


def mean(column: NDArray[Any]) -> float:
    """The plain mean, as a statistic for `resampled`."""
    return float(column.mean())
