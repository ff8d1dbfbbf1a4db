"""Features whose inner products are a Gaussian kernel, so that a linear classifier on them is a kernel machine."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

NEGLIGIBLE = 1e-10  # of the largest eigenvalue: directions below it are rounding, such as those of rows given twice
BLOCK_NUMBERS = 1 << 22  # kernel values at a time, float64
SAMPLE = 1000  # rows between which distances are measured for the median


class GaussianMap:
    """The Nystroem map phi with phi(x).phi(z) close to exp(-gamma |x - z|^2) (Williams & Seeger, NIPS 2000).

    The inner products are those of the kernel's projections on the span of the components: exact where x or z is a
    component, and everywhere when all rows are components.

    components : (m, d). gamma : > 0. Arithmetic is float64, on the components' device.
    """

    def __init__(self, components: Tensor, gamma: float) -> None:
        self.gamma = gamma
        self.components = components.double()
        values, vectors = torch.linalg.eigh(self._kernel(self.components))
        kept = values > NEGLIGIBLE * values[-1]
        self.whitening = vectors[:, kept] / values[kept].sqrt()

    @property
    def dimensions(self) -> int:
        """Of the features, at most m."""
        return int(self.whitening.shape[1])

    def __call__(self, rows: Tensor) -> Tensor:
        """float32 features (n, dimensions) of rows (n, d), on the components' device."""
        out = torch.empty(len(rows), self.dimensions, device=self.components.device)
        step = max(1, BLOCK_NUMBERS // len(self.components))
        for start in range(0, len(rows), step):
            block = rows[start : start + step].to(self.components.device, torch.float64)
            out[start : start + step] = self._kernel(block) @ self.whitening
        return out

    def _kernel(self, rows: Tensor) -> Tensor:
        norms = rows.square().sum(1)[:, None] + self.components.square().sum(1)
        return norms.addmm_(rows, self.components.T, alpha=-2).clamp_(min=0).mul_(-self.gamma).exp_()


def choose_gamma(gamma: float | str, rows: Tensor, random: np.random.RandomState) -> float:
    """The number that `gamma` stands for.

    "scale" : 1 / (d * variance of all the numbers in `rows`), as in scikit-learn's SVC.
    "median" : 1 / median squared distance between rows, of SAMPLE drawn ones.
    Rows that are all the same give 1. Raises ValueError for anything else that is not a finite number above 0.
    """
    if gamma == "scale":
        spread = rows.shape[1] * float(rows.var(correction=0))
    elif gamma == "median":
        drawn = rows[torch.from_numpy(random.permutation(len(rows))[:SAMPLE]).to(rows.device)].double()
        spread = float(torch.pdist(drawn).square().median()) if len(drawn) > 1 else 0.0
    elif isinstance(gamma, int | float | np.number) and not isinstance(gamma, bool) and 0 < gamma < np.inf:
        return float(gamma)
    else:
        raise ValueError(f"gamma={gamma!r} must be 'scale', 'median' or a finite number above 0")
    return 1 / spread if spread > 0 else 1.0
