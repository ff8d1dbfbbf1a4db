"""What was predicted, to be looked at: an animation, and one picture of figures and frames."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from dcgan_features.benchmarks.reporting.escaping import figure_text
from dcgan_features.benchmarks.reporting.plots.style import COLOURS, INK, curve_style, new_figure, show_image, tidy
from dcgan_features.data.utils.drawing import BORDER, font
from dcgan_features.data.utils.files import atomic_path
from dcgan_features.data.video.clips import Frames

SHOWN = 5  # clips of the animation, side by side
_SCALE, _MARGIN, _HEAD, _MILLISECONDS = 2, 92, 18, 200


def write_animation(path: Path, clips: Frames, predicted: Mapping[str, Frames], mark: str = "") -> None:
    """A GIF of clips as they are and, below them, as each predictor continues them; `mark` is printed above.

    clips : uint8 (n, frames, height, width, 1). predicted : by the predictor's short name the last frames, likewise.
    Raises `InputError` where the file cannot be written.
    """
    given = clips.shape[1] - next(iter(predicted.values())).shape[1]
    rows = {"truth": clips} | {
        name: np.concatenate([clips[:, :given], frames], 1) for name, frames in predicted.items()
    }
    pictures = [
        _still({name: row[:, number, :, :, 0] for name, row in rows.items()}, _caption(number, given, mark))
        for number in range(clips.shape[1])
    ]
    pause = [_MILLISECONDS] * (len(pictures) - 1) + [4 * _MILLISECONDS]
    with atomic_path(path) as temporary:
        pictures[0].save(
            temporary, format="GIF", save_all=True, append_images=pictures[1:], duration=pause, loop=0, optimize=True
        )


def _caption(number: int, given: int, mark: str) -> str:
    kind = "given" if number < given else "predicted"
    return f"frame {number + 1}, {kind}{f'; {mark}' if mark else ''}"


def _still(rows: Mapping[str, Any], caption: str) -> Image.Image:
    """One frame of the animation. rows : by name (n, height, width)."""
    count, height, width = next(iter(rows.values())).shape
    across, down = width * _SCALE + BORDER, height * _SCALE + BORDER
    canvas = Image.new("L", (_MARGIN + count * across, _HEAD + len(rows) * down), 255)
    draw = ImageDraw.Draw(canvas)
    draw.text((_MARGIN, 2), caption, 0, font(11))
    for row, (name, frames) in enumerate(rows.items()):
        draw.text((4, _HEAD + row * down + down // 2 - 8), name, 0, font(11))
        for column, frame in enumerate(frames):
            enlarged = Image.fromarray(frame).resize((width * _SCALE, height * _SCALE), Image.Resampling.NEAREST)
            canvas.paste(enlarged, (_MARGIN + column * across, _HEAD + row * down))
    return canvas.quantize(16)


def figure_of(content: Mapping[str, Any], clips: Frames, predicted: Mapping[str, Frames], warning: str) -> Figure:
    """Figures by predicted frame, the probe's accuracies, and one clip, as one picture.

    content : as `files.write_results` keeps it.
    """
    figure = new_figure(11, 7.4, warning)
    parts: Any = figure.subfigures(2, 1, height_ratios=[1.15, 1])
    top, bottom = parts
    axes = top.subplots(1, 3, width_ratios=[1, 1, 1.5])
    systems = content["prediction"]["systems"]
    for panel, metric, title in ((axes[0], "squared_error", "squared error a frame"), (axes[1], "ssim", "SSIM")):
        for number, system in enumerate(systems):
            values = system["by_frame"][metric]
            label = figure_text(system["short"])
            panel.plot(range(1, len(values) + 1), values, label=label, **curve_style(number))
        panel.set_title(title, loc="left", fontsize=10, color=INK)
        panel.set_xlabel("predicted frame")
        tidy(panel)
    axes[0].set_ylim(top=1.4 * axes[0].get_ylim()[1])  # room for the legend
    axes[0].legend(frameon=False, fontsize=8, loc="upper left", ncols=2)
    _bars(axes[2], content["motion"])
    _strip(bottom.subplots(1, 1), clips, predicted)
    return figure


def _bars(axes: Axes, motion: Mapping[str, Any]) -> None:
    tasks, views = list(motion["chance"]), motion["views"]
    width = 0.8 / len(views)
    for number, view in enumerate(views):
        places = np.arange(len(tasks)) + (number - (len(views) - 1) / 2) * width
        values = [view["accuracy"][task]["value"] for task in tasks]
        axes.bar(places, values, width, color=COLOURS[number % len(COLOURS)], label=figure_text(view["title"]))
    for place, task in enumerate(tasks):
        axes.plot([place - 0.45, place + 0.45], [motion["chance"][task]] * 2, color=INK, lw=1, ls=":")
    axes.set_xticks(range(len(tasks)), [motion["tasks"][task] for task in tasks], fontsize=9)
    axes.set_ylim(0, 150)
    axes.set_yticks(range(0, 101, 20))
    axes.set_title("probe: clips told right, % (dotted: chance)", loc="left", fontsize=10, color=INK)
    axes.legend(frameon=False, fontsize=7, ncols=1, loc="upper right")
    tidy(axes)


def _strip(axes: Axes, clips: Frames, predicted: Mapping[str, Frames]) -> None:
    """One clip: the last given frames and the true ones that follow, and below the latter each prediction."""
    given = clips.shape[1] - next(iter(predicted.values())).shape[1]
    before = min(3, given)
    height, width = clips.shape[2:4]
    rows = {"truth": clips[0, given - before :]} | {name: frames[0] for name, frames in predicted.items()}
    longest = len(rows["truth"])
    canvas = np.full((len(rows) * (height + BORDER), longest * (width + BORDER)), 255, np.uint8)
    for row, frames in enumerate(rows.values()):
        for column, frame in enumerate(frames):
            top, left = row * (height + BORDER), (longest - len(frames) + column) * (width + BORDER)
            canvas[top : top + height, left : left + width] = frame[..., 0]
    show_image(axes, canvas)
    axes.set_yticks([(row + 0.5) * (height + BORDER) for row in range(len(rows))], list(rows), fontsize=9)
    columns = [f"{number - before + 1:+d}" if number >= before else "given" for number in range(longest)]
    axes.set_xticks([(column + 0.5) * (width + BORDER) for column in range(longest)], columns, fontsize=8)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
