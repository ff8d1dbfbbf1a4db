"""k-means features that small movements of the image leave as they are: the row "View Invariant K-means".

A reconstruction of Hui, "Direct Modeling of Complex Invariances for Visual Object Features" (ICML 2013), from its
abstract: k-means whose assignment maximises over centroid and view, and features that are the maximum over views.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from dcgan_features.data.utils.checks import check_choice, check_pixels
from dcgan_features.data.utils.identity import known_as
from dcgan_features.features.base import DTYPES, REFLECTIONS, Images, as_tensor, join_reflection
from dcgan_features.features.kmeans.dictionary import Chooser, Dictionary, Progress, iterate, normalise_rows
from dcgan_features.features.kmeans.patches import Whitening, draw_patches, grid_edges, normalise_contrast, rectify_
from dcgan_features.features.kmeans.single_layer import KMeansFeatures
from dcgan_features.features.kmeans.views import all_views, crop_margin, view_operators, views_of_patches

_CROPS = 256  # crops whose views are made at a time
_CPU_UNITS = 640  # units a block: on the CPU an image's responses then stay in the cache


@known_as("features.view_invariant.ViewInvariantKMeansFeatures")
class ViewInvariantKMeansFeatures(KMeansFeatures):
    """Responses of a dictionary of patches, maximal over views, summed over a grid of cells and standardised.

    A unit's response at a position is the largest max(0, D'x - alpha) over the views x there: every combination of the
    rotations, the scales and the translations up to `translation` pixels each way. These are the views in learning
    too, where `reflection` doubles them. With `reflection` an image and its mirror image have the same features, the
    maximum or the mean of what the two give. Column (cell * units) + unit, cells row by row.

    Contrast is normalised in each view by itself. Rotated and scaled views cost a product of all units each, and so
    does the mirror image; translations only a maximum over neighbouring responses, which leaves 2 * `translation`
    positions fewer along a side. Beyond its edges the image is continued by its reflection.

    n_units : atoms of the dictionary.
    patch_size : pixels along a patch's side; patches are taken at stride 1.
    n_patches : patches, drawn from the fit images with a margin, from which whitening and dictionary are learnt.
    n_iter : passes over these patches.
    rotations : degrees; 0 is always among them.
    scales : above 1 sees more of the image; 1 is always among them.
    translation : pixels.
    reflection : "max" or "mean", over image and mirror image; None leaves mirror images out, in learning too. The mean
        is a departure from maxima over views: on training images it is worth some points, the maximum none.
    alpha : the threshold.
    pooling_grid : cells along each side over which responses are summed.
    standardise : (f - mean) / sqrt(var + 0.01), from `n_standardise` of the fit images.
    n_standardise : images for that estimate.
    dtype : "bfloat16" or "float32", of the products and of the features; views and whitening are float32.
    seed : of the patches, the start and the sample.
    batch_size : images at a time; None chooses for the device.
    device : None is the GPU where there is one, else the CPU.
    progress : called with (stage, done, total) during `fit`, stage "dictionary" or "standardisation".

    Learned: `atoms_` (n_units, d), `whitening_`, `standardisation_`, and `n_reseeded_`, the number of times that
    an atom which no patch chose was replaced.
    """

    encoder = "threshold"
    polarity_split = False

    def __init__(
        self,
        n_units: int = 6400,
        patch_size: int = 6,
        n_patches: int = 100_000,
        n_iter: int = 10,
        rotations: Sequence[float] = (),
        scales: Sequence[float] = (),
        translation: int = 1,
        reflection: str | None = "mean",
        alpha: float = 0.25,
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
        self.rotations = rotations
        self.scales = scales
        self.translation = translation
        self.reflection = reflection
        self.alpha = alpha
        self.pooling_grid = pooling_grid
        self.standardise = standardise
        self.n_standardise = n_standardise
        self.dtype = dtype
        self.seed = seed
        self.batch_size = batch_size
        self.device = device
        self.progress = progress

    def _check_parameters(self, images: Images) -> None:
        self._check_sizes(images)
        if self.reflection is not None:
            check_choice("reflection", self.reflection, REFLECTIONS)
        check_pixels(translation=self.translation)
        if not all(np.isfinite(angle) for angle in self.rotations):
            raise ValueError(f"rotations={self.rotations!r} must be numbers of degrees")
        if not all(np.isfinite(scale) and scale > 0 for scale in self.scales):
            raise ValueError(f"scales={self.scales!r} must be numbers above 0")
        crop = self.patch_size + 2 * self._margin(self.translation)
        if crop > min(images.shape[1:3]):
            raise ValueError(
                f"images of {images.shape[1:3]} are smaller than what the views of a patch need, {crop} x {crop}"
            )
        positions = min(images.shape[1:3]) - self.patch_size + 1 - 2 * self.translation
        if self.pooling_grid > positions:
            raise ValueError(f"pooling_grid={self.pooling_grid} is finer than the {positions} positions of the maxima")

    def _margin(self, translation: int) -> int:
        return crop_margin(self.patch_size, all_views(self.rotations, self.scales, translation))

    def _learn(self, images: Images, random: np.random.Generator) -> Dictionary:
        margin = self._margin(self.translation)
        side = self.patch_size + 2 * margin
        crops = draw_patches(images, side, self.n_patches, random).to(self.device_)
        crops = crops.view(self.n_patches, side, side, images.shape[3])
        inside = slice(margin, margin + self.patch_size)
        patches = self._fit_whitening(crops[:, inside, inside].flatten(1))
        views = all_views(self.rotations, self.scales, self.translation, self.reflection is not None)
        return view_kmeans(
            crops,
            patches,
            view_operators(self.patch_size, margin, views).to(self.device_),
            self.whitening_,
            self.n_units,
            self.n_iter,
            torch.Generator().manual_seed(self.seed),
            DTYPES[self.dtype],
            lambda done, total: self._report("dictionary", done, total),
        )

    def _prepare_encoder(self) -> None:
        super()._prepare_encoder()
        self.margin_ = self._margin(0)
        views = all_views(self.rotations, self.scales)
        self.operators_ = view_operators(self.patch_size, self.margin_, views).to(self.device_)

    def _pooled(self, images: Images) -> Tensor:
        """Maxima over views, summed over the cells, of image and mirror image: float32 (n, cells * units)."""
        pixels = as_tensor(images).to(self.device_).float()
        pooled = self._sums(pixels)
        if self.reflection is None:
            return pooled
        return join_reflection(pooled, self._sums(pixels.flip(2)), self.reflection)

    def _sums(self, pixels: Tensor) -> Tensor:
        """What `_pooled` gives for the images alone, without their mirror images."""
        padded = pad(pixels.permute(0, 3, 1, 2), (self.margin_,) * 4, mode="reflect").permute(0, 2, 3, 1)
        views = normalise_contrast(views_of_patches(padded, self.operators_))  # (n, rows, columns, views, d)
        n, rows, columns = views.shape[:3]
        inputs = [self._inputs(views[:, :, :, view].flatten(0, 2)) for view in range(len(self.operators_))]
        units = self.filters_.shape[1]
        on_cpu = self.device_.type == "cpu"
        together, step = (1, _CPU_UNITS) if on_cpu else (n, units)
        sums = torch.empty(n, self.pooling_grid**2, units, device=self.device_)
        for first in range(0, n, together):
            seen = [view[first * rows * columns : (first + together) * rows * columns] for view in inputs]
            for start in range(0, units, step):
                filters = self.filters_[:, start : start + step]
                responses = rectify_(_largest([view @ filters for view in seen]))
                maps = _largest_nearby(responses.view(-1, rows, columns, filters.shape[1]), self.translation)
                sums[first : first + together, :, start : start + step] = _sum_cells(maps, self.pooling_grid)
        return sums.flatten(1)


def _largest(responses: Sequence[Tensor]) -> Tensor:
    """The maximum of each element where it is positive, else a negative number; written into the first tensor.

    Compared as integers, which is much faster: positive floats sort as integers do.
    """
    result = _as_integers(responses[0])
    for other in responses[1:]:
        torch.maximum(result, _as_integers(other), out=result)
    return responses[0]


def _largest_nearby(maps: Tensor, distance: int) -> Tensor:
    """Maxima over the positions up to `distance` away each way, of maps >= 0: (n, rows, columns, units), smaller."""
    values = _as_integers(maps)
    for axis in (1, 2):
        size = values.shape[axis] - 2 * distance
        shifted = [values.narrow(axis, start, size) for start in range(2 * distance + 1)]
        values = functools.reduce(torch.maximum, shifted)
    return values.view(maps.dtype)


def _as_integers(values: Tensor) -> Tensor:
    return values.view(torch.int16 if values.dtype == torch.bfloat16 else torch.int32)


def _sum_cells(maps: Tensor, grid: int) -> Tensor:
    """Sums over the cells: (n, rows, columns, units) to (n, cells, units), cells row by row."""
    rows, columns = grid_edges(maps.shape[1], grid), grid_edges(maps.shape[2], grid)
    strips = [maps[:, top:bottom].sum(1) for top, bottom in itertools.pairwise(rows)]  # (n, columns, units) each
    cells = [strip[:, left:right].sum(1) for strip in strips for left, right in itertools.pairwise(columns)]
    return torch.stack(cells, dim=1).float()


def view_kmeans(
    crops: Tensor,
    patches: Tensor,
    operators: Tensor,
    whitening: Whitening,
    n_units: int,
    n_iter: int,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
    progress: Progress | None = None,
) -> Dictionary:
    """Unit atoms D that maximise the sum over crops of max D_k . T_v x over atoms k and views v.

    (k, v) = argmax D_k . T_v x, each view contrast-normalised and whitened; then D_k <- normalise(sum of T_v x), from
    patches drawn at random. An atom that wins no crop is replaced by a random patch.

    crops : float32 (n, height, width, channels), pixels. patches : float32 (n, d), what is in their middle, whitened.
    operators : of the views of such crops. n_iter : passes over the crops. generator : on the CPU. dtype : precision of
    the products that choose k for each view; the view is chosen in float32. progress : called with the passes done and
    in all.
    """

    def update(atoms: Tensor) -> tuple[Tensor, Tensor]:
        choose = Chooser(atoms, dtype)
        sums, counts = torch.zeros_like(atoms), atoms.new_zeros(n_units)
        for block in torch.split(crops, _CROPS):
            views = whitening(
                normalise_contrast(views_of_patches(block, operators).flatten(0, 3))
            )  # (crops * views, d)
            chosen = torch.cat([choose(part) for part in torch.split(views, choose.rows)])
            view = (views * atoms[chosen]).sum(1).view(len(block), -1).argmax(1)
            best = view + len(operators) * torch.arange(len(block), device=view.device)
            sums.index_add_(0, chosen[best], views[best])
            counts += torch.bincount(chosen[best], minlength=n_units)
        return sums, counts

    start = patches[torch.randperm(len(patches), generator=generator)[:n_units].to(patches.device)]
    return iterate([update] * n_iter, normalise_rows(start), patches, generator, progress, normalise_rows)
