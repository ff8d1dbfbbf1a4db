"""What changes with the probe alone: ranks, points, and the advantage of choosing on test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dcgan_features.eval.significance import LEVEL, Comparison, compare, holm

Predicted = Mapping[str, Mapping[str, NDArray[np.int64]]]  # by extractor and probe: (1, n_test)


@dataclass(frozen=True)
class Ranking:
    """Two probes' orders of the same extractors.

    tau : Kendall's tau-b; None where one of them puts all on a par. swapped : pairs of extractors whose order differs,
    of `pairs`. contradicted : those of them that both probes tell apart, each in its own direction. largest_move : the
    most ranks that one extractor moves.
    """

    first: str
    second: str
    tau: float | None
    pairs: int
    swapped: int
    contradicted: int
    largest_move: int


@dataclass(frozen=True)
class Change:
    """An extractor's accuracy by one probe less that by another, in points. comparison : image by image."""

    extractor: str
    first: str
    second: str
    comparison: Comparison


def accuracies(truth: NDArray[np.int64], predicted: Predicted) -> dict[str, dict[str, float]]:
    """Percent right, by extractor and probe."""
    return {
        title: {probe: 100 * float((found[0] == truth).mean()) for probe, found in by_probe.items()}
        for title, by_probe in predicted.items()
    }


def rankings(truth: NDArray[np.int64], predicted: Predicted, probes: Sequence[str]) -> list[Ranking]:
    """Each two probes' orders of the extractors compared."""
    table, titles = accuracies(truth, predicted), list(predicted)
    values = {probe: np.array([table[title][probe] for title in titles]) for probe in probes}
    couples = list(combinations(range(len(titles)), 2))
    order: dict[str, list[int]] = {}  # +1, -1 or 0 (not told apart) for each two extractors
    for probe in probes:
        found = [
            compare(truth, predicted[titles[one]][probe], predicted[titles[other]][probe]) for one, other in couples
        ]
        adjusted = holm([item.p_value for item in found]) if found else []
        order[probe] = [
            int(np.sign(item.difference)) if value < LEVEL else 0 for item, value in zip(found, adjusted, strict=True)
        ]
    made = []
    for first, second in combinations(probes, 2):
        a, b = values[first], values[second]
        swapped = sum((a[one] - a[other]) * (b[one] - b[other]) < 0 for one, other in couples)
        against = sum(x * y < 0 for x, y in zip(order[first], order[second], strict=True))
        moves = np.abs(stats.rankdata(-a) - stats.rankdata(-b))
        level = np.ptp(a) == 0 or np.ptp(b) == 0
        tau = None if level else float(stats.kendalltau(a, b).statistic)
        made.append(Ranking(first, second, tau, len(couples), int(swapped), int(against), int(moves.max())))
    return made


def changes(truth: NDArray[np.int64], predicted: Predicted, couples: Sequence[tuple[str, str]]) -> list[Change]:
    """Each extractor's change from the second of two probes to the first."""
    return [
        Change(title, first, second, compare(truth, by_probe[first], by_probe[second], (first, second)))
        for first, second in couples
        for title, by_probe in predicted.items()
    ]


def best_on_test(truth: NDArray[np.int64], by_probe: Mapping[str, NDArray[np.int64]], fixed: Sequence[str]) -> str:
    """Of fixed settings the one that gets most test images right: what nobody may choose by."""
    return max(fixed, key=lambda name: float((by_probe[name][0] == truth).mean()))
