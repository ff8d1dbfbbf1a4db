"""Dictionaries learnt from whitened patches: gain-shape k-means and Euclidean k-means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dcgan_features.features.kmeans.patches import fold_offset

# Patches compared with the whole dictionary at a time: on the CPU the block of scores then stays in the cache.
_CPU_ROWS, _CUDA_ROWS = 512, 32768
_SLICES = 25  # in which the largest score is looked for
_BATCH = 4096  # patches between two moves of the centroids in the first pass
_RARE = 0.01  # of the largest number won, below which a centroid is replaced there; scikit-learn's share
_SEEN = 0.95  # of the variance, for Euclidean assignment
_NEVER = -1e30  # score of what only fills up

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Dictionary:
    """atoms : float32 (n_units, d). n_reseeded : replacements, over all passes, of atoms that won no or few patches."""

    atoms: Tensor
    n_reseeded: int


class Chooser:
    """For each patch the atom whose score x . D_k + offset_k is largest, or, for `magnitude`, furthest from 0.

    atoms : float32 (n_units, d). offset : float32 (n_units,), or None for none.
    dtype : of the products and the scores.
    """

    def __init__(
        self, atoms: Tensor, dtype: torch.dtype, offset: Tensor | None = None, magnitude: bool = False
    ) -> None:
        self.n_units, length = atoms.shape
        self.dtype, self.magnitude = dtype, magnitude
        # Slices of a multiple of 64 columns, whose maximum is found at the full width of the CPU's registers.
        self.slice = -(-self.n_units // (64 * _SLICES)) * 64
        columns = -(-self.n_units // self.slice) * self.slice
        weights = atoms.new_zeros(length, columns)
        weights[:, : self.n_units] = atoms.T
        offsets = atoms.new_full((columns,), 0.0 if magnitude else _NEVER)
        offsets[: self.n_units] = 0.0 if offset is None else offset
        self.filters = fold_offset(weights, offsets, dtype)
        self.rows = _CUDA_ROWS if atoms.is_cuda else _CPU_ROWS
        self.inputs = atoms.new_zeros(self.rows, len(self.filters), dtype=dtype)
        self.inputs[:, length : length + 2] = 1
        self.scores = atoms.new_empty(self.rows, columns, dtype=dtype)

    def __call__(self, patches: Tensor) -> Tensor:
        """Index of the atom chosen, int64 (n,), for at most `rows` patches, float32 (n, d)."""
        inputs, scores = self.inputs[: len(patches)], self.scores[: len(patches)]
        inputs[:, : patches.shape[1]] = patches
        torch.mm(inputs, self.filters, out=scores)
        # Floats without a sign bit sort as integers do, and integers are what the CPU finds the maximum of quickly.
        integers = scores.view(torch.int16 if self.dtype == torch.bfloat16 else torch.int32)
        if self.magnitude:
            scores.abs_()
        values, chosen = _largest(integers, self.slice)
        negative = (values < 0).nonzero()[:, 0]
        if len(negative):  # rare; among negative numbers the order of the integers is reversed
            chosen[negative] = scores[negative].float().argmax(1)
        return chosen.clamp_max_(self.n_units - 1)  # a patch of zeros may have chosen a column that fills up


def _largest(values: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Largest entry of each row, and the place of one such entry; `width` divides the columns.

    A maximum takes a tenth of the time that its place takes, so the place is only looked for in one column of slices.
    """
    slices = values.view(len(values), -1, width)
    largest, column = slices.amax(1).max(1)
    place = slices.gather(2, column[:, None, None].expand(-1, slices.shape[1], 1)).squeeze(2).max(1).indices
    return largest, place.mul_(width).add_(column)


def gain_shape_kmeans(
    patches: Tensor,
    n_units: int,
    n_iter: int,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
    progress: Progress | None = None,
) -> Dictionary:
    """Unit atoms D that minimise |D s - x|^2 with one non-zero gain s in each patch's code (OMP-1).

    Coates & Ng (2011), "The Importance of Encoding Versus Training with Sparse Coding and Vector Quantization",
    section 2.1: s_k = D_k . x at the k of largest |D_k . x|; then D <- normalise(X S' + D), from a normal random start.
    That an atom which wins no patch is replaced by a random patch is ours.

    patches : float32 (n, d), whitened. n_iter : passes over them. generator : on the CPU. dtype : precision of the
    products that choose k; the gains are float32. progress : called with the passes done and in all.
    """

    def update(atoms: Tensor) -> tuple[Tensor, Tensor]:
        def with_gain(block: Tensor, chosen: Tensor) -> Tensor:
            return block * (block * atoms[chosen]).sum(1, keepdim=True)

        sums, counts = _totals(Chooser(atoms, dtype, magnitude=True), patches, weigh=with_gain)
        return sums + atoms, counts

    start = normalise_rows(torch.randn(n_units, patches.shape[1], generator=generator)).to(patches.device)
    return iterate([update] * n_iter, start, patches, generator, progress, normalise_rows)


def euclidean_kmeans(
    patches: Tensor,
    n_units: int,
    n_iter: int,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
    progress: Progress | None = None,
) -> Dictionary:
    """Centroids that minimise the squared distance to the nearest one, from a 0.1 * normal random start.

    The nearest centroid is looked for among the patches' leading principal components, which hold 95% of the variance
    (62 of 108 dimensions for whitened 6 x 6 patches of photographs); means are of whole patches.

    The first pass takes the patches in random order, some thousands at a time, and moves each centroid to the mean of
    all that it has won so far (Sculley, "Web-scale k-means clustering", 2010); before each further batch a centroid
    that has won less than 1% as many as the one that won most is replaced by a random patch. It is worth about five of
    the ordinary passes (Lloyd's) that follow, after which a centroid without a patch is replaced; the authors'
    demonstration sets it to zero. Parameters are those of `gain_shape_kmeans`.

    Raises ValueError for fewer patches than centroids.
    """
    if len(patches) < n_units:
        raise ValueError(f"{len(patches)} patches are too few for {n_units} centroids")
    replaced = 0
    basis = _leading_components(patches)
    seen = patches.to(dtype) @ basis.to(dtype)  # what assignment sees of the patches, (n, components)

    def totals(atoms: Tensor, batch: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        # |x - c|^2 / 2 = |x|^2 / 2 - (x . c - |c|^2 / 2); the bracket is largest for the nearest centroid.
        projected = atoms @ basis
        return _totals(Chooser(projected, dtype, projected.square().sum(1) / -2), batch, seen)

    def first_pass(atoms: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal replaced
        counts = atoms.new_zeros(n_units)
        order = torch.randperm(len(patches), generator=generator).to(patches.device)
        for places in torch.split(order, _BATCH):
            batch = patches.index_select(0, places)
            rare = counts < _RARE * counts.max()
            if bool(rare.any()):
                replaced += _replace(atoms, rare, batch, generator)
                counts[rare] = counts[~rare].min()
            sums, won = totals(atoms, batch, seen.index_select(0, places))
            counts += won
            atoms = atoms + (sums - won[:, None] * atoms) / counts.clamp(min=1)[:, None]
        return atoms, counts

    def ordinary_pass(atoms: Tensor) -> tuple[Tensor, Tensor]:
        sums, counts = totals(atoms, patches, seen)
        return sums / counts.clamp(min=1)[:, None], counts

    start = 0.1 * torch.randn(n_units, patches.shape[1], generator=generator).to(patches.device)
    learnt = iterate([first_pass] + [ordinary_pass] * (n_iter - 1), start, patches, generator, progress)
    return Dictionary(learnt.atoms, learnt.n_reseeded + replaced)


def _leading_components(patches: Tensor) -> Tensor:
    """The fewest principal directions, (d, components), that hold `_SEEN` of the variance of patches (n, d)."""
    sample = patches[:: max(len(patches) // 20_000, 1)]
    values, vectors = torch.linalg.eigh(torch.cov(sample.T).view(patches.shape[1], -1))
    held = values.flip(0).cumsum(0)
    count = int((held < _SEEN * held[-1]).sum()) + 1
    leading: Tensor = vectors.flip(1)[:, :count]
    return leading


def _totals(
    choose: Chooser,
    patches: Tensor,
    seen: Tensor | None = None,
    weigh: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """For each atom the sum of the patches that chose it, weighed by `weigh(patches, chosen)`, and their number.

    seen : what `choose` is given in place of the patches, row by row.
    """
    sums = patches.new_zeros(choose.n_units, patches.shape[1])
    counts = patches.new_zeros(choose.n_units)
    views = torch.split(patches if seen is None else seen, choose.rows)
    for block, view in zip(torch.split(patches, choose.rows), views, strict=True):
        chosen = choose(view)
        sums.index_add_(0, chosen, block if weigh is None else weigh(block, chosen))
        counts += torch.bincount(chosen, minlength=choose.n_units)
    return sums, counts


def iterate(
    updates: Sequence[Callable[[Tensor], tuple[Tensor, Tensor]]],
    atoms: Tensor,
    patches: Tensor,
    generator: torch.Generator,
    progress: Progress | None,
    finish: Callable[[Tensor], Tensor] | None = None,
) -> Dictionary:
    """Apply each of `updates`, which gives new atoms and how many patches chose each; replace those that none chose."""
    reseeded = 0
    for done, update in enumerate(updates, start=1):
        atoms, counts = update(atoms)
        reseeded += _replace(atoms, counts == 0, patches, generator)
        atoms = finish(atoms) if finish else atoms
        if progress is not None:
            progress(done, len(updates))
    return Dictionary(atoms, reseeded)


def _replace(atoms: Tensor, which: Tensor, patches: Tensor, generator: torch.Generator) -> int:
    """Replace the atoms for which `which` is true by random patches, in place; how many they were."""
    count = int(which.sum())
    if count:
        atoms[which] = patches[torch.randint(len(patches), (count,), generator=generator).to(patches.device)]
    return count


def normalise_rows(rows: Tensor) -> Tensor:
    """Each row divided by its Euclidean norm."""
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return rows / norms.clamp_min(1e-12)
