"""Images of several classes each: one L2-SVM a class, judged by mean average precision."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from dcgan_features.benchmarks.compare.extraction import Features, Place, features_of
from dcgan_features.benchmarks.compare.labelled import Request
from dcgan_features.benchmarks.compare.probes import CS
from dcgan_features.benchmarks.compare.proposals import Surroundings, propose, table_and_path
from dcgan_features.benchmarks.compare.run import BROUGHT
from dcgan_features.benchmarks.config.images import LabelledDataset, adapt
from dcgan_features.benchmarks.records.figures import interval, rounded
from dcgan_features.benchmarks.reporting.escaping import markdown_text
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.benchmarks.runner.progress import Stages
from dcgan_features.data.labelled.load import check_image_array
from dcgan_features.data.labelled.multi import MultiLabelImages, multi_label_images
from dcgan_features.data.splits import holdout
from dcgan_features.data.utils.cli import progress
from dcgan_features.data.utils.devices import device_option
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path, home_path, write_text
from dcgan_features.data.utils.hashing import array_digest, digest_of
from dcgan_features.eval.average_precision import average_precisions, compare_precision
from dcgan_features.eval.multi_label import chosen_C, decision_values
from dcgan_features.eval.significance import holm
from dcgan_features.features.cache.fingerprint import describe

_HELD = 0.2


@dataclass(frozen=True)
class MultiLabelReport:
    """table : a line an extractor, mean average precision in percent, C, features and average precision by class.

    paired : a line a pair with the first extractor: the difference in points, its 95% interval over test images, and p
    after Holm. scores : (n_test, k) by extractor. data : the images and their classes.
    """

    table: pd.DataFrame
    paired: pd.DataFrame
    scores: dict[str, NDArray[np.float64]]
    data: MultiLabelImages

    def _repr_html_(self) -> str:
        parts = [
            part.to_html(index=False, float_format=lambda value: f"{value:.4g}", border=0) for part in self._parts()
        ]
        return f"<h4>{html.escape('Mean average precision')}</h4>" + "\n".join(parts)

    def _parts(self) -> list[pd.DataFrame]:
        return [self.table, self.paired] if len(self.paired) else [self.table]


def multi_label_report(given: Sequence[Any] | Mapping[str, Any], request: Request) -> MultiLabelReport:
    """Compare as `benchmarks.compare.compare_multi_label` says."""
    data = _images(request)
    loaded, path = table_and_path(request.table)
    device, store = str(device_option(request.device)), home_path(request.store, "give --store in full").resolve()
    alike = np.zeros(len(data.images), np.int64), np.zeros(len(data.test_images), np.int64)
    dataset = LabelledDataset(data.name, data.images, alike[0], data.test_images, alike[1], ("any", "other"))
    place = Place("multi-label", request.results / BROUGHT, store, device, request.seed)
    around = Surroundings(loaded, path, loaded.preset(request.preset)[0], dataset, device, store, request.data_root)
    settings = request.settings
    lines, scores = [], {}
    for proposal in propose(given, around):
        identity = digest_of([describe(proposal.extractor), dataset.digest])
        features, about = features_of(
            proposal, adapt(dataset, proposal.adaptation), place, Stages(proposal.title), identity
        )
        C, found = _scores(features, data.targets, tuple(settings.C) or CS, settings.standardise, place.seed)
        scores[proposal.title] = found
        precisions = average_precisions(data.test_targets, found)
        lines.append(
            {
                "extractor": proposal.title,
                "mean_average_precision": float(np.nanmean(precisions)),
                "C": C,
                "features": about["count"],
                "effective_rank": about["effective_rank"],
                **dict(zip(data.classes, precisions.tolist(), strict=True)),
            }
        )
    return MultiLabelReport(pd.DataFrame(lines), _paired(data.test_targets, scores, place.seed), scores, data)


def compare_list(given: Sequence[str], request: Request) -> Path:
    """Compare on a list of pictures of several classes each, write Markdown and CSV, and print; the folder written."""
    probes = set(request.probes)
    if probes != {"l2-svm"}:
        raise InputError(f"the probe {sorted(probes - {'l2-svm'})[0]} takes one class an image; leave --probe out")
    wrong = request.settings.model_dump(
        include={"logistic_C", "k", "rate", "label_noise", "labelled", "reference", "protocol", "curve"}
    )
    for name, value in {**wrong, "--limit": request.limit, "--save": request.save}.items():
        if value not in (None, [], False):
            raise InputError(f"{name} does not go with a list of several classes a picture; leave it out")
    report = multi_label_report(given, request)
    data = report.data
    digest = digest_of([array_digest(data.images), array_digest(data.test_images), data.targets.tolist()])
    folder = home_path(request.results, "give --results in full") / BROUGHT / f"{data.name}-{digest[:8]}-several-labels"
    with atomic_path(folder / "comparison.csv") as temporary:
        report.table.to_csv(temporary, index=False)
    write_text(folder / "comparison.md", markdown(report))
    print(markdown(report))
    print(f"written: {folder}: comparison.md, comparison.csv")
    return folder


def markdown(report: MultiLabelReport) -> str:
    """The comparison in Markdown."""
    data, table, paired = report.data, report.table, report.paired
    text = [f"# {markdown_text(data.name)}: several classes an image", ""]
    text += [
        f"{len(data.images):,} training and {len(data.test_images):,} test images of {len(data.classes)} classes; "
        f"{markdown_text(data.note)}. Mean average precision in percent: one L2-SVM a class against all other images, "
        "C chosen on a fifth of the training images held out.",
        "",
    ]
    cells = [
        [line["extractor"], rounded(line["mean_average_precision"]), f"{line['C']:g}", f"{line['features']:,}"]
        for line in table.to_dict("records")
    ]
    text += markdown_table(["Extractor", "Mean average precision", "C", "Features"], cells)
    if len(paired):
        cells = [
            [
                line["extractor"],
                line["against"],
                rounded(line["difference"], sign=True),
                interval(line["low"], line["high"], 2, sign=True),
                f"{line['p']:.4f}",
            ]
            for line in paired.to_dict("records")
        ]
        text += ["", "## Paired", "", "By bootstrap over the test images; p adjusted after Holm.", ""]
        text += markdown_table(["Extractor", "Against", "Difference", "95% interval", "p"], cells, 2)
    cells = [[name, *(f"{value:.1f}" for value in table[name])] for name in data.classes]
    text += ["", "## Average precision by class", "", *markdown_table(["Class", *table["extractor"]], cells)]
    return "\n".join(text) + "\n"


def _images(request: Request) -> MultiLabelImages:
    """The images and targets, checked."""
    data = request.data
    if isinstance(data, str | Path):
        found = multi_label_images(data, request.form, request.seed, progress)
        where = str(data)
    else:
        if len(data) != 4:
            raise InputError("images of several classes each have no stratified split; give (X, Y, X_test, Y_test)")
        images, test_images = check_image_array(data[0], "X"), check_image_array(data[2], "X_test")
        truth, test_truth = _targets(data[1], len(images), "Y"), _targets(data[3], len(test_images), "Y_test")
        if truth.shape[1] != test_truth.shape[1]:
            raise InputError(f"Y has {truth.shape[1]} classes, Y_test {test_truth.shape[1]}; give both the same")
        names = tuple(str(number) for number in range(truth.shape[1]))
        found = MultiLabelImages("arrays", images, truth, test_images, test_truth, names, "arrays")
        where = "Y"
    empty = np.flatnonzero(~found.targets.any(0) | found.targets.all(0))
    if len(empty):
        raise InputError(
            f"{where}: the class {found.classes[empty[0]]} is of no training image, or of all; leave it out"
        )
    return found


def _targets(targets: Any, count: int, what: str) -> NDArray[np.bool_]:
    array = np.asarray(targets)
    if array.ndim != 2 or len(array) != count or not np.isin(array, (0, 1)).all():
        raise InputError(
            f"{what} has the shape {array.shape} for {count:,} images; give 0 or 1 for each image and class"
        )
    return array.astype(bool)


def _scores(
    features: Features, truth: NDArray[np.bool_], Cs: Sequence[float], standardised: bool, seed: int
) -> tuple[float, NDArray[np.float64]]:
    """The C chosen, and decision values of the test images, (n_test, k)."""
    X, X_test = features.standardised if standardised else (features.train, features.test)
    chosen = float(Cs[0])
    if len(Cs) > 1:
        own, held = holdout(len(truth), max(1, round(_HELD * len(truth))), seed)
        part, other = X[torch.from_numpy(own)], X[torch.from_numpy(held)]
        chosen = chosen_C(part, truth[own], Cs, (other, truth[held]))
    return chosen, decision_values(X, truth, X_test, chosen)


def _paired(truth: NDArray[np.bool_], scores: dict[str, NDArray[np.float64]], seed: int) -> pd.DataFrame:
    titles = list(scores)
    found = [compare_precision(truth, scores[title], scores[titles[0]], seed) for title in titles[1:]]
    adjusted = holm([item.p_value for item in found]) if found else []
    lines = [
        {
            "extractor": title,
            "against": titles[0],
            "difference": item.difference,
            "low": item.low,
            "high": item.high,
            "p": value,
        }
        for title, item, value in zip(titles[1:], found, adjusted, strict=True)
    ]
    return pd.DataFrame(lines, columns=["extractor", "against", "difference", "low", "high", "p"])
