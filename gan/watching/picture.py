"""What a watch has seen, as a picture: every measure over the training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path
from dcgan_features.data.utils.formats import read_sealed
from dcgan_features.gan.watching.watch import LOG, PICTURE

_PANELS = {  # measures that share a panel, which of them have a logarithmic axis
    "rank": ("effective rank of features", False),
    "dead": ("share of dead maps", False),
    "oscillation": ("one oscillating pattern, share of a response", False),
    "mean_oscillation": ("one pattern alike for all images, share", False),
    "spectral_norm": ("spectral norm of weights", True),
    "stable_rank": ("stable rank of weights", False),
    "gradient": ("norm of gradients", True),
    "diversity": ("nearest other sample, real images: 1", False),
    "frechet": ("Frechet distance, real images: 1", True),
    "checkerboard": ("checkerboard in samples, real images: 1", True),
    "separation": ("chance that the real image's logit is higher", False),
}
_COLUMNS = 4
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")  # Okabe and Ito's
_ALARM = "#b00020"


def write_picture(folder: Path) -> Path:
    """Draw a run's `watch.json` as `watch.png` beside it; return its path. `InputError` where there is none."""
    log = folder / LOG
    if not log.exists():
        raise InputError(f"{folder} holds no readings of a watched training; train with --watch")
    with atomic_path(folder / PICTURE) as temporary:
        draw_watch(read_sealed(log)).savefig(temporary, format="png", dpi=110, metadata={"Software": None})
    return folder / PICTURE


def draw_watch(content: dict[str, Any]) -> Figure:
    """The picture of what `Watch.write` wrote: a panel a measure, a curve a layer, a vertical line an alarm.

    Readings that a rollback undid are drawn thin.
    """
    rows = math.ceil(len(_PANELS) / _COLUMNS)
    figure = Figure(figsize=(3.4 * _COLUMNS, 2.5 * rows), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    for number, (name, (title, logarithmic)) in enumerate(_PANELS.items()):
        axes = figure.add_subplot(rows, _COLUMNS, number + 1)
        axes.set_title(title, loc="left", fontsize=8)
        axes.tick_params(labelsize=7)
        _curves(axes, content["readings"], name, thin=False)
        for rollback in content["rollbacks"]:
            _curves(axes, rollback["discarded"], name, thin=True)
            axes.axvline(rollback["images"], color=_ALARM, lw=0.8, ls=":")
        for alarm in content["alarms"]:
            if alarm["key"].partition("/")[0] == name:
                axes.axvline(alarm["images"], color=_ALARM, lw=1)
        if logarithmic and axes.has_data():
            axes.set_yscale("log")
        if name == "mean_oscillation":
            axes.set_xlabel("real images seen", fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#e6e6e6", lw=0.6)
        if len(axes.get_legend_handles_labels()[1]) > 1:
            axes.legend(frameon=False, fontsize=6)
    return figure


def _curves(axes: Axes, readings: list[dict[str, Any]], name: str, thin: bool) -> None:
    keys = list(dict.fromkeys(key for reading in readings for key in reading["values"]))
    for number, key in enumerate(key for key in keys if key.partition("/")[0] == name):
        found = [(reading["images"], reading["values"][key]) for reading in readings if key in reading["values"]]
        layer = key.partition("/")[2]
        axes.plot(
            *zip(*found, strict=True),
            color=_COLOURS[number % len(_COLOURS)],
            lw=0.6 if thin else 1.4,
            marker="" if thin else ".",
            ms=3,
            label=None if thin else (f"layer {layer}" if layer.isdigit() else layer),
        )
