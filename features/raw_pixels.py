"""The control that extracts nothing: the pixels themselves."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from features.base import Extractor, Images, as_tensor, check_images


class RawPixels(Extractor):
    """Pixels scaled to -1..1, flattened by rows, columns, then channels: float32 (n, height * width * channels)."""

    def fit(self, images: Images, y: object = None) -> Self:
        """Note the size of the images; nothing is learned."""
        images = check_images(images)
        return self._fitted(images, images[0].size, "float32")

    def _transform_block(self, images: Images) -> Tensor:
        return as_tensor(images).flatten(1).to(torch.float32).div_(127.5).sub_(1.0)
