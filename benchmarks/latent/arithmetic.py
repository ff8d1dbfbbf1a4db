"""Whether a - b + c of mean z changes what was meant and nothing else (Radford et al., 2016, section 6.3.2).

Each trial draws an attribute with two values a and b, and a kind: another attribute with two values c and d. From the
mean z of exemplars that show a and c goes that of exemplars with b and c, and on comes that of exemplars with b and d:
the result should show a and d. The judge picks the exemplars and reads the result. The paper takes three exemplars,
and adds pixels for comparison; the random direction, of the length of what was added, is a control of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dcgan_features.benchmarks.latent.classifier import FACTORS, Images, Judge, Judgement
from dcgan_features.benchmarks.latent.measure import Measure, Randomness, Source, share
from dcgan_features.gan.latent.paths import combine, combine_pixels

PART = "arithmetic"
EXEMPLARS = (3, 1, 10)  # the paper's number first
DONE, KEPT, OTHERS, BOTH, UNSURE = (
    "the attribute is as meant",
    "the kind is kept",
    "all other attributes are kept",
    "attribute and kind as meant",
    "the judge is unsure of attribute or kind",
)
PIXELS, RANDOM, UNCHANGED = "pixels of 3", "random direction", "no change"
ATTRIBUTES = FACTORS
_MIDDLES = {"x": 16.0, "y": 16.0, "size": 10.75}
_MARGINS = {"x": 1.0, "y": 1.0, "size": 0.5}  # pixels from the middle, for an exemplar
_SECTOR = 1 / 9  # of the hue circle around red, green or blue, for an exemplar; 1/6 for a result


def values(judgement: Judgement, exemplars: bool) -> dict[str, NDArray[np.int64]]:
    """The value of each attribute, int64 (n,): a class, a third of the hue circle, or a half; -1 where it is unsure.

    exemplars : also -1 near the border between two values.
    """
    found: dict[str, NDArray[np.int64]] = {"shape": judgement.shape.copy()}
    thirds = judgement.hue * 3
    found["hue"] = np.rint(thirds).astype(np.int64) % 3
    if exemplars:
        found["hue"][np.abs(thirds - np.rint(thirds)) > 3 * _SECTOR] = -1
    for name, middle in _MIDDLES.items():
        offset = judgement.of(name) - middle
        found[name] = (offset > 0).astype(np.int64)
        if exemplars:
            found[name][np.abs(offset) < _MARGINS[name]] = -1
    for name in ATTRIBUTES:
        found[name][~judgement.sure[name]] = -1
    return found


@dataclass(frozen=True)
class Trial:
    """Indices of the exemplars of a and c, b and c, b and d, and what a and d are of which attribute and kind."""

    attribute: str
    wanted: int
    kind: str
    kept: int
    plus: NDArray[np.int64]
    minus: NDArray[np.int64]
    base: NDArray[np.int64]


def draw_trials(
    found: dict[str, NDArray[np.int64]], attribute: str, count: int, exemplars: int, rng: Randomness
) -> list[Trial]:
    """`count` trials that change an attribute, the three sets of exemplars disjoint; none where there are too few."""
    trials: list[Trial] = []
    kinds = [name for name in ATTRIBUTES if name != attribute]
    present = {name: np.unique(found[name][found[name] >= 0]) for name in ATTRIBUTES}
    kinds = [name for name in kinds if len(present[name]) > 1]
    if len(present[attribute]) < 2 or not kinds:
        return trials
    for _ in range(20 * count):  # some values are rare together
        kind = str(rng.choice(kinds))
        a, b = rng.choice(present[attribute], 2, replace=False)
        c, d = rng.choice(present[kind], 2, replace=False)
        sets = [
            np.flatnonzero((found[attribute] == first) & (found[kind] == second))
            for first, second in ((a, c), (b, c), (b, d))
        ]
        if min(map(len, sets)) >= exemplars:
            chosen = [rng.choice(members, exemplars, replace=False) for members in sets]
            trials.append(Trial(attribute, int(a), kind, int(d), *chosen))
        if len(trials) == count:
            break
    return trials


def measure_arithmetic(
    source: Source, judge: Judge, pool: tuple[torch.Tensor, Images, Judgement], trials: int, rng: Randomness
) -> list[Measure]:
    """The shares of `trials` a attribute, for each attribute and over all; see the module.

    pool : z, their images and what the judge says of them, from which exemplars are picked.
    """
    latent, images, judgement = pool
    found = values(judgement, exemplars=True)
    measures: list[Measure] = []
    collected: dict[tuple[str, str], list[NDArray[np.bool_]]] = {}
    for attribute in ATTRIBUTES:
        for exemplars in EXEMPLARS:
            drawn = draw_trials(found, attribute, trials, exemplars, rng)
            if drawn:
                for how, made, base in _made(source, latent, images, drawn, exemplars, rng):
                    for what, cases in _read(judge, drawn, made, base).items():
                        measures.append(share(PART, f"{attribute}: {what}", how, cases))
                        collected.setdefault((what, how), []).append(cases)
    overall = [
        share(PART, f"all attributes: {what}", how, np.concatenate(cases)) for (what, how), cases in collected.items()
    ]
    return overall + measures


def _made(
    source: Source, latent: torch.Tensor, images: Images, trials: Sequence[Trial], exemplars: int, rng: Randomness
) -> list[tuple[str, Images, Images]]:
    """By way of doing it: the results, and the images of the third mean alone, each (trials, 32, 32, 3)."""
    sets = [(trial.plus, trial.minus, trial.base) for trial in trials]
    base = torch.stack([latent[rows].mean(0) for _, _, rows in sets])
    result = torch.stack([combine(*(latent[rows] for rows in three)) for three in sets])
    unchanged = source.images(base)
    ways = [(f"z of {exemplars}", source.images(result), unchanged)]
    if exemplars == EXEMPLARS[0]:
        change = torch.from_numpy(rng.standard_normal(base.shape).astype(np.float32))
        change *= (result - base).norm(dim=1, keepdim=True) / change.norm(dim=1, keepdim=True)
        ways.append((RANDOM, source.images(base + change), unchanged))
        ways.append((UNCHANGED, unchanged, unchanged))
        faded = np.stack([np.rint(images[rows].mean(0)).astype(np.uint8) for _, _, rows in sets])
        summed = np.stack([combine_pixels(*(images[rows] for rows in three)) for three in sets])
        ways.append((PIXELS, summed, faded))
    return ways


def _read(judge: Judge, trials: Sequence[Trial], made: Images, base: Images) -> dict[str, NDArray[np.bool_]]:
    """What the judge says of the results. Where it is unsure, nothing is as meant."""
    after, before = values(judge(made), exemplars=False), values(judge(base), exemplars=False)
    rows = range(len(trials))
    shown = np.array([after[trial.attribute][row] for row, trial in zip(rows, trials, strict=True)])
    kind = np.array([after[trial.kind][row] for row, trial in zip(rows, trials, strict=True)])
    done = shown == np.array([trial.wanted for trial in trials])
    kept = kind == np.array([trial.kept for trial in trials])
    others: dict[str, Any] = {name: (after[name] == before[name]) & (after[name] >= 0) for name in ATTRIBUTES}
    all_others = np.array(
        [all(others[name][row] for name in ATTRIBUTES if name != trials[row].attribute) for row in rows]
    )
    return {DONE: done, KEPT: kept, BOTH: done & kept, OTHERS: all_others, UNSURE: (shown < 0) | (kind < 0)}
