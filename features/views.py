"""Several views of an image as one: the features of an image, its flip and its moves, joined, of any extractor."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from dcgan_features.data.utils.checks import check_choice
from dcgan_features.features.base import Extractor, Images, check_images
from dcgan_features.features.discriminator.pooling import signed_power
from dcgan_features.features.kmeans.views import move

JOINS = ["max", "mean"]


class ViewFeatures(Extractor):
    """The features of an image's views by any extractor, joined, then raised to a power.

    With it test-time views and power normalisation, which `DiscriminatorFeatures` has built in, can be had of k-means,
    of an Exemplar-CNN or of a class of one's own, so that systems are compared at equal views. Krizhevsky et al.
    (NIPS 2012) average predictions over views; the maximum of features, and powers below 1 (Perronnin, Sanchez &
    Mensink, ECCV 2010), are those of the rows of table 1.

    extractor : of this package, or derived from `Extractor`; it is cloned, and fitted on the images as they are.
    flip : take the horizontal flip of each view, too.
    shift : pixels by which the image is moved up, down, left and right for four more views; 0: none.
    join : "max" or "mean" of the views, feature by feature.
    power : of the absolute value, which keeps its sign, 0 < power <= 1; 1 leaves the features as they are.
    batch_size : images at a time. device : of the extractor; None leaves its own.

    Learned: `extractor_`, fitted.
    """

    def __init__(
        self,
        extractor: Any,
        flip: bool = True,
        shift: int = 0,
        join: str = "max",
        power: float = 1.0,
        batch_size: int = 512,
        device: str | torch.device | None = None,
    ) -> None:
        self.extractor = extractor
        self.flip = flip
        self.shift = shift
        self.join = join
        self.power = power
        self.batch_size = batch_size
        self.device = device

    def fit(self, images: Images, y: object = None) -> Self:
        """Fit the extractor on `images`, uint8 (n, height, width, channels). `y` is ignored.

        Raises ValueError for parameters out of range, and for an extractor that is none.
        """
        check_choice("join", self.join, JOINS)
        images = check_images(images)
        if not 0 < self.power <= 1:
            raise ValueError(f"power={self.power!r} must be above 0 and at most 1")
        if not 0 <= self.shift < min(images.shape[1:3]):
            raise ValueError(
                f"shift={self.shift!r} must be from 0 to below {min(images.shape[1:3])}, the images' pixels"
            )
        return self._fit_inner(self.extractor, images, self.device)

    def _block_size(self) -> int:
        return self.batch_size

    def _transform_block(self, images: Images) -> Tensor:
        first, *others = self._views(images)
        joined = self.extractor_.transform_tensor(first, on_device=True).float()
        for view in others:
            features = self.extractor_.transform_tensor(view, on_device=True).float()
            joined = torch.maximum(joined, features) if self.join == "max" else joined + features
        if self.join == "mean":
            joined = joined / (1 + len(others))
        if self.power != 1:
            joined = signed_power(joined, self.power)
        typed: Tensor = joined.to(self.feature_dtype_)
        return typed

    def _views(self, images: Images) -> list[Images]:
        moves = [(0, 0)]
        if self.shift:
            moves += [(self.shift, 0), (-self.shift, 0), (0, self.shift), (0, -self.shift)]
        pixels = torch.from_numpy(np.array(images))
        moved = [move(pixels, *place).numpy() for place in moves]
        return [turned for view in moved for turned in ([view, view[:, :, ::-1]] if self.flip else [view])]
