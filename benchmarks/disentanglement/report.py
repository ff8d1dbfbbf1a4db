"""The study's table and plot, with sentences made from the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from dcgan_features.benchmarks.disentanglement.measuring import COMPONENTS, ENCODER, UNTRAINED
from dcgan_features.benchmarks.disentanglement.results import (
    CODES,
    COLUMNS,
    INVERSION,
    PATHS,
    SCORES,
    STEM,
    Line,
    lines,
)
from dcgan_features.benchmarks.disentanglement.settings import Settings
from dcgan_features.benchmarks.records.rows import write_csv
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.benchmarks.reporting.plots.style import INK, curve_style, new_figure, tidy, write_figure
from dcgan_features.benchmarks.reporting.table import STAND_IN
from dcgan_features.data.utils.files import write_text

Key = tuple[str, int, str, str, str]
_HOW = (
    "A GAN is trained without labels for each latent space and seed. An encoder then learns z from the generator's own "
    "samples, and its codes of real test images are scored against the factors these images were drawn by. Beside it "
    "two codes of as many dimensions: the same encoder untrained, and the principal components of the pixels. Mean and "
    "95% interval over seeds, by Student's t, wide with {seeds} seeds. Higher is better, but for path length, steps "
    "and errors. Errors are root mean squares in grey levels of 0..255."
)
_LINES = {"uniform": 0, "normal": 1}
_CONTROLS = {UNTRAINED: 2, COMPONENTS: 3}


def write_pages(results: Path, settings: Settings, measured: Sequence[dict[str, Any]]) -> Path:
    """Write latent-measures.csv, .md and .png; returns the path of the Markdown. measured : the runs' results.

    Raises `InputError` where there is none.
    """
    table = lines(measured)
    stand_in = any(one["stand_in"] for one in measured)
    found = {_key(line): line for line in table}
    factors = list(dict.fromkeys(line["measure"] for line in table if line["part"] == "decodability by factor"))
    spaces = list(dict.fromkeys((line["latent"], line["latent_size"]) for line in table))
    about, recipe = measured[0]["about"], measured[0]["recipe"]
    seeds = max(line["seeds"] for line in table)
    mark = f" ({STAND_IN})" if stand_in else ""
    page = [
        f"# Latent spaces in the field's measures{mark}",
        "",
        _HOW.format(seeds=seeds),
        "",
        f"Data: {about['data']}. Network {recipe['network']}, {about['images_seen']:,} images seen, "
        f"{len(measured)} of {len(settings.runs())} GANs measured.",
        "",
        "## Codes of real images",
        "",
        *_readings(found, spaces, SCORES, "codes", ENCODER),
        "",
        *_codes(found, spaces),
        "",
        "## Paths and inversion",
        "",
        *_readings(found, spaces, PATHS, "paths", "generator"),
        "",
        *_table(found, spaces, [("paths", "generator", name) for name in PATHS]),
        "",
        *_readings(found, spaces, ("encoder", "optimised"), "inversion", "test images"),
        "",
        *_table(found, spaces, [("inversion", "test images", name) for name in INVERSION]),
        "",
        "## By factor",
        "",
        "Linear decodability of each factor from the encoder's codes:",
        "",
        *_table(found, spaces, [("decodability by factor", ENCODER, name) for name in factors]),
        "",
        "What each factor explains of the errors of optimised reconstructions (epsilon squared; 0: it plays no part):",
        "",
        *_table(found, spaces, [("error explained", "optimised", name) for name in factors]),
        "",
        *_hardest(measured),
    ]
    write_csv(results / f"{STEM}.csv", table, COLUMNS)
    write_text(results / f"{STEM}.md", "\n".join(page).rstrip() + "\n")
    _draw(results / f"{STEM}.png", found, spaces, stand_in)
    return results / f"{STEM}.md"


def _key(line: Line) -> Key:
    return line["latent"], line["latent_size"], line["part"], line["of"], line["measure"]


def _cell(line: Line) -> str:
    digits = 1 if abs(line["mean"]) >= 10 else 3
    text = f"{_fixed(line['mean'], digits)}"
    if line["from"] is None:
        return text
    return f"{text} ({_fixed(line['from'], digits)} to {_fixed(line['to'], digits)})"


def _fixed(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0: no minus before a 0


def _table(
    found: dict[Key, Line], spaces: Iterable[tuple[str, int]], columns: Sequence[tuple[str, str, str]]
) -> list[str]:
    cells = [
        [f"{latent}, {size}", *(_cell(found[latent, size, *column]) for column in columns)] for latent, size in spaces
    ]
    return markdown_table(["z", *(name for _, _, name in columns)], cells)


def _codes(found: dict[Key, Line], spaces: Sequence[tuple[str, int]]) -> list[str]:
    """Principal components are the same for all latent spaces of a size, and are shown once."""
    cells = []
    for code in CODES:
        shown = spaces
        if code == COMPONENTS:
            first = spaces[0][0]
            shown = [space for space in spaces if space[0] == first]
        for latent, size in shown:
            name = f"{size} dimensions" if code == COMPONENTS else f"{latent}, {size}"
            cells.append([code, name, *(_cell(found[latent, size, "codes", code, score]) for score in SCORES)])
    return markdown_table(["Code", "z", *SCORES], cells, text_columns=2)


def _readings(
    found: dict[Key, Line], spaces: Sequence[tuple[str, int]], measures: Sequence[str], part: str, of: str
) -> list[str]:
    """Of each measure, the largest and the smallest mean, and whether the intervals tell them apart."""
    text = []
    for measure in measures:
        here = sorted((found[*space, part, of, measure] for space in spaces), key=lambda line: float(line["mean"]))
        least, most = here[0], here[-1]
        sentence = (
            f"- {measure}: largest with {_space(most)}, {_cell(most)}, smallest with {_space(least)}, {_cell(least)}"
        )
        if least["to"] is not None and len(here) > 1:
            sentence += "; the intervals " + ("do not overlap" if most["from"] > least["to"] else "overlap")
        text.append(sentence + ".")
    return text


def _space(line: Line) -> str:
    return f"{line['latent_size']} {line['latent']} dimensions"


def _hardest(measured: Sequence[dict[str, Any]]) -> list[str]:
    """For each factor the values that are reconstructed best and worst, over all GANs."""
    text = [
        "Mean error at the easiest and the hardest value of each factor (values numbered from 0), over all GANs:",
        "",
    ]
    cells = []
    for name in measured[0]["measured"]["inversion"]["errors"]:
        columns = zip(*(one["measured"]["inversion"]["errors"][name] for one in measured), strict=True)
        means = [(sum(column) / len(column), value) for value, column in enumerate(columns) if None not in column]
        (low, easiest), (high, hardest) = min(means), max(means)
        cells.append([name, str(easiest), f"{low:.1f}", str(hardest), f"{high:.1f}"])
    return text + markdown_table(["Factor", "Easiest", "Error", "Hardest", "Error"], cells)


def _draw(path: Path, found: dict[Key, Line], spaces: Sequence[tuple[str, int]], stand_in: bool) -> None:
    panels = [("codes", ENCODER, name) for name in SCORES]
    panels += [("paths", "generator", name) for name in PATHS]
    panels += [("inversion", "test images", name) for name in ("encoder", "optimised")]
    warning = "Synthetic data; intervals of 95% over seeds." if stand_in else "Intervals of 95% over seeds."
    figure = new_figure(13, 9, warning)
    figure.suptitle("Latent spaces by number of dimensions", x=0.01, ha="left", color=INK, fontsize=12)
    axes = figure.subplots(3, 4).ravel()
    for place, (part, of, measure) in zip(axes, panels, strict=False):
        for latent, style in _LINES.items():
            _curve(place, [found[(*space, part, of, measure)] for space in spaces if space[0] == latent], latent, style)
        if part == "codes":
            for code, style in _CONTROLS.items():
                latent = spaces[0][0]
                shown = [found[(*space, part, code, measure)] for space in spaces if space[0] == latent]
                _curve(place, shown, code, style)
        title = f"error: {measure}" if part == "inversion" else measure
        place.set_title(title, loc="left", fontsize=10, color=INK)
        place.set_xscale("log")
        sizes = sorted({size for _, size in spaces})
        place.set_xticks(sizes, [str(size) for size in sizes])
        place.minorticks_off()
        tidy(place)
    for place in axes[len(panels) :]:
        place.axis("off")
    handles, names = axes[0].get_legend_handles_labels()
    axes[-1].legend(handles, names, frameon=False, loc="center left")
    write_figure(path, figure)


def _curve(axes: Axes, shown: Sequence[Line], name: str, number: int) -> None:
    if not shown:
        return
    means = [line["mean"] for line in shown]
    errors = [0.0 if line["to"] is None else line["to"] - line["mean"] for line in shown]
    axes.errorbar(
        [line["latent_size"] for line in shown], means, errors, label=name, capsize=2.5, **curve_style(number)
    )
