"""What features of clips, and of single frames, know of what moves and how: an L2-SVM on each, by the same protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dcgan_features.benchmarks.video.settings import Probe
from dcgan_features.data.splits import holdout
from dcgan_features.data.utils.cli import Advance
from dcgan_features.data.video.clips import Frames
from dcgan_features.data.video.moving import DIRECTIONS, SteadyMotion, steady_motion
from dcgan_features.data.video.sources import MovingSet
from dcgan_features.eval.average_precision import mean_average_precision
from dcgan_features.eval.l2svm.cross_validation import L2SVMCV
from dcgan_features.eval.multi_label import chosen_C, decision_values
from dcgan_features.eval.protocols import wilson_interval
from dcgan_features.eval.significance import Comparison, compare
from dcgan_features.features.base import Extractor
from dcgan_features.gan.video.networks import stacked_pixels

HELD = 0.2  # of the training clips, on which C is chosen
TASKS = ("direction", "speed", "pictures")
Features = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class View:
    """How an extractor sees a clip of the probe.

    frames : "all" at once; only the "middle" one; the middle one so often as the clip has frames ("still"); each alone,
    and the features' "mean" or the features side by side ("each").
    """

    title: str
    extractor: Extractor
    frames: str

    def features(self, clips: Frames, fit: bool = False) -> Features:
        """float32 (n, d). fit : the extractor learns from these clips what it learns from images, no label."""
        middle = clips.shape[1] // 2
        if self.frames == "all":
            images = [clips]
        elif self.frames == "middle":
            images = [clips[:, middle : middle + 1]]
        elif self.frames == "still":
            images = [np.repeat(clips[:, middle : middle + 1], clips.shape[1], 1)]
        else:
            images = [clips[:, frame : frame + 1] for frame in range(clips.shape[1])]
        stacked = [stacked_pixels(part) for part in images]
        if fit:
            self.extractor.fit(stacked[len(stacked) // 2])
        made = [self.extractor.transform(part) for part in stacked]
        return np.mean(made, axis=0) if self.frames == "mean" else np.concatenate(made, 1)


@dataclass(frozen=True)
class Found:
    """What one view's probe predicts of the test clips: by task labels (n,), C, percent right and its 95% interval.

    precision : mean average precision of the pictures' labels, in percent. n_features : length of a feature vector.
    """

    predicted: dict[str, Labels]
    chosen: dict[str, float]
    accuracy: dict[str, tuple[float, float, float]]
    precision: float
    n_features: int

    def about(self) -> dict[str, Any]:
        """For the result file; predictions are not in it."""
        return {
            "features": self.n_features,
            "C": self.chosen,
            "accuracy": {
                task: {"value": value, "low": low, "high": high} for task, (value, low, high) in self.accuracy.items()
            },
            "mean_average_precision": self.precision,
        }


def probe_clips(
    moving: MovingSet, probe: Probe, seed: int, length: int, size: int
) -> tuple[SteadyMotion, SteadyMotion]:
    """Training clips, of training pictures, and test clips, of test pictures; see `data.video.moving.steady_motion`."""
    parts = []
    for part, count in enumerate((probe.train, probe.test)):
        made = steady_motion(
            moving.pictures[part],
            moving.labels[part],
            count,
            (seed, part),
            length=length,
            size=size,
            speeds=probe.speeds,
            description=moving.name,
            stand_in=moving.stand_in,
        )
        parts.append(made)
    return parts[0], parts[1]


def chances(probe: Probe, classes: int) -> dict[str, float]:
    """Percent right by chance, by task."""
    pairs = classes * (classes - 1) / 2
    return {"direction": 100 / DIRECTIONS, "speed": 100 / len(probe.speeds), "pictures": 100 / pairs}


def truths(motion: SteadyMotion, classes: int) -> dict[str, Labels]:
    """The right answers by task, (n,); of the two pictures one number for each pair of labels."""
    pairs = np.sort(motion.clips.shown(), 1)
    return {"direction": motion.directions, "speed": motion.speeds, "pictures": pairs[:, 0] * classes + pairs[:, 1]}


def run_probe(
    views: Mapping[str, View], motions: tuple[SteadyMotion, SteadyMotion], probe: Probe, classes: int, advance: Advance
) -> dict[str, Found]:
    """Each view's probe, fitted on the first clips and judged on the second. advance : told of views done."""
    own, queries = (motion.clips.take(np.arange(len(motion.clips))) for motion in motions)
    known, asked = (truths(motion, classes) for motion in motions)
    kept, held = holdout(len(own), round(HELD * len(own)), 0)
    found = {}
    for name, view in views.items():
        features = view.features(own, fit=True)
        X, X_test = in_own_axes(features, view.features(queries))
        predicted, chosen = {}, {}
        for task in ("direction", "speed"):
            svm = L2SVMCV(probe.Cs, holdout=held).fit(X, known[task])
            predicted[task], chosen[task] = svm.predict(X_test), svm.C_
        present = [_present(motion.clips.shown(), classes) for motion in motions]
        chosen["pictures"], scores = _multi_label(X, present[0], X_test, probe.Cs, kept, held)
        best = np.sort(np.argsort(-scores, 1, kind="stable")[:, :2], 1)
        predicted["pictures"] = best[:, 0] * classes + best[:, 1]
        accuracy = {}
        for task in TASKS:
            right = 100 * float((predicted[task] == asked[task]).mean())
            accuracy[task] = (right, *wilson_interval(right, len(queries)))
        precision = mean_average_precision(present[1], scores)
        found[name] = Found(predicted, chosen, accuracy, precision, features.shape[1])
        advance(1)
    return found


def compared(
    found: Mapping[str, Found], views: Mapping[str, View], first: str, truth: Mapping[str, Labels]
) -> dict[str, dict[str, Comparison]]:
    """The first view beside each other one, by view and task: McNemar's test on the same test clips."""
    return {
        second: {
            task: compare(
                truth[task],
                found[first].predicted[task][None],
                found[second].predicted[task][None],
                (views[first].title, views[second].title),
            )
            for task in TASKS
        }
        for second in found
        if second != first
    }


def in_own_axes(features: Features, queries: Features) -> tuple[torch.Tensor, torch.Tensor]:
    """The features (n, d) turned into the axes of the n training rows, and the queries likewise: at most n columns.

    An L2-SVM's weights lie in the span of its rows, so that its decisions are the same, up to rounding; many fits on
    few rows of many features are then quick. Features that are fewer than the rows are left as they are.
    """
    if features.shape[1] <= len(features):
        return torch.from_numpy(features), torch.from_numpy(queries)
    rows = features.astype(np.float64)
    values, vectors = np.linalg.eigh(rows @ rows.T)
    kept = values > values[-1] * 1e-10
    axes = rows.T @ (vectors[:, kept] / np.sqrt(values[kept]))  # (d, kept), orthonormal
    turned = (np.ascontiguousarray(part @ axes, np.float32) for part in (rows, queries.astype(np.float64)))
    own, others = turned
    return torch.from_numpy(own), torch.from_numpy(others)


def _present(shown: Labels, classes: int) -> NDArray[np.bool_]:
    """(n, classes), whether a picture of the label is in the clip."""
    present = np.zeros((len(shown), classes), bool)
    np.put_along_axis(present, shown, True, 1)
    return present


def _multi_label(
    X: torch.Tensor,
    present: NDArray[np.bool_],
    queries: torch.Tensor,
    Cs: Sequence[float],
    kept: Labels,
    held: Labels,
) -> tuple[float, NDArray[np.float64]]:
    """The C of the best mean average precision on held-out clips, and decision values of the queries, (n, classes)."""
    own, others = X[torch.from_numpy(kept)], X[torch.from_numpy(held)]
    chosen = chosen_C(own, present[kept], Cs, (others, present[held]))
    return chosen, decision_values(X, present, queries, chosen)
