"""The layers of the layered k-means network, for blocks of images small enough for the cache.

Maps are held as (maps, height, width, images), images innermost: what a group of units sees is then a matrix of whole
rows, and pooling adds long rows to each other.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from dcgan_features.features.kmeans.patches import (
    Whitening,
    all_patches,
    fold_offset,
    grid_edges,
    normalise_contrast,
    rectify_,
)

SIDE = 2  # positions along each side of what a unit of a deeper layer sees
POOL = 2  # responses along each side that are averaged into one
_UNITS = 64  # units of the first layer at a time: their responses then stay in the cache


def map_sizes(height: int, width: int, patch_size: int, n_layers: int) -> list[tuple[int, int]]:
    """Height and width of the maps of each layer, for images of height x width; the last layer is not pooled."""
    positions = (height - patch_size + 1, width - patch_size + 1)
    sizes: list[tuple[int, int]] = []
    for number in range(n_layers):
        if number:
            positions = (sizes[-1][0] - SIDE + 1, sizes[-1][1] - SIDE + 1)
        pool = POOL if number == 0 or number + 1 < n_layers else 1
        sizes.append((max(positions[0], 0) // pool, max(positions[1], 0) // pool))
    return sizes


def _by_phase(positions: Tensor, dim: int) -> Tensor:
    """A view (POOL, POOL, ..., height / POOL, width / POOL, ...) of positions; their rows and columns are at `dim`.

    Rows and columns that fill no pooling window are left out: of 27 positions the last one.
    """
    before, after = positions.shape[:dim], positions.shape[dim + 2 :]
    height, width = (positions.shape[axis] // POOL for axis in (dim, dim + 1))
    whole = positions.narrow(dim, 0, height * POOL).narrow(dim + 1, 0, width * POOL)
    return whole.reshape(*before, height, POOL, width, POOL, *after).movedim((dim + 1, dim + 3), (0, 1))


def _add_phases(responses: Tensor) -> Tensor:
    """(units, POOL * POOL * n), phase after phase, to (units, n); for bf16 faster than `sum`."""
    first, second, third, fourth = responses.chunk(POOL**2, dim=1)
    return (first + second) + (third + fourth)


def sum_cells(maps: Tensor, grid: int) -> Tensor:
    """Sums over a grid of cells: (maps, height, width, n) to float32 (n, cells * maps), cells row by row."""
    rows, columns = grid_edges(maps.shape[1], grid), grid_edges(maps.shape[2], grid)
    cells = [
        maps[:, top:bottom, left:right].sum((1, 2), dtype=torch.float32)
        for top, bottom in itertools.pairwise(rows)
        for left, right in itertools.pairwise(columns)
    ]
    return torch.cat(cells).T


@dataclass(frozen=True)
class PatchLayer:
    """max(0, D'x - alpha) of every contrast-normalised patch at stride 1, averaged over POOL x POOL positions.

    filters : (units, inputs), the dictionary with whitening and threshold folded in.
    """

    filters: Tensor
    patch_size: int

    @classmethod
    def build(
        cls, atoms: Tensor, whitening: Whitening, alpha: float, patch_size: int, dtype: torch.dtype
    ) -> PatchLayer:
        """From atoms (units, d) of patches whitened by `whitening`."""
        return cls(_filters(atoms, whitening, alpha, POOL**2, dtype), patch_size)

    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels float32 (n, height, width, channels), 0..255, to maps (units, height', width', n)."""
        ordered = _by_phase(all_patches(pixels, self.patch_size), 1).movedim(2, 4)  # (phases, height', width', n, d)
        height, width, n = ordered.shape[2:5]
        patches = ordered.reshape(-1, self.patch_size**2 * pixels.shape[3])
        inputs = _with_ones(self.filters.new_zeros(len(patches), self.filters.shape[1]).T, patches.shape[1])
        inputs[: patches.shape[1]] = normalise_contrast(patches).T
        output = self.filters.new_empty(len(self.filters), height * width * n)
        step = len(output) if inputs.is_cuda else _UNITS
        for start in range(0, len(output), step):
            responses = rectify_(self.filters[start : start + step] @ inputs)
            output[start : start + step] = _add_phases(responses)
        return output.view(-1, height, width, n)


@dataclass(frozen=True)
class GroupLayer:
    """max(0, D_g' x - alpha) for every group g: x are the SIDE x SIDE positions of the maps that the group sees.

    They are contrast-normalised and whitened together, as the pixels of a patch are.

    groups : int64 (groups, size). filters : (groups, units, inputs), the dictionaries with whitening, centring and
    threshold folded in; an input is (map of the group) * SIDE * SIDE + (row * SIDE + column).
    added : float32 (groups,), what is added to an input's variance when its contrast is normalised.
    pooled : average over POOL x POOL positions, or keep every position.
    """

    groups: Tensor
    filters: Tensor
    added: Tensor
    pooled: bool

    @classmethod
    def build(
        cls,
        groups: Tensor,
        atoms: list[Tensor],
        whitenings: list[Whitening],
        added: list[float],
        alpha: float,
        pooled: bool,
        dtype: torch.dtype,
    ) -> GroupLayer:
        """From a dictionary (units, d), a whitening and an added variance for each group."""
        share = POOL**2 if pooled else 1
        filters = [
            _filters(a, whitening, alpha, share, dtype, centred=True)
            for a, whitening in zip(atoms, whitenings, strict=True)
        ]
        return cls(groups, torch.stack(filters), torch.tensor(added, device=groups.device), pooled)

    def encode(self, maps: Tensor) -> Tensor:
        """Maps (maps, height, width, n) to (groups * units, height', width', n)."""
        seen, height, width = self._neighbourhoods(maps)
        deviations = self._deviations(maps)
        n_groups, units, length = self.filters.shape
        size = self.groups.shape[1]
        inputs = self.filters.new_zeros(length, deviations.shape[1])
        chosen = inputs[: size * SIDE**2].view(size, -1)
        responses = self.filters.new_empty(units, inputs.shape[1])
        output = self.filters.new_empty(n_groups, units, height * width * maps.shape[3])
        for group in range(n_groups):
            torch.index_select(seen, 0, self.groups[group], out=chosen)
            # The offset is multiplied, then everything divided by the deviation: the inputs need not be touched.
            inputs[size * SIDE**2 : size * SIDE**2 + 2] = deviations[group]
            rectify_(torch.mm(self.filters[group], inputs, out=responses)).div_(deviations[group])
            output[group] = _add_phases(responses) if self.pooled else responses
        return output.view(n_groups * units, height, width, -1)

    def _deviations(self, maps: Tensor) -> Tensor:
        """sqrt(var + added) of the inputs of each group at each position, (groups, positions * n)."""
        members = maps.new_zeros(len(self.groups), len(maps)).scatter_(1, self.groups, 1)
        flat = maps.flatten(1)
        sums = torch.cat([members @ flat, members @ flat.square()]).view(-1, *maps.shape[1:])
        seen = self._neighbourhoods(sums)[0].view(2, len(self.groups), SIDE**2, -1).sum(2, dtype=torch.float32)
        count = self.groups.shape[1] * SIDE**2
        variance = (seen[1] - seen[0].square() / count).clamp_min_(0) / (count - 1)
        return (variance + self.added[:, None]).sqrt_().to(maps.dtype)

    def _neighbourhoods(self, maps: Tensor) -> tuple[Tensor, int, int]:
        """What units see of each map, (maps, SIDE * SIDE * positions * n), and the size of the layer's own maps."""
        height, width = maps.shape[1] - SIDE + 1, maps.shape[2] - SIDE + 1
        # Where a position's images fill whole 16 bytes, they are moved as complex numbers: in half the time.
        whole = maps.shape[3] * maps.element_size() % 16 == 0
        values = maps.view(torch.complex128) if whole else maps
        views = [
            values[:, row : row + height, column : column + width] for row in range(SIDE) for column in range(SIDE)
        ]
        if self.pooled:
            views = [_by_phase(view, 1).movedim((0, 1), (1, 2)) for view in views]
            height, width = height // POOL, width // POOL
        return torch.stack(views, dim=1).view(maps.dtype).flatten(1), height, width


def cut_neighbourhoods(maps: Tensor, top: Tensor, left: Tensor) -> Tensor:
    """SIDE x SIDE positions of every map with these upper left corners: (maps, SIDE * SIDE, n * count), image by image.

    maps : (maps, height, width, n). top, left : int64 (n, count), on the CPU, the corners in each image.
    """
    _, _, width, n = maps.shape
    corner = (top * width + left) * n + torch.arange(n)[:, None]
    offsets = torch.tensor([(row * width + column) * n for row in range(SIDE) for column in range(SIDE)])
    return maps.flatten(1)[:, (offsets[:, None] + corner.flatten()).to(maps.device)]


def _filters(
    atoms: Tensor, whitening: Whitening, alpha: float, share: int, dtype: torch.dtype, centred: bool = False
) -> Tensor:
    """D'(x - m) W - alpha as one matrix (units, inputs), divided by the `share` of responses that are added up.

    centred : subtract from every input the mean of all of them first.
    """
    weights = whitening.matrix @ atoms.T / share  # (d, units)
    offset = -(whitening.mean @ weights) - alpha / share
    return fold_offset(weights - weights.mean(0) if centred else weights, offset, dtype).T.contiguous()


def _with_ones(inputs: Tensor, length: int) -> Tensor:
    """Zeros (inputs, n) for filters folded from `length` weights, with their two rows of ones; in place."""
    inputs[length : length + 2] = 1
    return inputs
