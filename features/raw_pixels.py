"""The control that extracts nothing: the pixels themselves."""

from __future__ import annotations

import math
from typing import Self

import torch
from torch import Tensor

from dcgan_features.data.utils.identity import known_as
from dcgan_features.features.base import Extractor, Images, as_tensor, check_images


@known_as("features.raw_pixels.RawPixels")
class RawPixels(Extractor):
    """Pixels scaled to low..1, flattened by rows, columns, then channels: float32 (n, height * width * channels).

    Parameters
    ----------
    low : float, default -1.0
        What black becomes, a number below 1; 0 gives what a Bernoulli likelihood needs.

    Examples
    --------
    >>> import numpy as np
    >>> from dcgan_features.features import RawPixels
    >>> images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    >>> RawPixels().fit_transform(images).shape
    (4, 192)
    """

    def __init__(self, low: float = -1.0) -> None:
        self.low = low

    def fit(self, images: Images, y: object = None) -> Self:
        """Note the size of the images; nothing is learned. Raises ValueError unless `low` is below 1."""
        images = check_images(images)
        if not -math.inf < self.low < 1:
            raise ValueError(f"low={self.low!r} must be a number below 1, which white becomes")
        return self._fitted(images, images[0].size, "float32")

    def _transform_block(self, images: Images) -> Tensor:
        return as_tensor(images).flatten(1).to(torch.float32).div_(255.0 / (1.0 - self.low)).add_(self.low)
