"""Accuracy by class and which classes are taken for which, from the predictions that are kept beside the results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dcgan_features.benchmarks.records.predictions import predictions_of
from dcgan_features.benchmarks.reporting.table import Report
from dcgan_features.data.utils.errors import InputError
from dcgan_features.eval.confusion import confusion

MOST_CLASSES = 20  # with more, a matrix is no longer read as a picture
# Kept predictions are numbers; these are the official names in the official order.
CLASSES = {
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
}


def class_views(folder: Path, report: Report) -> list[dict[str, Any]]:
    """By protocol: a line a row with the accuracy in each class, and each row's confusion matrix, in percent."""
    titles = {row.name: row.title for row in report.outline.rows}
    found: dict[str, list[dict[str, Any]]] = {}
    names: list[str] = []
    for name, result in report.results.items():
        try:
            kept = predictions_of(folder, result)
        except InputError:  # measured before predictions were kept, or moved without them
            continue
        labels = np.unique(kept.truth)
        if len(labels) > MOST_CLASSES:
            continue
        names = _names(result.data, labels)
        for protocol, predicted in kept.by_protocol.items():
            matrix = confusion_of(kept.truth, predicted, labels)
            entry = {"row": name, "title": titles[name], "stand_in": result.stand_in, "matrix": matrix.tolist()}
            found.setdefault(protocol, []).append(entry)
    return [
        {"protocol": protocol, "title": report.outline.titles.get(protocol, protocol), "names": names, "rows": rows}
        for protocol, rows in found.items()
    ]


def confusion_of(truth: npt.NDArray[Any], predicted: npt.NDArray[Any], labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Percent of the images of each class (rows) that were taken for each class (columns), as the mean over the draws.

    truth : (n,). predicted : (draws, n). labels : the classes, sorted, (classes,). Predictions of other classes count
    as wrong and have no column.
    """
    count = len(labels)
    places = np.searchsorted(labels, predicted)
    places[~np.isin(predicted, labels)] = count
    return confusion(np.searchsorted(labels, truth), places, count + 1)[:count, :count]


def _names(data: str, labels: npt.NDArray[Any]) -> list[str]:
    known = CLASSES.get(data, ())
    if labels.tolist() == list(range(len(known))):
        return list(known)
    return [str(label) for label in labels.tolist()]
