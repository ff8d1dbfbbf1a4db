"""Pictures of a comparison: confusion matrices, and the test images that only one of two extractors gets right."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from dcgan_features.benchmarks.config.images import LabelledDataset
from dcgan_features.benchmarks.reporting.escaping import figure_text
from dcgan_features.benchmarks.reporting.plots.style import new_figure, show_image, write_figure
from dcgan_features.eval.confusion import Disagreement

_COLUMNS, _ROWS = 10, 2  # of the images on one side of a sheet
_NUMBERED = 20  # classes up to which a matrix has its percentages written in
_INCHES, _LARGEST, _LABEL = 0.42, 14.0, 0.16  # of a class, of a matrix at most, and that a class's name needs at least


def draw_confusion(path: Path, title: str, matrices: dict[str, npt.NDArray[np.float64]], classes: list[str]) -> None:
    """Write the matrices of `confusion_figure` as PNG."""
    write_figure(path, confusion_figure(title, matrices, classes), dpi=120)


def confusion_figure(title: str, matrices: dict[str, npt.NDArray[np.float64]], classes: list[str]) -> Figure:
    """One matrix a protocol, side by side: rows are true classes, columns what they are taken for.

    Of many classes some are named only: a picture with room for all of 200 takes gigabytes to draw.
    """
    count = len(classes)
    side = min(max(3.0, _INCHES * count), _LARGEST)
    named = range(0, count, math.ceil(count * _LABEL / side))
    names = [figure_text(classes[place]) for place in named]
    figure = new_figure(side * len(matrices) + 2.2, side + 1.6)
    figure.suptitle(figure_text(title), fontsize=11)
    axes = figure.subplots(1, len(matrices), sharey=True, squeeze=False)[0]
    for axis, (protocol, matrix) in zip(axes, matrices.items(), strict=True):
        image = axis.imshow(matrix, vmin=0, vmax=100, cmap="Blues")
        axis.set_title(f"{figure_text(protocol)}: {matrix.diagonal().mean():.1f}% a class on average", fontsize=9)
        axis.set_xticks(named, names, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
        axis.set_yticks(named, names, fontsize=8)
        axis.set_xlabel("taken for", fontsize=9)
        if count <= _NUMBERED:
            for row, column in np.ndindex(matrix.shape):
                percent = f"{matrix[row, column]:.0f}"
                if percent != "0":
                    colour = "white" if matrix[row, column] > 55 else "black"
                    axis.text(column, row, percent, color=colour, ha="center", va="center", fontsize=7)
    axes[0].set_ylabel("true class", fontsize=9)
    bar = figure.colorbar(image, ax=list(axes), shrink=0.8)
    bar.set_label("percent of the true class", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    return figure


def draw_disagreements(path: Path, found: Disagreement, titles: tuple[str, str], dataset: LabelledDataset) -> None:
    """Write the images of `disagreement_figure` as PNG."""
    write_figure(path, disagreement_figure(found, titles, dataset), dpi=120)


def disagreement_figure(found: Disagreement, titles: tuple[str, str], dataset: LabelledDataset) -> Figure:
    """The clearest images that only the first gets right, and below those that only the second does.

    Over each image stands its true class, below it what the other says and its index in the test set.
    """
    sides = ((0, found.only_first, found.mistaken_second), (1, found.only_second, found.mistaken_first))
    rows = [min(_ROWS, max(1, -(-len(indices) // _COLUMNS))) for _, indices, _ in sides]
    heights = [1.5 * count + 0.5 for count in rows]
    figure = new_figure(_COLUMNS * 1.05, sum(heights))
    parts: Any = figure.subfigures(2, 1, height_ratios=heights)
    for side, indices, said in sides:
        part, right, wrong = parts[side], figure_text(titles[side]), figure_text(titles[1 - side])
        shown = indices[: _COLUMNS * _ROWS]
        some = f", {len(shown)} of them shown" if len(shown) < len(indices) else ""
        heading = f"Only {right} is right: {len(indices):,} images of {dataset.title}{some}"
        part.suptitle(f"{heading}. Below each: what {wrong} says, and its index.", fontsize=9)
        axes = part.subplots(rows[side], _COLUMNS, squeeze=False)
        for axis, index in zip(axes.flat, shown, strict=False):
            show_image(axis, dataset.test_images[index])
            axis.set_title(figure_text(dataset.classes[dataset.test_labels[index]]), fontsize=8, pad=2)
            axis.set_xlabel(f"{figure_text(dataset.classes[said[index]])}\n#{index}", fontsize=7, labelpad=2)
        for axis in axes.flat:
            axis.set_xticks([])
            axis.set_yticks([])
        for axis in axes.flat[len(shown) :]:
            axis.set_axis_off()
    return figure


def accuracy_figure(title: str, protocols: list[str], found: dict[str, list[tuple[float, float, float]]]) -> Figure:
    """Accuracies with their 95% intervals, a row of points an extractor and a colour a protocol.

    found : (accuracy, low, high) in percent for each protocol, by the extractor's title.
    """
    figure = new_figure(7.5, 1.4 + 0.32 * len(found) * max(1, len(protocols) / 2))
    axis = figure.subplots()
    for number, protocol in enumerate(protocols):
        middle, low, high = np.array([values[number] for values in found.values()]).T
        places = np.arange(len(found)) + 0.7 * ((number + 0.5) / len(protocols) - 0.5)
        axis.errorbar(
            middle, places, xerr=np.maximum([middle - low, high - middle], 0), fmt="o", ms=4, capsize=2, label=protocol
        )
    axis.set_yticks(range(len(found)), list(found), fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel("accuracy in percent, with its 95% interval for the test sample", fontsize=9)
    axis.set_title(title, fontsize=10)
    axis.grid(axis="x", alpha=0.3)
    if len(protocols) > 1:
        axis.legend(fontsize=8)
    return figure
