"""Images of several classes each: one L2-SVM a class, judged by mean average precision."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from dcgan_features.benchmarks.compare.labelled import Request
from dcgan_features.benchmarks.compare.measure import Features, Place, features_of
from dcgan_features.benchmarks.compare.probes import CS
from dcgan_features.benchmarks.compare.proposals import Surroundings, propose, table_and_path
from dcgan_features.benchmarks.compare.run import BROUGHT
from dcgan_features.benchmarks.config.images import LabelledDataset, adapt
from dcgan_features.benchmarks.runner.progress import Stages
from dcgan_features.data.labelled.load import check_image_array
from dcgan_features.data.splits import holdout
from dcgan_features.data.utils.devices import device_option
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import home_path
from dcgan_features.data.utils.hashing import digest_of
from dcgan_features.eval.average_precision import average_precisions, compare_precision, mean_average_precision
from dcgan_features.eval.l2svm.estimator import L2SVM
from dcgan_features.eval.significance import holm
from dcgan_features.features.cache.fingerprint import describe

_HELD = 0.2


@dataclass(frozen=True)
class MultiLabelReport:
    """table : a line an extractor, mean average precision in percent, C, features and average precision by class.

    paired : a line a pair with the first extractor: the difference in points, its 95% interval over test images, and p
    after Holm. scores : (n_test, k) by extractor.
    """

    table: pd.DataFrame
    paired: pd.DataFrame
    scores: dict[str, NDArray[np.float64]]

    def _repr_html_(self) -> str:
        parts = [
            part.to_html(index=False, float_format=lambda value: f"{value:.4g}", border=0) for part in self._parts()
        ]
        return f"<h4>{html.escape('Mean average precision')}</h4>" + "\n".join(parts)

    def _parts(self) -> list[pd.DataFrame]:
        return [self.table, self.paired] if len(self.paired) else [self.table]


def multi_label_report(given: Sequence[Any] | Mapping[str, Any], request: Request) -> MultiLabelReport:
    """Compare as `benchmarks.compare.compare_multi_label` says."""
    data, Cs = request.data, tuple(request.settings.C) or CS
    if len(data) != 4:
        raise InputError("images of several classes each have no stratified split; give (X, Y, X_test, Y_test)")
    images, test_images = check_image_array(data[0], "X"), check_image_array(data[2], "X_test")
    truth, test_truth = _targets(data[1], len(images), "Y"), _targets(data[3], len(test_images), "Y_test")
    if truth.shape[1] != test_truth.shape[1]:
        raise InputError(f"Y has {truth.shape[1]} classes, Y_test {test_truth.shape[1]}; give both the same")
    names = [str(number) for number in range(truth.shape[1])]
    empty = np.flatnonzero(~truth.any(0) | truth.all(0))
    if len(empty):
        raise InputError(f"the class {names[empty[0]]} is of no training image, or of all; leave it out")
    alike = np.zeros(len(images), np.int64), np.zeros(len(test_images), np.int64)
    dataset = LabelledDataset("arrays", images, alike[0], test_images, alike[1], ("any", "other"))
    loaded, path = table_and_path(request.table)
    device, store = str(device_option(request.device)), home_path(request.store, "give --store in full").resolve()
    place = Place("multi-label", request.results / BROUGHT, store, device, request.seed)
    around = Surroundings(loaded, path, loaded.preset(request.preset)[0], dataset, device, store, request.data_root)
    lines, scores = [], {}
    for proposal in propose(given, around):
        identity = digest_of([describe(proposal.extractor), dataset.digest])
        features, about = features_of(
            proposal, adapt(dataset, proposal.adaptation), place, Stages(proposal.title), identity
        )
        C, found = _scores(features, truth, Cs, request.settings.standardise, place.seed)
        scores[proposal.title] = found
        precisions = average_precisions(test_truth, found)
        lines.append(
            {
                "extractor": proposal.title,
                "mean_average_precision": float(np.nanmean(precisions)),
                "C": C,
                "features": about["count"],
                "effective_rank": about["effective_rank"],
                **dict(zip(names, precisions.tolist(), strict=True)),
            }
        )
    return MultiLabelReport(pd.DataFrame(lines), _paired(test_truth, scores, place.seed), scores)


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
        found = {C: mean_average_precision(truth[held], _decisions(part, truth[own], other, C)) for C in sorted(Cs)}
        chosen = max(found, key=lambda C: (found[C], -C))
    return chosen, _decisions(X, truth, X_test, chosen)


def _decisions(X: Tensor, truth: NDArray[np.bool_], queries: Tensor, C: float) -> NDArray[np.float64]:
    columns = []
    for label in truth.T:
        if label.all() or not label.any():  # a part without the class says nothing of it
            columns.append(np.zeros(len(queries)))
        else:
            columns.append(np.asarray(L2SVM(C).fit(X, label.astype(np.int64)).decision_function(queries), np.float64))
    return np.stack(columns, axis=1)


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
