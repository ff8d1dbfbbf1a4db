"""Layers of k-means features with learned receptive fields: the row "3 Layer K-means Learned RF".

Coates & Ng, "Selecting Receptive Fields in Deep Networks" (NIPS 2011).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor

from dcgan_features.data.utils.checks import check_choice, check_counts
from dcgan_features.data.utils.devices import choose_device
from dcgan_features.data.utils.identity import known_as
from dcgan_features.features.base import DTYPES, Extractor, Images, as_tensor, check_images
from dcgan_features.features.kmeans.dictionary import gain_shape_kmeans
from dcgan_features.features.kmeans.map_layers import (
    SIDE,
    GroupLayer,
    PatchLayer,
    cut_neighbourhoods,
    map_sizes,
    sum_cells,
)
from dcgan_features.features.kmeans.patches import Standardisation, Whitening, draw_patches, normalise_contrast
from dcgan_features.features.kmeans.receptive_fields import learned_groups, random_groups, square_correlation

_RECEPTIVE_FIELDS = ["learned", "random", "single"]
_CONTRAST_SHARE = 0.1  # of the mean variance of a group's inputs, added to the variance when contrast is normalised
_CPU_BATCH, _CUDA_BATCH = 8, 128  # images a block: on the CPU what a group sees then stays in the cache


@known_as("features.layered_kmeans.LayeredKMeansFeatures")
class LayeredKMeansFeatures(Extractor):
    """Maps of k-means layers, each deeper one over groups of similar maps, summed over a grid of cells, standardised.

    The first layer is that of `KMeansFeatures`, its responses averaged over 2 x 2 positions. A unit of a deeper layer
    sees 2 x 2 positions of the maps of its group, contrast-normalised together; each group has a whitening and a
    dictionary of its own. All layers
    but the last are averaged over 2 x 2 positions. With 32 x 32 images, three layers have maps of 13, 6 and 5
    positions a side. Features are those of all layers, layer after layer; within a layer column (cell * units) + unit.

    The paper's architecture; its companions' patch pipeline. Thresholds, regularisation and the number of samples are
    a reconstruction, chosen on training images.

    Parameters
    ----------
    n_units : sequence of int, default (1600, 3200, 3200)
        Units of each layer, the first to the last; in a deeper layer the groups share them equally.
    patch_size : int, default 6
        Pixels along the side of the first layer's patches, taken at stride 1.
    n_patches : int, default 400000
        Patches for the first layer's whitening and dictionary.
    receptive_fields : str, default "learned"
        "learned", the maps most similar to one drawn at random (`square_correlation`); "random", maps drawn at random;
        "single", one group of all maps.
    n_groups : int, default 32
        Groups of a deeper layer; unused by "single".
    group_size : int, default 200
        Maps in each group; unused by "single".
    n_images : int, default 5000
        Of the fit images, as many as a deeper layer learns from.
    n_samples : int, default 100000
        Positions in all that a deeper layer learns from.
    n_iter : int, default 10
        Iterations of every k-means.
    alpha : float, default 0.25
        Threshold of the first layer's responses, max(0, D'x - alpha).
    deeper_alpha : float, default 0.0
        The same in the other layers.
    epsilon : float, default 0.1
        Added to the eigenvalues of a deeper layer's covariances, as a share of their mean.
    pooling_grid : int, default 2
        Cells along each side over which a layer's maps are summed.
    n_standardise : int, default 5000
        Images from which the features' means and variances are estimated.
    dtype : str, default "bfloat16"
        "bfloat16" or "float32", of products, maps and features; whitening and sums over cells are float32.
    seed : int, default 0
        Of everything drawn.
    batch_size : int or None, default None
        Images at a time; None chooses for the device.
    device : str, torch.device or None, default None
        None is the GPU where there is one, else the CPU.
    progress : callable or None, default None
        Called with (stage, done, total) during `fit`.

    Attributes
    ----------
    layers_ : list
        The `PatchLayer` and the `GroupLayer`s.
    standardisation_ : Standardisation
        Of the features.
    n_reseeded_ : list of int
        For each layer, how often an atom which no sample chose was replaced.

    Examples
    --------
    >>> import numpy as np
    >>> from dcgan_features.features import LayeredKMeansFeatures
    >>> images = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    >>> extractor = LayeredKMeansFeatures(
    ...     n_units=(8, 8), n_patches=300, n_groups=2, group_size=4, n_images=20, n_samples=200, n_iter=2
    ... )
    >>> extractor.fit_transform(images).shape  # 16 units in 2 x 2 cells
    (20, 64)
    """

    speed_only = (*Extractor.speed_only, "progress")

    def __init__(
        self,
        n_units: Sequence[int] = (1600, 3200, 3200),
        patch_size: int = 6,
        n_patches: int = 400_000,
        receptive_fields: str = "learned",
        n_groups: int = 32,
        group_size: int = 200,
        n_images: int = 5000,
        n_samples: int = 100_000,
        n_iter: int = 10,
        alpha: float = 0.25,
        deeper_alpha: float = 0.0,
        epsilon: float = 0.1,
        pooling_grid: int = 2,
        n_standardise: int = 5000,
        dtype: str = "bfloat16",
        seed: int = 0,
        batch_size: int | None = None,
        device: str | torch.device | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> None:
        self.n_units = n_units
        self.patch_size = patch_size
        self.n_patches = n_patches
        self.receptive_fields = receptive_fields
        self.n_groups = n_groups
        self.group_size = group_size
        self.n_images = n_images
        self.n_samples = n_samples
        self.n_iter = n_iter
        self.alpha = alpha
        self.deeper_alpha = deeper_alpha
        self.epsilon = epsilon
        self.pooling_grid = pooling_grid
        self.n_standardise = n_standardise
        self.dtype = dtype
        self.seed = seed
        self.batch_size = batch_size
        self.device = device
        self.progress = progress

    def fit(self, images: Images, y: object = None) -> Self:
        """Learn layer after layer from `images`, uint8 (n, height, width, channels).

        Raises ValueError for unusable parameters, images too small for the layers and images without contrast.
        """
        images = check_images(images)
        self._check_parameters(images)
        self.device_ = choose_device(self.device, self.dtype)
        random = np.random.default_rng(self.seed)
        generator = torch.Generator().manual_seed(self.seed)
        self.n_reseeded_: list[int] = []
        self.layers_: list[PatchLayer | GroupLayer] = [self._fit_patches(images, random, generator)]
        for number in range(1, len(self.n_units)):
            sample = _some(images, self.n_images, random)
            self.layers_.append(self._fit_groups(number, self._sample(sample, number, generator), generator))
        self._fitted(images, self.pooling_grid**2 * sum(self.n_units), self.dtype)
        self.standardisation_ = self._fit_standardisation(_some(images, self.n_standardise, random))
        return self

    def _check_parameters(self, images: Images) -> None:
        check_choice("receptive_fields", self.receptive_fields, _RECEPTIVE_FIELDS)
        check_choice("dtype", self.dtype, list(DTYPES))
        names = ("patch_size", "n_patches", "n_groups", "group_size", "n_images", "n_samples", "n_iter")
        check_counts(**{name: getattr(self, name) for name in (*names, "pooling_grid", "n_standardise")})
        if self.batch_size is not None:
            check_counts(batch_size=self.batch_size)
        if isinstance(self.n_units, int) or not len(self.n_units):
            raise ValueError(f"n_units={self.n_units!r} must be a list with the units of each layer")
        for units in self.n_units:
            check_counts(n_units=units)
        for name in ("alpha", "deeper_alpha"):
            value = getattr(self, name)
            if not np.isfinite(value) or value < 0:
                raise ValueError(f"{name}={value!r} must be a number of at least 0")
        if not np.isfinite(self.epsilon) or self.epsilon <= 0:
            raise ValueError(f"epsilon={self.epsilon!r} must be a number above 0")
        if self.n_patches < self.n_units[0]:
            raise ValueError(f"n_patches={self.n_patches} is too few for {self.n_units[0]} atoms")
        for number, (maps, units) in enumerate(zip(self.n_units, self.n_units[1:], strict=False), start=2):
            self._check_groups(number, maps, units)
        sizes = self._sizes(images)
        if min(sizes[-1]) < 1:
            raise ValueError(
                f"images of {images.shape[1:3]} are too small for {len(self.n_units)} layers on patches of "
                f"{self.patch_size}: the layers' maps would be {', '.join(f'{h} x {w}' for h, w in sizes)}"
            )
        if self.pooling_grid > min(sizes[-1]):
            raise ValueError(f"pooling_grid={self.pooling_grid} is finer than the last layer's maps, {sizes[-1]}")

    def _check_groups(self, number: int, maps: int, units: int) -> None:
        groups = 1 if self.receptive_fields == "single" else self.n_groups
        if units % groups:
            raise ValueError(f"n_units: layer {number}'s {units} units cannot be shared equally by {groups} groups")
        if self.n_samples < units // groups:
            raise ValueError(f"n_samples={self.n_samples} is too few for {units // groups} atoms a group")
        if groups > 1 and self.group_size > maps:
            raise ValueError(f"group_size={self.group_size} is more than the {maps} maps that layer {number} sees")
        if self.receptive_fields == "learned" and groups > maps:
            raise ValueError(f"n_groups={groups} is more than the {maps} maps around which layer {number} groups")

    def _sizes(self, images: Images) -> list[tuple[int, int]]:
        return map_sizes(images.shape[1], images.shape[2], self.patch_size, len(self.n_units))

    def _fit_patches(self, images: Images, random: np.random.Generator, generator: torch.Generator) -> PatchLayer:
        raw = draw_patches(images, self.patch_size, self.n_patches, random).to(self.device_)
        if bool((raw == raw[:, :1]).all()):
            raise ValueError("every patch drawn is of one constant colour: such images hold nothing to learn")
        patches = normalise_contrast(raw)
        del raw
        whitening = Whitening.fit(patches)
        patches = whitening(patches)
        units, dtype = self.n_units[0], DTYPES[self.dtype]
        dictionary = gain_shape_kmeans(
            patches, units, self.n_iter, generator, dtype, lambda done, total: self._report("layer 1", done, total)
        )
        self.n_reseeded_.append(dictionary.n_reseeded)
        return PatchLayer.build(dictionary.atoms, whitening, self.alpha, self.patch_size, dtype)

    def _sample(self, images: Images, number: int, generator: torch.Generator) -> Tensor:
        """Neighbourhoods that layer `number` sees, of all its maps: (maps, SIDE * SIDE, samples)."""
        height, width = self._sizes(images)[number - 1]
        each = -(-self.n_samples // len(images))
        # Drawn for all images at once, so that the block size does not matter.
        top = torch.randint(height - SIDE + 1, (len(images), each), generator=generator)
        left = torch.randint(width - SIDE + 1, (len(images), each), generator=generator)
        shape = (self.n_units[number - 1], SIDE**2, each * len(images))
        samples = torch.empty(shape, dtype=DTYPES[self.dtype], device=self.device_)
        start = 0
        for maps in self._encode(images, f"layer {number + 1}, samples"):
            stop = start + maps[-1].shape[3]
            cut = cut_neighbourhoods(maps[-1], top[start:stop], left[start:stop])
            samples[:, :, start * each : stop * each] = cut
            start = stop
        return samples

    def _fit_groups(self, number: int, samples: Tensor, generator: torch.Generator) -> GroupLayer:
        groups = self._groups(samples, generator)
        units, dtype = self.n_units[number] // len(groups), DTYPES[self.dtype]
        atoms, whitenings, added, reseeded = [], [], [], 0
        for done, group in enumerate(groups):
            inputs = samples[group].flatten(0, 1).T.float()  # (samples, maps of the group * SIDE * SIDE)
            added.append(_CONTRAST_SHARE * float(inputs.var(1).mean()))
            inputs = normalise_contrast(inputs, added[-1])
            whitenings.append(Whitening.fit(inputs, self.epsilon * float(inputs.var(0).mean())))
            dictionary = gain_shape_kmeans(whitenings[-1](inputs), units, self.n_iter, generator, dtype)
            atoms.append(dictionary.atoms)
            reseeded += dictionary.n_reseeded
            self._report(f"layer {number + 1}, groups", done + 1, len(groups))
        self.n_reseeded_.append(reseeded)
        pooled = number + 1 < len(self.n_units)
        return GroupLayer.build(groups, atoms, whitenings, added, self.deeper_alpha, pooled, dtype)

    def _groups(self, samples: Tensor, generator: torch.Generator) -> Tensor:
        """The maps that each group sees, int64 (groups, maps of the group)."""
        maps = len(samples)
        if self.receptive_fields == "single":
            groups = torch.arange(maps)[None]
        elif self.receptive_fields == "random":
            groups = random_groups(maps, self.n_groups, self.group_size, generator)
        else:
            similarity = square_correlation(samples[:, 0])
            groups = learned_groups(similarity, self.n_groups, self.group_size, generator)
        return groups.to(self.device_)

    def _fit_standardisation(self, images: Images) -> Standardisation:
        pooled = torch.empty(len(images), self.n_features_out_, dtype=torch.float32, device=self.device_)
        start = 0
        for maps in self._encode(images, "standardisation"):
            block = self._pooled(maps)
            pooled[start : start + len(block)] = block
            start += len(block)
        return Standardisation.fit(pooled)

    def _encode(self, images: Images, stage: str) -> Iterator[list[Tensor]]:
        """The maps of every layer learnt so far, a block of images at a time."""
        step = self._block_size()
        for start in range(0, len(images), step):
            block = images[start : start + step]
            yield self._maps(block)
            self._report(stage, start + len(block), len(images))

    def _maps(self, images: Images) -> list[Tensor]:
        """Of each layer the maps (units, height, width, n)."""
        maps = [as_tensor(images).to(self.device_).float()]
        for layer in self.layers_:
            maps.append(layer.encode(maps[-1]))
        return maps[1:]

    def layer_maps(self, images: Images) -> list[Tensor]:
        """Each layer's maps before they are summed over cells, (n, units, height, width).

        images : uint8 (n, height, width, channels), few enough for the maps to fit in memory.
        """
        with torch.inference_mode():
            return [maps.permute(3, 0, 1, 2) for maps in self._maps(images)]

    def _pooled(self, maps: list[Tensor]) -> Tensor:
        """Maps summed over the cells, float32 (n, cells * units of all layers)."""
        return torch.cat([sum_cells(layer, self.pooling_grid) for layer in maps], dim=1)

    def _block_size(self) -> int:
        return self.batch_size or (_CUDA_BATCH if self.device_.type == "cuda" else _CPU_BATCH)

    def _transform_block(self, images: Images) -> Tensor:
        return self.standardisation_(self._pooled(self._maps(images))).to(self.feature_dtype_).cpu()

    def _report(self, stage: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(stage, done, total)


def _some(images: Images, count: int, random: np.random.Generator) -> Images:
    """At most `count` of the images, drawn at random, in their order."""
    return images[np.sort(random.permutation(len(images))[:count])]
