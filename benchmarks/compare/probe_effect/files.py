"""A study of probes as Markdown, CSV, JSON and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from dcgan_features.benchmarks.compare.probe_effect.effects import (
    Change,
    Ranking,
    accuracies,
    best_on_test,
    changes,
    rankings,
)
from dcgan_features.benchmarks.compare.probe_effect.study import CHOSEN, EXACT, Measured, ProbeStudy
from dcgan_features.benchmarks.compare.probes import Probe
from dcgan_features.benchmarks.config.images import LabelledDataset
from dcgan_features.benchmarks.records.environment import environment
from dcgan_features.benchmarks.records.figures import interval, rounded
from dcgan_features.benchmarks.records.rows import write_csv
from dcgan_features.benchmarks.reporting.escaping import figure_text, markdown_text
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.benchmarks.reporting.plots.style import curve_style, new_figure, tidy, write_figure
from dcgan_features.benchmarks.reporting.table import STAND_IN, WARNING
from dcgan_features.data.utils.files import write_text
from dcgan_features.data.utils.formats import write_sealed
from dcgan_features.eval.protocols import wilson_interval

_COLUMNS = ("data", "extractor", "probe", "accuracy", "low", "high", "rank", "chosen", "seconds", "stand_in")
_HOW = (
    "The features are the same in every column; the classifier on them is not. Accuracy in percent on the test images, "
    "with its rank in brackets. Intervals of differences are for the test sample, image by image (Newcombe, method 10)."
)


def write_study(study: ProbeStudy, measured: Sequence[Measured], results: Path) -> None:
    """Write `<name>.md`, `.csv`, `.json` and `.png` into the folder of results."""
    stem = results / study.name
    stand_in = any(part.dataset.stand_in for part in measured)
    text = [f"# {markdown_text(study.title or study.name)}{f' ({STAND_IN})' if stand_in else ''}", ""]
    text += [f"**{WARNING}**", ""] if stand_in else []
    text += [_HOW, "", f"![Accuracy by probe]({stem.name}.png)"]
    parts, lines = {}, []
    for part in measured:
        found = _effects(study, part)
        parts[part.name] = found
        text += _page(study, part, found)
        lines += _lines(study, part)
    write_csv(stem.with_suffix(".csv"), lines, _COLUMNS)
    content = {name: {key: _plain(value) for key, value in found.items()} for name, found in parts.items()}
    write_sealed(stem.with_suffix(".json"), {"study": study.model_dump(), "data": content, **environment()})
    write_text(stem.with_suffix(".md"), "\n".join(text) + "\n")
    _draw(stem.with_suffix(".png"), study, measured, WARNING if stand_in else "")


def _effects(study: ProbeStudy, part: Measured) -> dict[str, Any]:
    truth, predicted = part.dataset.test_labels, part.predicted
    honest = [probe.name for probe in study.honest()]
    table = accuracies(truth, predicted)
    fixed = [probe.name for probe in study.fixed()]
    widest, by_test = [], []
    for title, by_probe in predicted.items():
        by_accuracy = sorted(honest, key=table[title].__getitem__)
        widest += changes(truth, {title: by_probe}, [(by_accuracy[-1], by_accuracy[0])])
        by_test += changes(truth, {title: by_probe}, [(best_on_test(truth, by_probe, fixed), CHOSEN)])
    return {
        "accuracies": table,
        "rankings": rankings(truth, predicted, honest),
        "widest": widest,
        "by_test": by_test,
        "by_sgd": changes(truth, predicted, [(probe.name, EXACT) for probe in study.by_sgd()]),
    }


def _plain(value: Any) -> Any:
    return [asdict(item) for item in value] if isinstance(value, list) else value


def _page(study: ProbeStudy, part: Measured, found: dict[str, Any]) -> list[str]:
    dataset, table = part.dataset, found["accuracies"]
    honest = study.honest()
    titles = sorted(table, key=lambda title: -table[title][CHOSEN])
    ranks = {probe.name: _ranks(table, probe.name) for probe in honest}
    text = ["", f"## {markdown_text(dataset.title)}", ""]
    text += [
        f"{len(dataset.train_images):,} training images, {_with_labels(dataset)}, and "
        f"{len(dataset.test_images):,} test images; "
        f"{len(titles)} feature sets. {_summary(found)}",
        "",
    ]
    cells = [
        [
            title,
            f"{part.results[title].features['count']:,}",
            *(f"{rounded(table[title][probe.name])} ({ranks[probe.name][title]:g})" for probe in honest),
        ]
        for title in titles
    ]
    text += markdown_table(["Features of", "Number", *(probe.title for probe in honest)], cells)
    names = {probe.name: probe.title for probe in study.all_probes()}
    text += ["", "### Do two probes put the features into the same order?", ""]
    text += [
        "Swapped: pairs of feature sets whose order differs. Contradicted: of those, pairs that both probes tell apart "
        "(McNemar's test, adjusted after Holm for all pairs), each in its own direction.",
        "",
    ]
    heads = ["Probe", "Other probe", "Kendall's tau", "Swapped", "Contradicted", "Largest change of rank"]
    cells = [
        [names[item.first], names[item.second], *_order(item), f"{item.contradicted}", f"{item.largest_move:g}"]
        for item in found["rankings"]
    ]
    text += markdown_table(heads, cells, 2)
    text += ["", "### Points that the probe alone makes", ""]
    heads = ["Features of", "Best probe", "Worst probe", "Difference", "95% interval"]
    text += markdown_table(heads, [[*_named(item, names), *_difference(item)] for item in found["widest"]], 3)
    text += ["", "### Choosing C on the test images", ""]
    text += [
        "The L2-SVM with the C that gets most test images right, less the one whose C was chosen inside the labels. "
        "It is never negative, as the other C is among those tried; the interval does not know of the choice.",
        "",
    ]
    heads = ["Features of", "C by the test images", "C inside the labels", "Difference", "95% interval"]
    cells = [
        [item.extractor, item.first.rpartition("-C")[2], _chosen(part, item.extractor), *_difference(item)]
        for item in found["by_test"]
    ]
    text += markdown_table(heads, cells)
    text += ["", "### SGD at a fixed rate", ""]
    text += [
        "A linear layer trained for 100 epochs by SGD (minibatches of 256, momentum 0.9, no penalty), less logistic "
        "regression whose C was chosen inside the labels.",
        "",
    ]
    by = {(item.extractor, item.first): item for item in found["by_sgd"]}
    cells = [
        [title, *(" ".join(_difference(by[title, probe.name], brackets=True)) for probe in study.by_sgd())]
        for title in titles
    ]
    return text + markdown_table(["Features of", *(f"rate {rate:g}" for rate in study.rates)], cells)


def _with_labels(dataset: LabelledDataset) -> str:
    count = int((dataset.train_labels >= 0).sum())
    return "all labelled" if count == len(dataset.train_labels) else f"{count:,} of them labelled"


def _summary(found: dict[str, Any]) -> str:
    """The findings in figures, in sentences."""
    widest = np.array([item.comparison.difference for item in found["widest"]])
    by_test = np.array([item.comparison.difference for item in found["by_test"]])
    by_sgd = np.array([item.comparison.difference for item in found["by_sgd"]])
    swapped, pairs = (
        max((getattr(item, name) for item in found["rankings"]), default=0) for name in ("swapped", "pairs")
    )
    return (
        f"The probe alone moves a feature set by {widest.mean():.1f} points in the mean, {widest.max():.1f} at most, "
        f"and swaps up to {swapped} of {pairs} pairs. Choosing C on the test images adds {by_test.mean():.2f} points "
        f"in the mean, {by_test.max():.2f} at most. SGD at a fixed rate lies between {by_sgd.min():+.1f} and "
        f"{by_sgd.max():+.1f} points of the same model solved."
    )


def _ranks(table: dict[str, dict[str, float]], probe: str) -> dict[str, float]:
    titles = list(table)
    return dict(zip(titles, stats.rankdata([-table[title][probe] for title in titles]).tolist(), strict=True))


def _order(item: Ranking) -> list[str]:
    return ["" if item.tau is None else f"{item.tau:.2f}", f"{item.swapped} of {item.pairs}"]


def _named(item: Change, names: dict[str, str]) -> list[str]:
    return [item.extractor, names[item.first], names[item.second]]


def _difference(item: Change, brackets: bool = False) -> list[str]:
    found = item.comparison
    bounds = interval(found.low, found.high, 2, sign=True)
    return [rounded(found.difference, sign=True), f"({bounds})" if brackets else bounds]


def _chosen(part: Measured, title: str) -> str:
    return f"{part.results[title].protocols[CHOSEN].chosen[0]['C']:g}"


def _lines(study: ProbeStudy, part: Measured) -> list[dict[str, Any]]:
    table = accuracies(part.dataset.test_labels, part.predicted)
    ranks = {probe.name: _ranks(table, probe.name) for probe in study.all_probes()}
    lines = []
    for title, by_probe in table.items():
        for probe, accuracy in by_probe.items():
            result = part.results[title].protocols[probe]
            low, high = wilson_interval(accuracy, len(part.dataset.test_labels))
            chosen = {key: value for key, value in result.chosen[0].items() if key != "scores"}
            lines.append(
                {
                    "data": part.name,
                    "extractor": title,
                    "probe": probe,
                    "accuracy": round(accuracy, 3),
                    "low": round(low, 3),
                    "high": round(high, 3),
                    "rank": ranks[probe][title],
                    "chosen": " ".join(f"{key} {value:g}" for key, value in chosen.items()),
                    "seconds": round(result.seconds, 2),
                    "stand_in": part.dataset.stand_in,
                }
            )
    return lines


def _draw(path: Path, study: ProbeStudy, measured: Sequence[Measured], warning: str) -> None:
    """A panel a data set: the probes side by side, a line for each feature set. Lines that cross are swapped ranks."""
    probes: list[Probe] = [*study.honest(), *study.by_sgd()]
    figure = new_figure(2.6 + 5.2 * len(measured), 4.8, warning)
    for number, (axes, part) in enumerate(
        zip(figure.subplots(1, len(measured), squeeze=False)[0], measured, strict=True)
    ):
        table = accuracies(part.dataset.test_labels, part.predicted)
        titles = sorted(table, key=lambda title: -table[title][CHOSEN])
        for place, title in enumerate(titles):
            values = [table[title][probe.name] for probe in probes]
            axes.plot(range(len(probes)), values, label=figure_text(title), **curve_style(place))
        axes.set_xticks(range(len(probes)), [figure_text(probe.title) for probe in probes], rotation=30, ha="right")
        axes.set_title(figure_text(part.dataset.title), fontsize=11)
        axes.tick_params(labelsize=8)
        tidy(axes)
        if number == 0:
            axes.set_ylabel("accuracy, percent", fontsize=9)
        axes.legend(fontsize=7.5, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    write_figure(path, figure)
