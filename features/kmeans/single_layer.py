"""One layer of k-means features: the row "1 Layer K-means".

The control of Coates & Ng, "Selecting Receptive Fields in Deep Networks" (NIPS 2011): 4,800 atoms of 6 x 6 patches. The
paper leaves the details to its companions; what we reconstructed is in the docstrings here and in `patches`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np
import torch
from torch import Tensor

from dcgan_features.data.utils.checks import check_choice, check_counts
from dcgan_features.data.utils.devices import choose_device
from dcgan_features.data.utils.identity import known_as
from dcgan_features.features.base import DTYPES, Extractor, Images, as_tensor, check_images
from dcgan_features.features.kmeans.dictionary import Dictionary, euclidean_kmeans, gain_shape_kmeans
from dcgan_features.features.kmeans.patches import (
    Standardisation,
    Whitening,
    all_patches,
    cells_of_patches,
    draw_patches,
    fold_offset,
    normalise_contrast,
    rectify_,
)

_ALGORITHMS = {"gain-shape": gain_shape_kmeans, "euclidean": euclidean_kmeans}
_ENCODERS = ["threshold", "triangle"]
_CPU_BATCH, _CUDA_BATCH = 16, 256  # images a block: on the CPU a block of responses then stays in the cache
_CPU_UNITS = 400  # units a block, for the same reason


@known_as("features.kmeans.KMeansFeatures")
class KMeansFeatures(Extractor):
    """Responses of a dictionary of patches, summed over a grid of cells and standardised.

    Column (cell * units) + unit, cells row by row; with `polarity_split` the units' negatives follow the units.

    Parameters
    ----------
    n_units : int, default 4800
        Atoms of the dictionary.
    patch_size : int, default 6
        Pixels along a patch's side; patches are taken at stride 1.
    n_patches : int, default 400000
        Patches, drawn from the fit images, from which whitening and dictionary are learnt.
    n_iter : int, default 10
        Iterations over these patches.
    algorithm : str, default "gain-shape"
        "gain-shape" (spherical, OMP-1) or "euclidean".
    encoder : str, default "threshold"
        "threshold", max(0, D'x - alpha), or "triangle", max(0, mean of the distances - distance).
    alpha : float, default 0.25
        The threshold; unused by "triangle".
    polarity_split : bool, default False
        Encode max(0, D'x - alpha) and max(0, -D'x - alpha); for "threshold" only.
    pooling_grid : int, default 2
        Cells along each side over which responses are summed.
    standardise : bool, default True
        (f - mean) / sqrt(var + 0.01), from `n_standardise` of the fit images.
    n_standardise : int, default 10000
        Images for that estimate; a sample, since all would cost as much time as `transform`.
    dtype : str, default "bfloat16"
        "bfloat16" or "float32", of the products (sums, whitening and gains are float32) and of the features.
    seed : int, default 0
        Of the patches, the start and the sample.
    batch_size : int or None, default None
        Images at a time; None chooses for the device.
    device : str, torch.device or None, default None
        None is the GPU where there is one, else the CPU.
    progress : callable or None, default None
        Called with (stage, done, total) during `fit`, stage "dictionary" or "standardisation".

    Attributes
    ----------
    atoms_ : Tensor, (n_units, d)
        The dictionary.
    whitening_ : Whitening
        Of patches.
    standardisation_ : Standardisation or None
        Of the features.
    n_reseeded_ : int
        How often an atom which no patch chose was replaced.

    Examples
    --------
    >>> import numpy as np
    >>> from dcgan_features.features import KMeansFeatures
    >>> images = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    >>> extractor = KMeansFeatures(n_units=8, n_patches=500, n_iter=2, n_standardise=20)
    >>> extractor.fit_transform(images).shape  # 8 units in 2 x 2 cells
    (20, 32)
    """

    speed_only = (*Extractor.speed_only, "progress")

    def __init__(
        self,
        n_units: int = 4800,
        patch_size: int = 6,
        n_patches: int = 400_000,
        n_iter: int = 10,
        algorithm: str = "gain-shape",
        encoder: str = "threshold",
        alpha: float = 0.25,
        polarity_split: bool = False,
        pooling_grid: int = 2,
        standardise: bool = True,
        n_standardise: int = 10_000,
        dtype: str = "bfloat16",
        seed: int = 0,
        batch_size: int | None = None,
        device: str | torch.device | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> None:
        self.n_units = n_units
        self.patch_size = patch_size
        self.n_patches = n_patches
        self.n_iter = n_iter
        self.algorithm = algorithm
        self.encoder = encoder
        self.alpha = alpha
        self.polarity_split = polarity_split
        self.pooling_grid = pooling_grid
        self.standardise = standardise
        self.n_standardise = n_standardise
        self.dtype = dtype
        self.seed = seed
        self.batch_size = batch_size
        self.device = device
        self.progress = progress

    def fit(self, images: Images, y: object = None) -> Self:
        """Learn whitening, dictionary and standardisation from `images`, uint8 (n, height, width, channels).

        Raises ValueError for unusable parameters, images smaller than the patch and images without contrast.
        """
        images = check_images(images)
        self._check_parameters(images)
        self.device_ = choose_device(self.device, self.dtype)
        random = np.random.default_rng(self.seed)
        dictionary = self._learn(images, random)
        self.atoms_, self.n_reseeded_ = dictionary.atoms, dictionary.n_reseeded
        self._prepare_encoder()
        self.standardisation_ = None
        self._fitted(images, self.pooling_grid**2 * len(self.filters_.T), self.dtype)
        if self.standardise:
            chosen = np.sort(random.permutation(len(images))[: self.n_standardise])
            self.standardisation_ = self._fit_standardisation(images[chosen])
        return self

    def _learn(self, images: Images, random: np.random.Generator) -> Dictionary:
        """Learn `whitening_` and the dictionary from patches of the images."""
        patches = self._fit_whitening(draw_patches(images, self.patch_size, self.n_patches, random).to(self.device_))
        return _ALGORITHMS[self.algorithm](
            patches,
            self.n_units,
            self.n_iter,
            torch.Generator().manual_seed(self.seed),
            DTYPES[self.dtype],
            lambda done, total: self._report("dictionary", done, total),
        )

    def _fit_whitening(self, raw: Tensor) -> Tensor:
        """Learn `whitening_` from patches of pixels, float32 (n, d); what it makes of them."""
        if bool((raw == raw[:, :1]).all()):
            raise ValueError("every patch drawn is of one constant colour: such images hold nothing to learn")
        patches = normalise_contrast(raw)
        del raw
        self.whitening_ = Whitening.fit(patches)
        return self.whitening_(patches)

    def _check_parameters(self, images: Images) -> None:
        check_choice("algorithm", self.algorithm, list(_ALGORITHMS))
        check_choice("encoder", self.encoder, _ENCODERS)
        if self.polarity_split and self.encoder == "triangle":
            raise ValueError("polarity_split goes with encoder='threshold': a distance has no sign")
        self._check_sizes(images)

    def _check_sizes(self, images: Images) -> None:
        check_choice("dtype", self.dtype, list(DTYPES))
        check_counts(
            **{
                name: getattr(self, name)
                for name in ("n_units", "patch_size", "n_patches", "n_iter", "pooling_grid", "n_standardise")
            }
        )
        if self.batch_size is not None:
            check_counts(batch_size=self.batch_size)
        if not np.isfinite(self.alpha) or self.alpha < 0:
            raise ValueError(f"alpha={self.alpha!r} must be a number of at least 0")
        if self.n_patches < self.n_units:
            raise ValueError(f"n_patches={self.n_patches} is too few for n_units={self.n_units} atoms")
        positions = min(images.shape[1:3]) - self.patch_size + 1
        if positions < 1:
            raise ValueError(
                f"images of {images.shape[1:3]} are smaller than the patches, patch_size={self.patch_size}"
            )
        if self.pooling_grid > positions:
            raise ValueError(f"pooling_grid={self.pooling_grid} is finer than the {positions} positions of a patch")

    def _report(self, stage: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(stage, done, total)

    def _prepare_encoder(self) -> None:
        """Filters of which a product gives all but the last step of the code.

        threshold : D'(x W - m W) - alpha is x (W D) plus a constant, so whitening is folded into the dictionary.
        triangle : |x - c|^2 is |c|^2 - 2 c'x plus a number of the patch, which is added in float32: in bfloat16 it
        would drown the differences between units.
        """
        if self.encoder == "threshold":
            atoms = torch.cat([self.atoms_, -self.atoms_]) if self.polarity_split else self.atoms_
            filters = self.whitening_.matrix @ atoms.T  # (d, units)
            offset = -(self.whitening_.mean @ filters) - self.alpha
        else:
            filters = -2 * self.atoms_.T  # (d, units)
            offset = self.atoms_.square().sum(1)
        self.filters_ = fold_offset(filters, offset, DTYPES[self.dtype])

    def _fit_standardisation(self, images: Images) -> Standardisation:
        pooled = torch.empty(len(images), self.n_features_out_, dtype=torch.float32, device=self.device_)
        step = self._block_size()
        for start in range(0, len(images), step):
            block = images[start : start + step]
            pooled[start : start + len(block)] = self._pooled(block)
            self._report("standardisation", start + len(block), len(images))
        return Standardisation.fit(pooled)

    def _block_size(self) -> int:
        return self.batch_size or (_CUDA_BATCH if self.device_.type == "cuda" else _CPU_BATCH)

    def _transform_block(self, images: Images) -> Tensor:
        pooled = self._pooled(images)
        if self.standardisation_ is not None:
            pooled = self.standardisation_(pooled)
        return pooled.to(self.feature_dtype_).cpu()

    def _pooled(self, images: Images) -> Tensor:
        """Responses summed over the cells, float32 (n, cells * units)."""
        encode = self._threshold if self.encoder == "threshold" else self._triangle
        cells = cells_of_patches(images, self.patch_size, self.pooling_grid, self.device_)
        return torch.cat([encode(cell) for cell in cells], dim=1)

    def layer_maps(self, images: Images) -> list[Tensor]:
        """The responses at each position of a patch before pooling: one (n, units, rows, columns), in a list.

        images : uint8 (n, height, width, channels), few enough for the responses to fit in memory. "threshold" only.
        """
        if self.encoder != "threshold":
            raise ValueError(f"the encoder {self.encoder} has no maps; only those of 'threshold' can be had")
        with torch.inference_mode():
            patches = all_patches(as_tensor(images).to(self.device_).float(), self.patch_size)
            n, rows, columns = patches.shape[:3]
            inputs = self._inputs(normalise_contrast(patches.reshape(n * rows * columns, -1)))
            return [rectify_(inputs @ self.filters_).view(n, rows, columns, -1).permute(0, 3, 1, 2)]

    def _inputs(self, patches: Tensor) -> Tensor:
        """Patches (rows, d), then two ones and zeros up to the filters' length, in their dtype."""
        rows, length = patches.shape
        inputs = torch.zeros(rows, len(self.filters_), dtype=self.filters_.dtype, device=self.device_)
        inputs[:, :length] = patches
        inputs[:, length : length + 2] = 1
        return inputs

    def _threshold(self, patches: Tensor) -> Tensor:
        """Sum of max(0, D'x - alpha): (n, positions, d) to (n, units)."""
        n, positions, _ = patches.shape
        units = self.filters_.shape[1]
        inputs = self._inputs(patches.flatten(0, 1))
        step = units if self.device_.type == "cuda" else _CPU_UNITS
        return torch.cat(
            [
                rectify_(inputs @ self.filters_[:, start : start + step]).view(n, positions, -1).sum(1).float()
                for start in range(0, units, step)
            ],
            dim=1,
        )

    def _triangle(self, patches: Tensor) -> Tensor:
        """Sum of max(0, mean distance - distance), Coates et al. (2011): (n, positions, d) to (n, units)."""
        n, positions, _ = patches.shape
        whitened = self.whitening_(patches.flatten(0, 1))
        square = whitened.square().sum(1, keepdim=True)
        rows = positions * (n if self.device_.type == "cuda" else 1)  # an image's distances just fit into the cache
        pooled = []
        for block, length in zip(torch.split(self._inputs(whitened), rows), torch.split(square, rows), strict=True):
            distances = (block @ self.filters_).float().add_(length).clamp_min_(0).sqrt_()
            distances = distances.view(-1, positions, self.filters_.shape[1])
            mean = distances.mean(2, keepdim=True)
            # max(0, mean - distance) is mean - min(mean, distance), and takes a pass less.
            pooled.append(mean.sum(1) - torch.minimum(distances, mean, out=distances).sum(1))
        return torch.cat(pooled)
