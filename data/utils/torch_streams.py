"""Streams of random numbers that are told apart by what they are for."""

from __future__ import annotations

import numpy as np
import torch

# What a stream of a GAN's training is for; part of its seed.
WEIGHTS, ORDER, LATENT, FLIPS, SAMPLES, STATISTICS = range(6)


def stream(seed: int, purpose: int, position: int = 0) -> torch.Generator:
    """Random numbers that depend on nothing but the seed, the purpose and the position.

    So a resumed run draws what the uninterrupted one would have, and no generator's state need be kept.
    """
    words = np.random.SeedSequence([seed, purpose, position]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(words[0] >> np.uint64(1)))
