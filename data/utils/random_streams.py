"""Random numbers that are the same on every machine and with every version of numpy.

numpy promises a stable stream for the bit generator PCG64 and for SeedSequence, but not for the methods of
`numpy.random.Generator` (NEP 19). Published seeds therefore define everything through the raw 64-bit words. Training
draws from torch's generators, each seeded by what its numbers are for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.utils.errors import InputError

if TYPE_CHECKING:
    import torch

# What a torch stream is for in the training of a GAN; part of its seed.
WEIGHTS, ORDER, LATENT, FLIPS, SAMPLES, STATISTICS, WATCH, NOISE, PERTURBATION = range(9)


def raw_words(count: int, *entropy: int) -> NDArray[np.uint64]:
    """The first `count` 64-bit words of PCG64(SeedSequence(entropy)), uint64 (count,)."""
    if min(entropy) < 0:
        raise InputError(f"a seed is {min(entropy)}; give a whole number that is not negative")
    words: NDArray[np.uint64] = np.random.PCG64(np.random.SeedSequence(entropy)).random_raw(count)
    return words


def uniform(shape: tuple[int, ...], *entropy: int) -> NDArray[np.float64]:
    """Numbers of U[0, 1) made of the upper 53 bits of each word of `raw_words`, float64 of the given shape."""
    words = raw_words(int(np.prod(shape)), *entropy)
    return (words >> np.uint64(11)).astype(np.float64).reshape(shape) * 2.0**-53


def stream(seed: int, purpose: int, position: int = 0) -> torch.Generator:
    """A torch generator on the CPU that depends on nothing but the seed, the purpose and the position.

    So a resumed run draws what the uninterrupted one would have, and no generator's state need be kept.
    """
    import torch  # late: data sets and their splits do without

    words = np.random.SeedSequence([seed, purpose, position]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(words[0] >> np.uint64(1)))
