"""The losses of a training run as a picture, from its log; TensorBoard need not run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path
from dcgan_features.gan.training.logs import LOGS, read_log

LOSSES = "losses.png"  # in a run's folder
_TITLES = {
    "real": "discriminator: real images",
    "fake": "discriminator: samples",
    "generator": "generator",
    "rotation": "rotation prediction",
    "penalty": "R1 penalty",
}
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")  # Okabe and Ito's
_WINDOW = 0.02  # of the run, over which the thick curves are means


def draw_losses(run: Path, out: Path | None = None) -> Path:
    """Draw the losses over minibatches: thin as logged, thick as running means; returns the PNG's path.

    out : by default `losses.png` in the run's folder. Raises `InputError` where nothing is logged.
    """
    logged = {
        name.removeprefix("loss/"): values for name, values in read_log(run / LOGS).items() if name.startswith("loss/")
    }
    if not logged:
        raise InputError(f"{run} has no log of losses; give the folder of a training run")
    path = out or run / LOSSES
    figure = losses_figure(logged)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})
    return path


def losses_figure(logged: dict[str, NDArray[np.float64]]) -> Figure:
    """The picture. logged : (n, 2) minibatches and values, by the name of the loss."""
    figure = Figure(figsize=(7.2, 3.6), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for number, (name, values) in enumerate(logged.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        axes.plot(values[:, 0], values[:, 1], color=colour, lw=0.6, alpha=0.35)
        smooth = running_mean(values[:, 1], max(1, round(_WINDOW * len(values))))
        axes.plot(values[:, 0], smooth, color=colour, lw=1.8, label=_TITLES.get(name, name))
    axes.set_xlabel("minibatches", fontsize=9)
    axes.set_ylabel("loss", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(color="#e6e6e6", lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False)
    return figure


def running_mean(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """The mean of each value and of up to `window` before and after it, (n,)."""
    sums = np.r_[0.0, np.cumsum(values)]
    places = np.arange(len(values))
    low, high = np.maximum(places - window, 0), np.minimum(places + window + 1, len(values))
    means: NDArray[np.float64] = (sums[high] - sums[low]) / (high - low)
    return means
