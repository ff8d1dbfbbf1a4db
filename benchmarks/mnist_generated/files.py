"""The nearest neighbour among generated images, as CSV, JSON, Markdown and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dcgan_features.benchmarks.mnist_generated.study import Images, Nearest, RealImages, Study, System
from dcgan_features.benchmarks.records.environment import environment
from dcgan_features.benchmarks.records.rows import write_csv
from dcgan_features.benchmarks.reporting.escaping import figure_text, markdown_text
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.benchmarks.reporting.plots.style import INK, new_figure, show_image, write_figure
from dcgan_features.benchmarks.reporting.table import NOT_MEASURED, STAND_IN, WARNING
from dcgan_features.data.utils.cli import duration
from dcgan_features.data.utils.drawing import image_grid
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import write_text
from dcgan_features.data.utils.formats import opened, read_json, write_sealed
from dcgan_features.eval.protocols import wilson_interval
from dcgan_features.eval.significance import NOT_APART, compare

FORMAT = 1
COLUMNS = (
    "row", "images", "metric", "published", "measured", "low", "high", "real_images", "seconds", "device", "data",
    "stand_in", "deviations",
)  # fmt: skip
_HOW = (
    "Error in percent on all test images of the nearest neighbour (Euclidean distance of pixels) among images of which "
    "only the label is given: generated ones, labelled with the class that the generator was asked for, or real ones. "
    "95% interval: Wilson's, over test images."
)

Line = dict[str, Any]


def line_of(
    study: Study,
    preset: str,
    system: System,
    real: RealImages,
    images: int,
    real_count: int,
    found: Nearest,
    control: Nearest | None,
) -> Line:
    """What is measured of one system with so many images in the classifier, JSON-ready.

    real_count : real images that the system saw. control : the real images' own result, with which it is compared.
    """
    truth = real.test_labels
    error = 100 * float((found.labels != truth).mean())
    low, high = wilson_interval(error, len(truth))
    if system.recipes:
        published = None if real.stand_in else system.published.get(images)
    else:  # whose number of images is another one, but the figure is meant
        own = real_count == len(real.kept) and not real.stand_in
        published = next(iter(system.published.values()), None) if own else None
    return {
        "row": system.name,
        "title": system.title,
        "preset": preset,
        "images": images,
        "real_images": real_count,
        "metric": "error",
        "published": published,
        "measured": error,
        "low": low,
        "high": high,
        "against_real": None if control is None or not system.recipes else _against(truth, found, control),
        "test_images": len(truth),
        "data": real.title,
        "stand_in": real.stand_in,
    }


def _deviations(study: Study, line: Line) -> str:
    """How a line departs from the paper."""
    preset = line["preset"]
    system = next((system for system in study.systems if system.name == line["row"]), None)
    texts = []
    if system is not None and system.recipes:
        seen = system.recipes[preset]["images"]
        if seen < study.published_images_seen:
            texts.append(f"{seen:,} images seen in training instead of {study.published_images_seen:,}")
        texts += [text for text in (study.presets[preset].deviations, system.deviations) if text]
    if line["real_images"] != study.published_real_images:
        texts.append(f"{line['real_images']:,} real images instead of {study.published_real_images:,}")
    return "; ".join(texts)


def _against(truth: npt.NDArray[np.int64], found: Nearest, control: Nearest) -> dict[str, float]:
    """The error less that of the real images, in percentage points, on the same test images."""
    result = compare(truth, control.labels[None], found.labels[None])
    return {"difference": result.difference, "low": result.low, "high": result.high, "p_value": result.p_value}


def read_lines(path: Path) -> list[Line]:
    """Lines that are measured; none where there is no file. Raises `InputError` for a damaged one."""
    if not path.exists():
        return []
    content = opened(read_json(path), path, required=False)
    if content.get("format") != FORMAT or not isinstance(content.get("lines"), list):
        raise InputError(
            f"{path} is not of this study, or of another version; delete it, or measure again with --rerun"
        )
    return list(content["lines"])


def write_study(study: Study, lines: Sequence[Line], folder: Path) -> None:
    """Write `<name>.json`, `.csv` and `.md` of what is measured, and beside it what was published."""
    order = {system.name: number for number, system in enumerate(study.systems)}
    lines = sorted(lines, key=lambda line: (order.get(line["row"], len(order)), line["images"]))
    lines = [{**line, "deviations": _deviations(study, line)} for line in lines]
    stem = folder / study.name
    about = {"format": FORMAT, "study": study.name, "citation": study.citation}
    write_sealed(stem.with_suffix(".json"), {**about, "lines": lines, **environment()})
    table = [{**line, "seconds": round(sum(line["seconds"].values()), 1)} for line in lines]
    for line in table:
        line |= {key: round(line[key], 3) for key in ("measured", "low", "high")}
    write_csv(stem.with_suffix(".csv"), [{key: line[key] for key in COLUMNS} for line in table], COLUMNS)
    write_text(stem.with_suffix(".md"), "\n".join(_page(study, lines)) + "\n")


def _page(study: Study, lines: Sequence[Line]) -> list[str]:
    stand_in = any(line["stand_in"] for line in lines)
    title = study.title + (f" ({STAND_IN})" if stand_in else "")
    heads = ["System", "Images in the classifier", "Real images seen", "Published", "Measured", "95% interval", "Time"]
    page = [f"# {markdown_text(title)}", "", *([f"**{WARNING}**", ""] if stand_in else []), _HOW, ""]
    page += [*markdown_table(heads, [cells for system in study.systems for cells in _rows(study, system, lines)]), ""]
    page += [f"Published: {markdown_text(study.citation)}; {study.published_real_images:,} real images.", ""]
    page += [f"- {sentence}" for line in lines for sentence in _sentences(line)]
    notes = dict.fromkeys(
        f"- {markdown_text(line['title'])}: {markdown_text(line['deviations'])}."
        for line in lines
        if line["deviations"]
    )
    page += ["", "Departures from the paper:", "", *notes] if notes else []
    return [*page, "", f"![Generated and real images]({study.name}.png)"]


def _rows(study: Study, system: System, lines: Sequence[Line]) -> list[list[str]]:
    """The table's rows of one system: what is measured, and what is published of other numbers of images."""
    rows, own = [], [line for line in lines if line["row"] == system.name]
    shown = {line["images"] for line in own if line["published"] is not None}
    for line in own:
        published = "" if line["published"] is None else f"{line['published']:.2f}"
        interval = f"{line['low']:.2f} to {line['high']:.2f}"
        time = duration(sum(line["seconds"].values()))
        figures = [f"{line['images']:,}", f"{line['real_images']:,}", published, f"{line['measured']:.2f}", interval]
        rows.append([system.title, *figures, time])
    for images, value in system.published.items():
        if images not in shown and (system.recipes or not own):
            rows.append([system.title, f"{images:,}", "", f"{value:.2f}", NOT_MEASURED, "", ""])
    return rows


def _sentences(line: Line) -> list[str]:
    """What a line says of its system beside the real images, and which weights it is of."""
    if line["against_real"] is None:
        return []
    against, chosen = line["against_real"], line["chosen"]
    difference, low, high = (against[key] for key in ("difference", "low", "high"))
    verdict = (
        f"{NOT_APART} from the real images that it was trained on"
        if low <= 0 <= high
        else f"{'worse' if difference > 0 else 'better'} than the real images that it was trained on"
    )
    statistics = "each batch's own statistics" if chosen["own_statistics"] else "running statistics"
    return [
        f"{line['title']}, {line['images']:,} images: {verdict} (error {difference:+.2f} points, 95% interval "
        f"{low:+.2f} to {high:+.2f}). Chosen on held-out training images: the weights after "
        f"{chosen['images_seen']:,} images, {statistics}."
    ]


def write_picture(path: Path, panels: dict[str, Images], warning: str = "") -> None:
    """Draw images of each system side by side, 100 each, a class a column."""
    figure = new_figure(3.5 * len(panels) + 0.2, 4.0, warning)
    for number, (title, images) in enumerate(panels.items()):
        axes = figure.add_subplot(1, len(panels), number + 1)
        show_image(axes, np.asarray(image_grid(images)))
        axes.set_title(figure_text(title), loc="left", color=INK, fontsize=10)
        axes.set_axis_off()
    write_figure(path, figure, dpi=130)
