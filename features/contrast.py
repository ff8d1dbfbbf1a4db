"""Pictures of one brightness and one contrast, for any extractor."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from dcgan_features.data.utils.checks import check_counts
from dcgan_features.features.base import Extractor, Images, check_images
from dcgan_features.features.kmeans.patches import normalise_contrast

_GREY = 128  # what an image's mean becomes


class ContrastFeatures(Extractor):
    """The features that any extractor makes of images that have all been given the same mean and deviation.

    x becomes 128 + spread * (x - mean) / sqrt(variance + 10), rounded and cut off at 0 and 255, mean and variance being
    those of all the image's values: `normalise_contrast` of the k-means rows (Coates, Ng & Lee, AISTATS 2011, section
    3), of whole images.

    extractor : of this package, or derived from `Extractor`; it is cloned, and fitted on the normalised images.
    spread : grey levels, above 0 and at most 128, that the deviation becomes.
    batch_size : images at a time. device : of the extractor; None leaves its own.

    Learned: `extractor_`, fitted.
    """

    def __init__(
        self, extractor: Any, spread: float = 50.0, batch_size: int = 512, device: str | torch.device | None = None
    ) -> None:
        self.extractor = extractor
        self.spread = spread
        self.batch_size = batch_size
        self.device = device

    def fit(self, images: Images, y: object = None) -> Self:
        """Fit the extractor on `images`, uint8 (n, height, width, channels), normalised. `y` is ignored.

        Raises ValueError for a spread out of range, and for an extractor that is none.
        """
        images = check_images(images)
        if not isinstance(self.spread, int | float) or not 0 < self.spread <= _GREY:
            raise ValueError(f"spread={self.spread!r} must be above 0 and at most {_GREY} grey levels")
        check_counts(batch_size=self.batch_size)
        starts, size = self.block_starts(images), self._block_size()
        normalised = np.concatenate([self._normalised(images[start : start + size]) for start in starts])
        return self._fit_inner(self.extractor, normalised, self.device)

    def _normalised(self, images: Images) -> Images:
        values = torch.from_numpy(np.array(images)).flatten(1).float()
        grey = normalise_contrast(values).mul_(self.spread).add_(_GREY).round_().clamp_(0, 255)
        normalised: Images = grey.to(torch.uint8).numpy().reshape(images.shape)
        return normalised

    def _block_size(self) -> int:
        return self.batch_size

    def _transform_block(self, images: Images) -> Tensor:
        features: Tensor = self.extractor_.transform_tensor(self._normalised(images), on_device=True)
        return features
