"""Second moments of a frozen network's maps on their leading principal directions.

Second-order pooling keeps how a layer's maps go together within a cell of the picture, where the maximum keeps each by
itself: Carreira, Caseiro, Batista & Sminchisescu, "Semantic segmentation with second-order pooling", ECCV 2012; Lin,
RoyChowdhury & Maji, "Bilinear CNN models for fine-grained visual recognition", ICCV 2015; with a matrix square root Li,
Xie, Wang & Zuo, "Is second-order information helpful for large-scale visual recognition?", ICCV 2017.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, Self, runtime_checkable

import torch
from sklearn.base import clone
from torch import Tensor
from torch.nn import functional

from dcgan_features.data.utils.checks import check_choice, check_counts
from dcgan_features.data.utils.devices import choose_device
from dcgan_features.features.base import DTYPES, Extractor, Images, as_tensor, check_images
from dcgan_features.features.discriminator.pooling import pool_to_grid, signed_power
from dcgan_features.features.kmeans.patches import grid_edges
from dcgan_features.features.kmeans.views import move
from dcgan_features.gan.batch_norm import evenly_spaced

NORMALISATIONS = ["root", "matrix-root", "none"]
_CPU_BATCH, _CUDA_BATCH = 64, 512
_POSITIONS = 30  # of an image's positions in a layer, drawn for the principal directions
_FLOOR = 1e-3  # of the largest variance, added to each direction's before it is divided by


@runtime_checkable
class HasLayerMaps(Protocol):
    """An extractor that gives the maps it pools: `fit(images)`, then `layer_maps`."""

    def layer_maps(self, images: Images) -> list[Tensor]:
        """The maps of each layer, (n, maps, height, width), of uint8 images (n, height, width, channels)."""
        ...


class SecondOrderFeatures(Extractor):
    """Second moments of each chosen layer's maps in cells of the picture, averaged over views.

    A layer's values at a position are centred, projected on their `rank` leading principal directions and divided by
    the square root of each direction's variance: z. A cell's features are the upper triangle, row by row, of the mean
    of z z' over its positions and over the views. Blocks follow one another: layer by layer, in a layer cell by cell,
    row by row; last, with `first_order`, the maxima of the maps of all of the network's layers, as
    `DiscriminatorFeatures` has them.

    network : an extractor with `layer_maps`, of whose maps the moments are taken: `DiscriminatorFeatures`,
        `RandomDiscriminator`, `ExemplarCNNFeatures`, `KMeansFeatures` or `LayeredKMeansFeatures`. It is cloned, and
        fitted on the images that `fit` is given; its own pooling is not used.
    layers : positions in its list of layers, from 0; None is all.
    rank : directions of each layer, one number for all or one each; at most the layer's maps.
    cells : cells along each side, one number for all or one each; at most the layer's positions along a side.
    normalisation : "root", the signed square root of each feature; "matrix-root", the square root of each cell's matrix
        of moments, then that of its entries; "none".
    first_order : add the block of maxima over grid x grid cells and over the views, in signed square roots, its layers
        at equal variance.
    weights : one above 0 for each layer's block, and a last one for the maxima where they are there. A block's mean
        squared distance from its mean is in proportion to its weight, and all together are 1. None leaves the moments
        as they are, and the maxima at 1.
    grid : cells along each side of the block of maxima.
    flip : take the horizontal flip of each view, too.
    shifts : views: pixels (down, right) by which the image is moved, its edges continued by reflection.
    n_images : at most so many of the fit images, evenly spaced, give directions and norms.
    seed : of the positions drawn for the directions.
    dtype : "bfloat16" or "float32", of the projection and of the features; moments are float32.
    batch_size : images at a time; None chooses for the device.
    device : None is the GPU where there is one, else the CPU.

    Learned: `network_`; `directions_` and `offsets_`, for each layer float32 (rank, maps) and (rank,), so that
    z = directions @ maps + offsets; `layers_`, `ranks_` and `cells_`; `widths_` and `scales_`, columns and factor of
    each layer's moments and then of each layer's maxima.
    """

    def __init__(
        self,
        network: Any,
        layers: Sequence[int] | None = None,
        rank: int | Sequence[int] = 112,
        cells: int | Sequence[int] = 2,
        normalisation: str = "root",
        first_order: bool = False,
        weights: Sequence[float] | None = None,
        grid: int = 4,
        flip: bool = True,
        shifts: Sequence[tuple[int, int]] = ((0, 0), (2, 2), (-2, -2)),
        n_images: int = 2_000,
        seed: int = 0,
        dtype: str = "bfloat16",
        batch_size: int | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        self.network = network
        self.layers = layers
        self.rank = rank
        self.cells = cells
        self.normalisation = normalisation
        self.first_order = first_order
        self.weights = weights
        self.grid = grid
        self.flip = flip
        self.shifts = shifts
        self.n_images = n_images
        self.seed = seed
        self.dtype = dtype
        self.batch_size = batch_size
        self.device = device

    def fit(self, images: Images, y: object = None) -> Self:
        """Fit the network's extractor, then directions and norms, on `images`, uint8 (n, height, width, channels).

        `y` is ignored. Raises ValueError for parameters that do not suit the network or the images.
        """
        self._check_parameters()
        images = check_images(images)
        for down, right in self.shifts:
            if abs(down) >= images.shape[1] or abs(right) >= images.shape[2]:
                raise ValueError(f"the shift ({down}, {right}) moves images of {images.shape[1:3]} out of sight")
        self.device_ = choose_device(self.device, self.dtype)
        self.network_ = clone(self.network).set_params(device=self.device, dtype=self.dtype).fit(images)
        sample = evenly_spaced(images, self.n_images)
        sizes = [tuple(maps.shape[1:]) for maps in self.network_.layer_maps(images[:1])]
        self._choose(sizes)
        self._fit_directions(sample)
        self._fitted(images, sum(self.widths_), self.dtype)
        self._fit_scales(sample)
        return self

    def _check_parameters(self) -> None:
        if not isinstance(self.network, HasLayerMaps) or not isinstance(self.network, Extractor):
            raise ValueError(
                "network must be an extractor with layer_maps, such as DiscriminatorFeatures, "
                f"not {type(self.network).__name__}"
            )
        check_choice("normalisation", self.normalisation, NORMALISATIONS)
        check_choice("dtype", self.dtype, list(DTYPES))
        optional = {} if self.batch_size is None else {"batch_size": self.batch_size}
        check_counts(grid=self.grid, n_images=self.n_images, **optional)
        if not self.shifts:
            raise ValueError("shifts is empty; (0, 0) is the image itself")

    def _choose(self, sizes: list[tuple[int, ...]]) -> None:
        """Settle layers, ranks, cells and blocks for maps of these sizes, (maps, height, width) each."""
        layers = list(range(len(sizes))) if self.layers is None else list(self.layers)
        if not layers or len(set(layers)) < len(layers) or any(index not in range(len(sizes)) for index in layers):
            raise ValueError(
                f"layers={self.layers!r} must be different indices of the network's layers, 0 to {len(sizes) - 1}"
            )
        self.layers_ = layers
        self.ranks_ = self._each("rank", self.rank)
        self.cells_ = self._each("cells", self.cells)
        for layer, rank, cells in zip(layers, self.ranks_, self.cells_, strict=True):
            maps, *sides = sizes[layer]
            if rank > maps:
                raise ValueError(f"rank={rank} is more than layer {layer}'s {maps} maps")
            if cells > min(sides):
                raise ValueError(f"cells={cells} is finer than layer {layer}'s maps, {sides[0]} x {sides[1]}")
        self.widths_ = [cells**2 * rank * (rank + 1) // 2 for rank, cells in zip(self.ranks_, self.cells_, strict=True)]
        if self.first_order:
            if self.grid > min(min(sides) for _, *sides in sizes):
                raise ValueError(f"grid={self.grid} is finer than the smallest layer's maps")
            self.widths_ += [maps * self.grid**2 for maps, *_ in sizes]
        blocks = len(layers) + bool(self.first_order)
        if self.weights is not None and (
            len(self.weights) != blocks or not all(0 < weight < math.inf for weight in self.weights)
        ):
            raise ValueError(f"weights={self.weights!r} must be a number above 0 for each of {blocks} blocks")

    def _each(self, name: str, value: int | Sequence[int]) -> list[int]:
        values = [value] * len(self.layers_) if isinstance(value, int) else list(value)
        if len(values) != len(self.layers_):
            raise ValueError(f"{name}={value!r} must be one number, or one for each of {len(self.layers_)} layers")
        for item in values:
            check_counts(**{name: item})
        return values

    def _fit_directions(self, images: Images) -> None:
        """Principal directions of each chosen layer's values at positions drawn from the images."""
        generator = torch.Generator().manual_seed(self.seed)
        drawn: list[list[Tensor]] = [[] for _ in self.layers_]
        for start in range(0, len(images), self._block_size()):
            maps = self.network_.layer_maps(images[start : start + self._block_size()])
            for kept, layer in zip(drawn, self.layers_, strict=True):
                values = maps[layer].flatten(2).transpose(1, 2)  # (n, positions, maps)
                order = torch.rand(values.shape[:2], generator=generator).argsort(1)[:, :_POSITIONS]
                own = order.to(values.device)[:, :, None].expand(-1, -1, values.shape[2])
                kept.append(values.gather(1, own).flatten(0, 1))
        self.directions_, self.offsets_ = [], []
        for kept, rank in zip(drawn, self.ranks_, strict=True):
            directions, offsets = whitened_directions(torch.cat(kept).float(), rank)
            self.directions_.append(directions)
            self.offsets_.append(offsets)

    def _fit_scales(self, images: Images) -> None:
        """What the blocks are multiplied by, from their variances on these images; the maxima's are one a layer."""
        self.scales_ = torch.ones(len(self.widths_))
        count = len(self.layers_)
        maxima = len(self.widths_) - count
        if self.weights is None:
            shares = torch.cat([torch.full((count,), math.nan), torch.full((maxima,), 1 / max(maxima, 1))])
        else:
            given = torch.tensor([float(weight) for weight in self.weights]) / sum(self.weights)
            shares = torch.cat([given[:count], (given[count:] / max(maxima, 1)).expand(maxima)])
        if bool(shares.isnan().all()):
            return
        raw = torch.cat([block.cpu() for block in self.transform_blocks(images)])
        for index, block in enumerate(torch.split(raw, self.widths_, dim=1)):
            variance = float(torch.var(block.float(), 0, correction=0).sum(dtype=torch.float64))
            if variance > 0 and not math.isnan(shares[index]):
                self.scales_[index] = math.sqrt(float(shares[index]) / variance)

    def _block_size(self) -> int:
        return self.batch_size or (_CUDA_BATCH if self.device_.type == "cuda" else _CPU_BATCH)

    def _views(self, images: Images) -> Iterator[Images]:
        pixels = as_tensor(images)
        for mirrored, (down, right) in itertools.product([False, True] if self.flip else [False], self.shifts):
            yield move(pixels.flip(2) if mirrored else pixels, down, right).numpy()

    def _transform_block(self, images: Images) -> Tensor:
        projected: list[list[Tensor]] = [[] for _ in self.layers_]
        maxima: list[Tensor] = []
        for view in self._views(images):
            maps = self.network_.layer_maps(view)
            for index, layer in enumerate(self.layers_):
                projected[index].append(self._project(maps[layer], index))
            if self.first_order:
                pooled = [pool_to_grid(own, self.grid).flatten(1) for own in maps]
                maxima = [torch.maximum(*pair) for pair in zip(maxima, pooled, strict=True)] if maxima else pooled
        blocks = [
            normalised_moments(cell_moments(torch.stack(views, dim=1), cells), self.normalisation)
            for views, cells in zip(projected, self.cells_, strict=True)
        ]
        blocks += [signed_power(own, 0.5).float() for own in maxima]
        scaled = [block * scale for block, scale in zip(blocks, self.scales_.tolist(), strict=True)]
        return torch.cat(scaled, dim=1).to(self.feature_dtype_)

    def _project(self, maps: Tensor, index: int) -> Tensor:
        """Project every position: (n, maps, height, width) to z, float32 (n, height, width, rank)."""
        directions, offsets = self.directions_[index].to(maps.dtype), self.offsets_[index].to(maps.dtype)
        return functional.linear(maps.permute(0, 2, 3, 1), directions, offsets).float()


def whitened_directions(values: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Principal directions over the square roots of their variances, (rank, d), and offsets (rank,).

    values : float32 (n, d). directions @ value + offsets is the centred value's, each variance near 1: a thousandth of
    the largest is added to each, so that directions of hardly any variance stay small. Computed in float64; a
    direction's largest entry is positive.
    """
    mean = values.mean(0, dtype=torch.float64)
    covariance = torch.zeros(len(mean), len(mean), dtype=torch.float64, device=values.device)
    for piece in torch.split(values, 16384):
        centred = piece.double() - mean
        covariance += centred.T @ centred
    variances, vectors = torch.linalg.eigh(covariance / len(values))
    if variances[-1] <= 0:
        raise ValueError("a layer's maps are the same at all positions: they have no principal directions")
    variances, vectors = variances.flip(0)[:rank].clamp_min(0), vectors.flip(1)[:, :rank]
    vectors = vectors * vectors.gather(0, vectors.abs().argmax(0, keepdim=True)).sign()
    directions = (vectors / (variances + _FLOOR * variances[0]).sqrt()).T
    return directions.float(), -(directions @ mean).float()


def cell_moments(values: Tensor, cells: int) -> Tensor:
    """The mean of z z' over each cell's positions and all views, (n, cells^2, d, d), cells row by row.

    values : float32 (n, views, height, width, d).
    """
    rows, columns = grid_edges(values.shape[2], cells), grid_edges(values.shape[3], cells)
    products = []
    for top, bottom in itertools.pairwise(rows):
        for left, right in itertools.pairwise(columns):
            own = values[:, :, top:bottom, left:right].flatten(1, 3)
            products.append(own.transpose(1, 2) @ own / own.shape[1])
    return torch.stack(products, dim=1)


def normalised_moments(products: Tensor, normalisation: str) -> Tensor:
    """The upper triangles of moments (n, cells, d, d), row by row: float32 (n, cells * d * (d + 1) / 2).

    normalisation : one of `NORMALISATIONS`.
    """
    if normalisation == "matrix-root":
        products = matrix_root(products)
    row, column = torch.triu_indices(products.shape[-1], products.shape[-1], device=products.device)
    features = products[:, :, row, column].flatten(1)
    return features if normalisation == "none" else signed_power(features, 0.5)


def matrix_root(matrices: Tensor) -> Tensor:
    """The square roots of symmetric positive semidefinite matrices (..., d, d), by their eigenvalues: Li et al. (2017).

    Eigenvalues below 0, which rounding leaves, count as 0.
    """
    values, vectors = torch.linalg.eigh(matrices)
    roots: Tensor = (vectors * values.clamp_min(0).sqrt()[..., None, :]) @ vectors.mT
    return roots
