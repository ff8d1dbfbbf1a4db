"""Standing over several data sets: who belongs together, and mean ranks with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dcgan_features.eval.significance import LEVEL


@dataclass(frozen=True)
class MeanRank:
    """mean : of the ranks over the data sets, 1 is best. low, high : its 95% interval; None where there is one set."""

    mean: float
    low: float | None
    high: float | None


def mean_ranks(accuracies: NDArray[np.float64]) -> list[MeanRank]:
    """The mean rank of each column over the rows, with Student's interval over the rows; equal accuracies share a rank.

    accuracies : (data sets, candidates). The interval treats the data sets as a sample of those that could be chosen.
    Raises ValueError for other shapes.
    """
    if accuracies.ndim != 2 or not accuracies.size:
        raise ValueError(f"accuracies of shape {accuracies.shape}; give (data sets, candidates)")
    ranks = stats.rankdata(-accuracies, axis=1)
    count, found = len(ranks), []
    for column in ranks.T:
        mean = float(column.mean())
        if count < 2:
            found.append(MeanRank(mean, None, None))
            continue
        half = float(stats.t.ppf(1 - LEVEL / 2, count - 1) * column.std(ddof=1) / np.sqrt(count))
        found.append(MeanRank(mean, max(1.0, mean - half), min(float(ranks.shape[1]), mean + half)))
    return found


def inseparable_groups(accuracies: Sequence[float], p_values: NDArray[np.float64], level: float = LEVEL) -> list[str]:
    """A compact letter display: two candidates share a letter exactly where their paired test does not tell them apart.

    accuracies : (n,). p_values : (n, n), symmetric, adjusted for their number. The letters are those of the maximal
    cliques of the relation "not told apart" (Piepho, An algorithm for a letter-based representation of all-pairwise
    comparisons, Journal of Computational and Graphical Statistics 13, 2004, states the same requirement), "a" being of
    the group with the best candidate. n up to some dozens. Raises ValueError for other shapes.
    """
    count = len(accuracies)
    if p_values.shape != (count, count):
        raise ValueError(f"p-values of shape {p_values.shape} for {count} candidates")
    together = (p_values >= level) | np.eye(count, dtype=bool)
    neighbours = [set(np.flatnonzero(row).tolist()) - {number} for number, row in enumerate(together)]
    cliques: list[set[int]] = []

    def extend(clique: set[int], candidates: set[int], excluded: set[int]) -> None:
        """Bron and Kerbosch's enumeration with a pivot."""
        if not candidates and not excluded:
            cliques.append(clique)
            return
        pivot = max(candidates | excluded, key=lambda node: len(neighbours[node] & candidates))
        for node in sorted(candidates - neighbours[pivot]):
            extend(clique | {node}, candidates & neighbours[node], excluded & neighbours[node])
            candidates, excluded = candidates - {node}, excluded | {node}

    extend(set(), set(range(count)), set())
    cliques.sort(key=lambda clique: sorted(-accuracies[node] for node in clique))
    letters = ["" for _ in range(count)]
    for number, clique in enumerate(cliques):
        for node in clique:
            letters[node] += _letter(number)
    return letters


def _letter(number: int) -> str:
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    return alphabet[number] if number < len(alphabet) else f"({number + 1})"
