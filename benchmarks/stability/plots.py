"""Pictures of a stability study."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dcgan_features.benchmarks.reporting.escaping import figure_text
from dcgan_features.benchmarks.reporting.plots.style import COLOURS, FAINT, INK, new_figure, tidy, write_figure
from dcgan_features.benchmarks.stability.judge import LEAD, Judged
from dcgan_features.benchmarks.stability.study import Study
from dcgan_features.gan.watching.alarms import MONITORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 4
_ALARM = COLOURS[1]


def write_accuracies(path: Path, study: Study, judged: dict[str, list[Judged]], warning: str) -> None:
    """A panel a condition, a curve a run: the probe's accuracy, where it fell for good, and the first alarm."""
    names = list(judged)
    rows = math.ceil(len(names) / _COLUMNS)
    figure = new_figure(3.4 * _COLUMNS, 2.6 * rows + 0.5, warning)
    panels: list[Axes] = []
    for number, name in enumerate(names):
        axes = figure.add_subplot(rows, _COLUMNS, number + 1, sharey=panels[0] if panels else None)
        panels.append(axes)
        axes.set_title(figure_text(study.condition(name).title), loc="left", fontsize=9, color=INK)
        for run in judged[name]:
            _run(axes, run, COLOURS[2] if study.condition(name).is_healthy else COLOURS[0])
        tidy(axes)
        axes.tick_params(labelsize=8)
        if number % _COLUMNS == 0:
            axes.set_ylabel("accuracy, %", fontsize=8)
        if number >= len(names) - _COLUMNS:
            axes.set_xlabel("images seen", fontsize=8)
    handles = [
        *panels[0].plot([], [], "x", color="black", ms=6, label="accuracy has fallen for good"),
        *panels[0].plot([], [], "|", color=_ALARM, ms=9, mew=2, label="first alarm"),
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    write_figure(path, figure, dpi=110)


def _run(axes: Axes, run: Judged, colour: str) -> None:
    where = [score.images for score in run.trial.scores]
    means = [score.mean for score in run.trial.scores]
    axes.plot(where, means, color=colour, lw=1.1, alpha=0.75)
    if not where:
        return
    if run.failed is not None:
        axes.plot(run.failed, np.interp(run.failed, where, means), "x", color="black", ms=6)
    if run.first is not None:
        axes.plot(run.first, np.interp(run.first, where, means), "|", color=_ALARM, ms=9, mew=2)


def write_warnings(path: Path, study: Study, judging: dict[str, list[Judged]], warning: str) -> None:
    """Monitors by conditions: how many failed runs a monitor warned of in time, or how many others wrongly.

    The latter of healthy conditions, and where none failed; of the runs that did not fail.
    """
    shown = [name for name in judging if study.condition(name).of is None]
    counts = np.zeros((len(MONITORS), len(shown)))
    texts: list[list[str]] = []
    for row, monitor in enumerate(MONITORS):
        texts.append([])
        for column, name in enumerate(shown):
            failed = [run for run in judging[name] if run.failed is not None]
            others = [run for run in judging[name] if run.failed is None]
            if failed and not (others and study.condition(name).is_healthy):
                warned = sum((run.lead(monitor) or 0.0) >= LEAD for run in failed)
                counts[row, column] = warned / len(failed)
                texts[-1].append(f"{warned}/{len(failed)}")
            else:
                wrongly = sum(monitor in run.warnings for run in others)
                counts[row, column] = -wrongly / len(others)
                texts[-1].append(f"{wrongly}/{len(others)}")
    figure = new_figure(1.1 * len(shown) + 3.2, 0.36 * len(MONITORS) + 2.2, warning)
    axes = figure.add_subplot()
    axes.imshow(counts, cmap="PuOr_r", vmin=-2, vmax=2, aspect="auto")
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            faint = text.startswith("0/")
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=FAINT if faint else INK)
    axes.set_yticks(range(len(MONITORS)), [name.replace("_", " ") for name in MONITORS], fontsize=9)
    titles = [figure_text(study.condition(name).title) for name in shown]
    axes.set_xticks(range(len(shown)), titles, fontsize=8, rotation=30, ha="left")
    axes.xaxis.tick_top()
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    figure.supxlabel(
        "Orange: failures warned of in time, of those that failed. Violet: alarms, of runs that did not fail.",
        fontsize=8, color=INK,
    ) if not warning else None  # fmt: skip
    write_figure(path, figure, dpi=110)
