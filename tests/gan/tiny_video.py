"""Networks of frame prediction small enough to train in seconds, and clips for them."""

from typing import Any

import numpy as np

from dcgan_features.data.video.clips import ArrayClips
from dcgan_features.gan.spec import Convolution
from dcgan_features.gan.video.networks import VIDEO_SPECS, VideoSpec
from dcgan_features.gan.video.recipe import VideoRecipe

TINY = VideoSpec(
    name="tiny-video",
    size=16,
    channels=1,
    given=3,
    predicted=2,
    window=3,
    widths=(4, 6),
    blocks=1,
    discriminator=(Convolution(4, 4, 2), Convolution(6, 4, 2)),
)


def tiny_recipe(**settings: Any) -> VideoRecipe:
    """A recipe of `TINY`, which has to be among the known ones: see the fixture `known`."""
    VIDEO_SPECS.setdefault(TINY.name, TINY)
    given = {"network": TINY.name, "clips": 64, "batch_size": 8, "sample_every": None, "precision": "fp32"}
    return VideoRecipe(**{**given, **settings})


def tiny_clips(count: int = 24, seed: int = 0) -> ArrayClips:
    """Clips of a bright bar that moves down a pixel a frame."""
    random = np.random.default_rng(seed)
    frames = np.zeros((count, TINY.length, TINY.size, TINY.size, 1), np.uint8)
    for clip, top in enumerate(random.integers(0, TINY.size - TINY.length, count)):
        for frame in range(TINY.length):
            frames[clip, frame, top + frame, 3:12] = random.integers(150, 256)
    return ArrayClips(frames, "moving bars")
