"""What was measured by layer, by pooling grid and over training, as CSV, Markdown and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dcgan_features.benchmarks.layers.study import ALONE, CUMULATIVE, LAYER_COLUMNS, TRAINING_COLUMNS, Line
from dcgan_features.benchmarks.records.figures import with_pm
from dcgan_features.benchmarks.records.rows import write_csv
from dcgan_features.benchmarks.reporting.escaping import markdown_text
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.benchmarks.reporting.plots.panels import Panel, Series, write_panels
from dcgan_features.benchmarks.reporting.table import STAND_IN, WARNING, metric_text
from dcgan_features.benchmarks.runner.job import Job
from dcgan_features.data.utils.files import write_text

_HOW = (
    "Mean ± standard deviation over label draws, where there are several. C is chosen inside the labelled images each "
    "time."
)

_TEST, _KEPT = "the whole test set", "training images that no label is drawn from"


def write_layers(job: Job, lines: Sequence[Line]) -> None:
    """Write `<table>-layers-<row>.csv`, `.md` and `.png`; `lines` as `layer_lines` makes them."""
    title = _title(job, "by layer and pooling grid", lines)
    stem = job.results / f"{job.table.name}-layers-{job.row}"
    write_csv(stem.with_suffix(".csv"), list(lines), LAYER_COLUMNS)
    panels, text = [], []
    for protocol in dict.fromkeys(line["protocol"] for line in lines):
        words = job.table.protocols[protocol].title
        here = [line for line in lines if line["protocol"] == protocol]
        panels += [_by_layer(here, words), _by_grid(here, words)]
        text += ["", f"## {words[:1].upper()}{words[1:]}", "", *_grid_table(here)]
    _write_page(job, stem, title, text, lines)
    write_panels(stem.with_suffix(".png"), panels, title, job.table.metric, _warning(lines))


def write_training(job: Job, lines: Sequence[Line]) -> None:
    """Write `<table>-training-<row>.csv`, `.md` and `.png`; `lines` as `checkpoint_lines` makes them."""
    title = _title(job, "over the training of its network", lines)
    stem = job.results / f"{job.table.name}-training-{job.row}"
    write_csv(stem.with_suffix(".csv"), list(lines), TRAINING_COLUMNS)
    series, cells = [], []
    for protocol in dict.fromkeys(line["protocol"] for line in lines):
        words = job.table.protocols[protocol].title
        here = [line for line in lines if line["protocol"] == protocol]
        series.append(_series(words, here, "images_seen"))
        cells += [[words, f"{line['images_seen']:,}", with_pm(line["measured"], line["sd"], 2)] for line in here]
    head = ["Labels", "Images seen", job.table.metric.capitalize()]
    _write_page(job, stem, title, ["", *markdown_table(head, cells)], lines)
    panel = Panel("", "images seen in training", tuple(series))
    write_panels(stem.with_suffix(".png"), [panel], title, job.table.metric, _warning(lines))


def _title(job: Job, words: str, lines: Sequence[Line]) -> str:
    mark = f" ({STAND_IN})" if _warning(lines) else ""
    return f"{job.table.title}: {job.line.title}, {words}{mark}"


def _warning(lines: Sequence[Line]) -> str:
    return WARNING if any(line["stand_in"] for line in lines) else ""


def _write_page(job: Job, stem: Path, title: str, text: list[str], lines: Sequence[Line]) -> None:
    protocols = [job.table.protocols[name] for name in dict.fromkeys(line["protocol"] for line in lines)]
    images = _TEST if any(item.scored_on == "test" for item in protocols) else _KEPT
    others = [item.title for item in protocols if item.scored_on == "validation"]
    if others and images == _TEST:
        images += f" ({markdown_text(' and '.join(others))}: on {_KEPT})"
    warning = [f"**{_warning(lines)}**", ""] if _warning(lines) else []
    title = markdown_text(title)
    how = f"{metric_text(job.table.metric, images)}. {_HOW}"
    page = [f"# {title}", "", *warning, how, *text, "", f"![{title}]({stem.name}.png)"]
    write_text(stem.with_suffix(".md"), "\n".join(page) + "\n")


def _series(name: str, lines: Sequence[Line], along: str) -> Series:
    ordered = sorted(lines, key=lambda line: float(line[along]))
    return Series(name, tuple((line[along], line["measured"], line["sd"]) for line in ordered))


def _by_layer(lines: Sequence[Line], words: str) -> Panel:
    series = []
    for scope, name in ((ALONE, "alone"), (CUMULATIVE, "with all before")):
        for grid in sorted({line["grid"] for line in lines}):
            found = [line for line in lines if line["scope"] == scope and line["grid"] == grid]
            if scope == ALONE or len(found) > 2:  # the first layer and all of them are no curve
                series.append(_series(f"{name}, grid {grid} x {grid}", found, "layer"))
    return Panel(words, "layer", tuple(series))


def _by_grid(lines: Sequence[Line], words: str) -> Panel:
    alone = [line for line in lines if line["scope"] == ALONE]
    series = [
        _series(f"layer {layer} alone", [line for line in alone if line["layer"] == layer], "grid")
        for layer in sorted({line["layer"] for line in alone})
    ]
    deepest = max((line["layer"] for line in lines), default=0)
    whole = [line for line in lines if line["scope"] == CUMULATIVE and line["layer"] == deepest]
    return Panel(words, "grid, cells along each side", (*series, _series("all layers", whole, "grid")))


def _grid_table(lines: Sequence[Line]) -> list[str]:
    grids = sorted({line["grid"] for line in lines})
    by_place = {(line["scope"], line["layer"], line["grid"]): line for line in lines}
    cells = []
    for scope, layer in dict.fromkeys((line["scope"], line["layer"]) for line in lines):
        if (scope, layer) != (CUMULATIVE, 1):
            found = [by_place.get((scope, layer, grid)) for grid in grids]
            texts = ["" if line is None else with_pm(line["measured"], line["sd"], 2) for line in found]
            cells.append([f"{layer} alone" if scope == ALONE else f"1 to {layer}", *texts])
    return markdown_table(["Layers", *(f"grid {grid} x {grid}" for grid in grids)], cells)
