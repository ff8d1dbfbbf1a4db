"""Features from the frozen discriminator of clips: every layer's maps, max-pooled to a grid and concatenated."""

from __future__ import annotations

import copy
from pathlib import Path

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.identity import known_as
from dcgan_features.features.discriminator.extractor import DiscriminatorFeatures
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.video.weights import load_video_weights


@known_as("features.video.ClipFeatures")
class ClipFeatures(DiscriminatorFeatures):
    """`DiscriminatorFeatures` of clips: the features of Radford, Metz & Chintala (2016), section 5.1, over time.

    Clips are images with a channel for each frame and colour, as `gan.video.networks.stacked_pixels` makes them of
    uint8 (n, frames, height, width, channels); how many frames, the discriminator's window says. A discriminator of
    single frames takes images of one frame.

    Parameters
    ----------
    discriminator : Discriminator, Path or str
        Of `gan.video.networks.clip_discriminator`, which is not changed; or weights that `python -m gan.video` wrote:
        the run's folder, the stem or either file.

    The other parameters, and what `fit` learns, are those of `DiscriminatorFeatures`.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from dcgan_features.features import ClipFeatures
    >>> from dcgan_features.gan.video.networks import VIDEO_SPECS, clip_discriminator, stacked_pixels
    >>> network = clip_discriminator(VIDEO_SPECS["moving-32"], torch.Generator().manual_seed(0))
    >>> clips = np.random.default_rng(0).integers(0, 256, (4, 5, 32, 32, 1), dtype=np.uint8)
    >>> ClipFeatures(network).fit_transform(stacked_pixels(clips)).shape  # 112 maps in 4 x 4 cells
    (4, 1792)
    """

    def _network(self) -> Discriminator:
        if not isinstance(self.discriminator, str | Path):
            return super()._network()
        found = load_video_weights(self.discriminator).discriminator
        if found is None:
            raise InputError(
                f"{self.discriminator} was trained without a discriminator; give weights of a recipe with 'adversarial'"
            )
        return copy.deepcopy(found).eval()
