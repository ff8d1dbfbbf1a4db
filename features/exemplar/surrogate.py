"""Surrogate classes: each holds the transformed versions of one seed patch, or of several that look alike."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from torch import Tensor

from dcgan_features.features.exemplar.transformations import Colours, Ranges, draw_parameters, transform

NOT_DRAWN = -1  # in place of a class, for a seed that was dropped


class SurrogateData:
    """Samples of surrogate classes, made when they are asked for.

    contexts : uint8 (seeds, CONTEXT, CONTEXT, 3), see `draw_seeds`; kept on their device.
    ranges : of the transformations.
    samples : transformations fixed for each seed beforehand, as in the paper; None draws new ones for every sample.
    generator : of the fixed transformations.
    """

    def __init__(self, contexts: Tensor, ranges: Ranges, samples: int | None, generator: torch.Generator) -> None:
        self.contexts, self.ranges = contexts, ranges
        self.fixed = None
        if samples is not None:
            drawn = draw_parameters(len(contexts) * samples, generator, ranges)
            self.fixed = drawn.view(len(contexts), samples, -1)
        every = contexts[:, ::8, ::8].reshape(-1, 3)[: 1 << 20].float() / 255.0
        self.colours = Colours.of(every)

    def draw(self, count: int, generator: torch.Generator, seeds: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """`count` random samples.

        seeds : int64, the seeds to draw from; None is all.
        Returns (patches, seeds): float32 (count, 3, 32, 32), 0..1, and int64 (count,), on the contexts' device.
        """
        drawn = torch.randint(len(self.contexts) if seeds is None else len(seeds), (count,), generator=generator)
        chosen = drawn if seeds is None else seeds[drawn]
        if self.fixed is None:
            parameters = draw_parameters(count, generator, self.ranges)
        else:
            parameters = self.fixed[chosen, torch.randint(self.fixed.shape[1], (count,), generator=generator)]
        where = self.contexts.device
        chosen = chosen.to(where)
        return transform(self.contexts[chosen], parameters.to(where), self.colours), chosen


def cluster(features: Tensor, distance: float, dropped: float) -> Tensor:
    """Merge the classes of seeds that look alike, and drop the noisiest of the merged ones.

    A reconstruction of the clustered variant: average linkage on the cosine distance of the seeds' features.

    features : (seeds, d), of one seed a row. distance : mean distance up to which two clusters are merged.
    dropped : fraction of the clusters of two seeds or more that is dropped, those of the greatest mean distance first.
    Returns int64 (seeds,): the class of each seed, which is the number of its cluster's first seed, or NOT_DRAWN.
    """
    directions = torch.nn.functional.normalize(features.double(), dim=1).numpy()
    merges = linkage(_condensed_distances(directions), "average")
    clusters = fcluster(merges, distance, "distance")
    _, first, members = np.unique(clusters, return_index=True, return_inverse=True)
    spread = _spread(directions, members)
    several = np.flatnonzero(np.bincount(members) > 1)
    noisy = several[np.argsort(-spread[several], kind="stable")][: round(dropped * len(several))]
    classes = first[members]
    classes[np.isin(members, noisy)] = NOT_DRAWN
    return torch.from_numpy(classes.astype(np.int64))


def _condensed_distances(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 - cosine of every pair i < j, row by row, as scipy's `linkage` takes them; never a square matrix at once."""
    count = len(directions)
    result = np.empty(count * (count - 1) // 2)
    start = 0
    for index in range(count - 1):
        row = 1.0 - directions[index + 1 :] @ directions[index]
        result[start : start + len(row)] = np.maximum(row, 0.0)
        start += len(row)
    return result


def _spread(directions: NDArray[np.float64], members: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of each cluster, the mean cosine distance of all pairs of its members, a member with itself included."""
    sums = np.zeros((members.max() + 1, directions.shape[1]))
    np.add.at(sums, members, directions)
    counts = np.bincount(members)
    spread: NDArray[np.float64] = 1.0 - np.einsum("cd,cd->c", sums, sums) / counts**2
    return spread
