"""A scikit-learn pipeline that begins with images: an extractor, then transformers of its features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import clone
from torch import Tensor

from dcgan_features.features.base import Images


@dataclass
class PipelineFeatures:
    """Features by a pipeline whose first step takes images and whose last transforms; a copy of it is fitted.

    pipeline : an `sklearn.pipeline.Pipeline`, unfitted or fitted. Its steps are fitted without labels, so that none may
    need them.
    """

    pipeline: Any

    def fit(self, images: Images, y: object = None) -> Self:
        """Fit the steps on images, uint8 (n, height, width, channels)."""
        self._fitted = clone(self.pipeline).fit(images)
        return self

    def transform(self, images: Images) -> np.ndarray[Any, Any] | Tensor:
        """Features (n, d)."""
        made: np.ndarray[Any, Any] | Tensor = self._fitted.transform(images)
        return made
