"""Whether a generator copies its training images, as JSON, Markdown and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dcgan_features.benchmarks.memorisation.study import NOISE, PLANTED, TAIL, Comparison, Found, Images, Share
from dcgan_features.benchmarks.reporting.escaping import figure_text, markdown_text
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.benchmarks.reporting.plots.style import COLOURS, INK, new_figure, show_image, write_figure
from dcgan_features.benchmarks.reporting.table import STAND_IN
from dcgan_features.data.utils.files import write_json, write_text

PAIRS = 8
WARNING = "Of a network trained on a built-in stand-in, made-up images."


_LEGEND = (
    "Nearer: probability that a sample is nearer to its nearest training image than a held-out image is to its own; "
    "0.5 where they do not differ. Smooth samples are near to everything, so that this alone tells no copy. Nearer, "
    "ratio: the same of the distance to the nearest over that to the second nearest. Median distance: of the "
    "samples over that of the held-out images. Copies: samples whose ratio is below that of "
    f"{100 * (1 - TAIL):.0f}% of the held-out images. 95% intervals by resampling samples and held-out images; the "
    "conclusion corrects for looking in several spaces. Planted copies are training images under noise of "
    f"{NOISE:.0f} grey levels; the last line compares one half of the held-out images with the other."
)


@dataclass(frozen=True)
class Measured:
    """One space: distances of samples and held-out images, and what comes of them.

    comparison : samples beside held-out images. unseen : one half of the held-out images beside the other, which must
    show nothing. planted : the samples with some of them replaced by copies, which must show.
    """

    title: str
    samples: Found
    held_out: Found
    comparison: Comparison
    unseen: Comparison
    planted: Comparison


def conclusion(measured: Mapping[str, Measured]) -> str:
    """One sentence, computed from the figures."""
    copied = [item for item in measured.values() if item.comparison.copied]
    able = [item for item in measured.values() if item.planted.copied]
    if copied:
        worst = max(copied, key=lambda item: item.comparison.floor)
        return (
            f"The generator copies: measured by {_listed([item.title for item in copied])}, "
            f"{_percent(worst.comparison.copies)} of its samples are as close to a single training image as "
            f"{100 * TAIL:.0f}% of unseen images are."
        )
    if not able:
        return f"Undecided: even {100 * PLANTED:.0f}% planted copies do not show in these figures."
    most = max(able, key=lambda item: item.comparison.copies.high)
    lowest = min(item.planted.copies.value for item in able)
    return (
        f"No sign of memory: measured by {_listed([item.title for item in able])}, at most "
        f"{_percent(most.comparison.copies)} of the samples look like copies, where {100 * TAIL:.0f}% is expected of "
        f"unseen images; were {100 * PLANTED:.0f}% of the samples copies, {lowest:.1f}% or more would look like it."
    )


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _percent(share: Share) -> str:
    return f"{share.value:.1f}% (95% interval {share.low:.1f} to {share.high:.1f}%)"


def _interval(share: Share, digits: int = 3) -> str:
    return f"{share.value:.{digits}f} ({share.low:.{digits}f} to {share.high:.{digits}f})"


def write_memory(
    stem: Path,
    measured: Mapping[str, Measured],
    about: dict[str, Any],
    samples: Images,
    unseen: Images,
    training: Images,
) -> str:
    """Write `<stem>.json`, `.md`, `.png` and `-pairs.png`; return the conclusion."""
    sentence = conclusion(measured)
    figures = {
        key: {name: asdict(getattr(item, name)) for name in ("comparison", "unseen", "planted")}
        for key, item in measured.items()
    }
    write_json(stem.with_suffix(".json"), {"format": 1, **about, "conclusion": sentence, "spaces": figures})
    write_figure(stem.with_suffix(".png"), _distributions(measured, about), dpi=120)
    write_figure(stem.with_name(f"{stem.name}-pairs.png"), _pairs(measured, samples, unseen, training), dpi=120)
    write_text(stem.with_suffix(".md"), "\n".join(_page(stem.name, measured, about, sentence)) + "\n")
    return sentence


def _page(name: str, measured: Mapping[str, Measured], about: dict[str, Any], sentence: str) -> list[str]:
    mark = f" ({STAND_IN})" if about["stand_in"] else ""
    heads = ["Distances in", "Beside held-out images", "Nearer", "Nearer, ratio", "Median distance", "Copies, %"]
    rows = [
        [
            item.title if number == 0 else "",
            words,
            *(_interval(getattr(part, key), 3) for key in ("nearer", "nearer_ratio", "median")),
            _interval(part.copies, 2),
        ]
        for item in measured.values()
        for number, (words, part) in enumerate(
            [
                ("samples", item.comparison),
                (f"samples, {100 * PLANTED:.0f}% of them planted copies", item.planted),
                ("held-out images", item.unseen),
            ]
        )
    ]
    return [
        f"# Is it memory? {markdown_text(str(about['checkpoint']))}{mark}",
        "",
        *([f"**{WARNING}**", ""] if about["stand_in"] else []),
        f"**{sentence}**",
        "",
        f"{about['samples']:,} samples, {about['held_out_images']:,} of {markdown_text(str(about['held_out']))}, "
        f"and the network's {about['training_images']:,} training images: {markdown_text(str(about['data']))}.",
        "",
        *markdown_table(heads, rows, 2),
        "",
        _LEGEND,
        "",
        f"![Distances to the nearest training image]({name}.png)",
        "",
        f"![The pairs most like copies]({name}-pairs.png)",
    ]


def _distributions(measured: Mapping[str, Measured], about: dict[str, Any]) -> Figure:
    figure = new_figure(4.3 * len(measured) + 0.3, 6.2, WARNING if about["stand_in"] else "")
    for number, item in enumerate(measured.values()):
        axes = figure.add_subplot(2, len(measured), number + 1)
        axes.set_title(figure_text(item.title), loc="left", fontsize=10, color=INK)
        _histograms(axes, item.samples.first, item.held_out.first)
        axes.set_xlabel("distance to the nearest training image")
        if number == 0:
            axes.legend(frameon=False, fontsize=8, loc="upper right")
        axes = figure.add_subplot(2, len(measured), len(measured) + number + 1)
        _histograms(axes, item.samples.ratio, item.held_out.ratio)
        threshold = float(np.quantile(item.held_out.ratio, TAIL))
        axes.axvline(threshold, color=INK, lw=1, ls=":")
        axes.text(threshold, 0.97, "copies ", transform=axes.get_xaxis_transform(), ha="right", va="top", fontsize=8)
        axes.set_xlabel("nearest over second nearest")
    return figure


def _histograms(axes: Axes, samples: Any, held_out: Any) -> None:
    low, high = (float(end) for end in np.quantile(np.concatenate([samples, held_out]), [0.0005, 0.9995]))
    bins = np.linspace(low, high, 50)
    for values, label, colour in ((held_out, "held-out images", COLOURS[0]), (samples, "samples", COLOURS[1])):
        axes.hist(
            values, bins=list(bins), density=True, histtype="step", lw=1.6, color=colour, label=figure_text(label)
        )
    axes.set_yticks([])
    axes.spines[["top", "right", "left"]].set_visible(False)


def _pairs(measured: Mapping[str, Measured], samples: Images, unseen: Images, training: Images) -> Figure:
    """Of samples and of held-out images, those most like copies, each above its nearest training image."""
    figure = new_figure(0.75 * PAIRS * 2 + 0.6, 1.85 * len(measured) + 0.2)
    for row, item in enumerate(measured.values()):
        for column, (words, found, images) in enumerate(
            (("samples", item.samples, samples), ("held-out images", item.held_out, unseen))
        ):
            axes = figure.add_subplot(len(measured), 2, 2 * row + column + 1)
            closest = np.argsort(found.ratio, kind="stable")[:PAIRS]
            strip = [np.concatenate(list(part), 1) for part in (images[closest], training[found.index[closest]])]
            show_image(axes, np.concatenate(strip, 0))
            axes.set_title(f"{words}, and below them the nearest training image; {item.title}", loc="left", fontsize=7)
            axes.set_axis_off()
    return figure
