"""Dictionaries learnt from whitened patches: gain-shape k-means and Euclidean k-means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

_ROWS = 1024  # patches compared with the whole dictionary at a time: the block of products stays in the cache


@dataclass(frozen=True)
class Dictionary:
    """atoms : float32 (n_units, d). n_reseeded : replacements of atoms without a patch, over all iterations."""

    atoms: Tensor
    n_reseeded: int


def _normalise(rows: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return rows / norms.clamp_min(1e-12)


def largest_magnitude(scores: Tensor) -> Tensor:
    """Index of the entry of largest magnitude in each row, int64 (n,). `scores` is overwritten.

    Floats without a sign bit sort as integers do, and integers are what the CPU finds the maximum of quickly.
    """
    integers = torch.int16 if scores.dtype == torch.bfloat16 else torch.int32
    return scores.abs_().view(integers).max(dim=1).indices


def gain_shape_kmeans(
    patches: Tensor,
    n_units: int,
    n_iter: int,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
    progress: Callable[[int, int], None] | None = None,
) -> Dictionary:
    """Unit atoms D that minimise |D s - x|^2 with one non-zero gain s in each patch's code (OMP-1).

    Coates & Ng (2011), "The Importance of Encoding Versus Training with Sparse Coding and Vector Quantization",
    section 2.1: s_k = D_k . x at the k of largest |D_k . x|; then D <- normalise(X S' + D), from a normal random start.
    That an atom which wins no patch is replaced by a random patch is ours.

    patches : float32 (n, d), whitened. generator : on the CPU. dtype : precision of the products that choose k; the
    gains are float32. progress : called with the iterations done and in all.
    """
    atoms = _normalise(torch.randn(n_units, patches.shape[1], generator=generator)).to(patches.device)
    reseeded = 0
    for iteration in range(n_iter):
        compared = atoms.T.to(dtype)
        sums = atoms.clone()
        counts = torch.zeros(n_units, dtype=torch.int64, device=patches.device)
        for block in torch.split(patches, _ROWS):
            nearest = largest_magnitude(block.to(dtype) @ compared)  # (rows,)
            gain = (block * atoms[nearest]).sum(1)
            sums.index_add_(0, nearest, block * gain[:, None])
            counts += torch.bincount(nearest, minlength=n_units)
        reseeded += _reseed(sums, counts == 0, patches, generator)
        atoms = _normalise(sums)
        if progress is not None:
            progress(iteration + 1, n_iter)
    return Dictionary(atoms, reseeded)


def euclidean_kmeans(
    patches: Tensor,
    n_units: int,
    n_iter: int,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
    progress: Callable[[int, int], None] | None = None,
) -> Dictionary:
    """Centroids that minimise the squared distance to the nearest one (Lloyd), from a 0.1 * normal random start.

    Parameters are those of `gain_shape_kmeans`. An empty centroid is replaced by a random patch (the authors'
    demonstration sets it to zero).
    """
    atoms = 0.1 * torch.randn(n_units, patches.shape[1], generator=generator).to(patches.device)
    reseeded = 0
    for iteration in range(n_iter):
        half_square = atoms.square().sum(1) / 2
        compared = atoms.T.to(dtype)
        sums = torch.zeros_like(atoms)
        counts = torch.zeros(n_units, dtype=torch.int64, device=patches.device)
        for block in torch.split(patches, _ROWS):
            # |x - c|^2 / 2 = |x|^2 / 2 - (x . c - |c|^2 / 2); the bracket is largest for the nearest centroid.
            nearest = ((block.to(dtype) @ compared).float() - half_square).argmax(1)
            sums.index_add_(0, nearest, block)
            counts += torch.bincount(nearest, minlength=n_units)
        atoms = sums / counts.clamp_min(1)[:, None]
        reseeded += _reseed(atoms, counts == 0, patches, generator)
        if progress is not None:
            progress(iteration + 1, n_iter)
    return Dictionary(atoms, reseeded)


def _reseed(atoms: Tensor, dead: Tensor, patches: Tensor, generator: torch.Generator) -> int:
    """Replace the dead atoms by random patches, in place; how many there were."""
    count = int(dead.sum())
    if count:
        atoms[dead] = patches[torch.randint(len(patches), (count,), generator=generator).to(patches.device)]
    return count
