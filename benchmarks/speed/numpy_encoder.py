"""The k-means encoders written with NumPy alone, which `python -m benchmarks.speed kmeans` measures ours against."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from dcgan_features.features import KMeansFeatures
from dcgan_features.features.base import Images
from dcgan_features.features.kmeans.patches import CONTRAST_VARIANCE, grid_edges

FloatArray = npt.NDArray[np.float32]


class NumpyEncoder:
    """What `KMeansFeatures` computes, as one BLAS product for each block of images and NumPy's own loops in place.

    Whitening and threshold are folded into the dictionary, so that "threshold" needs no second product.
    """

    def __init__(self, fitted: KMeansFeatures, block: int = 4) -> None:
        self.block, self.encoder = block, fitted.encoder
        self.side, self.grid = fitted.patch_size, fitted.pooling_grid
        self.mean, self.matrix = fitted.whitening_.mean.numpy(), fitted.whitening_.matrix.numpy()
        atoms = fitted.atoms_.numpy()
        self.filters = np.ascontiguousarray(self.matrix @ atoms.T if self.encoder == "threshold" else -2 * atoms.T)
        self.offset = (
            -(self.mean @ self.filters) - np.float32(fitted.alpha)
            if self.encoder == "threshold"
            else np.square(atoms).sum(1)
        )

    def transform(self, images: Images) -> FloatArray:
        """Responses summed over the grid's cells, float32 (n, cells * units)."""
        return np.concatenate(
            [self._encode(images[start : start + self.block]) for start in range(0, len(images), self.block)]
        )

    def _encode(self, images: Images) -> FloatArray:
        windows = sliding_window_view(
            images, (self.side, self.side), axis=(1, 2)
        )  # (n, rows, columns, channels, side, side)
        n, rows, columns = windows.shape[:3]
        patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(n * rows * columns, -1).astype(np.float32)
        patches -= patches.mean(1, keepdims=True)
        squares = np.einsum("ij,ij->i", patches, patches) / (patches.shape[1] - 1)
        patches /= np.sqrt(squares + CONTRAST_VARIANCE)[:, None]
        code = self._threshold(patches) if self.encoder == "threshold" else self._triangle(patches)
        code = code.reshape(n, rows, columns, -1)
        down, across = grid_edges(rows, self.grid), grid_edges(columns, self.grid)
        cells = [
            code[:, down[row] : down[row + 1], across[column] : across[column + 1]].sum((1, 2))
            for row in range(self.grid)
            for column in range(self.grid)
        ]
        return np.concatenate(cells, axis=1)

    def _threshold(self, patches: FloatArray) -> FloatArray:
        code: FloatArray = patches @ self.filters
        code += self.offset
        np.maximum(code, 0, out=code)
        return code

    def _triangle(self, patches: FloatArray) -> FloatArray:
        white = (patches - self.mean) @ self.matrix
        code: FloatArray = white @ self.filters
        code += self.offset
        code += np.einsum("ij,ij->i", white, white)[:, None]
        np.sqrt(np.maximum(code, 0, out=code), out=code)
        np.subtract(code.mean(1, keepdims=True), code, out=code)
        np.maximum(code, 0, out=code)
        return code
