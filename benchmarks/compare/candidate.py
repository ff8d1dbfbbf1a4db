"""What a user brings to a comparison, checked and written as the row of a table, so that it is measured as one."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from dcgan_features.benchmarks.config.components import OFFERED, Chosen, find
from dcgan_features.benchmarks.config.external import is_external, read_specification
from dcgan_features.benchmarks.config.images import LabelledDataset
from dcgan_features.benchmarks.config.schema import Component, Row, Table
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.files import sha256_file
from dcgan_features.features.precomputed import TEST, TRAIN, StoredFeatures, read_array, read_features
from dcgan_features.features.pretrained import DEFAULT, UNTRAINED, PretrainedFeatures

# Features from elsewhere come at any scale, so C is chosen from more values than a table's rows name.
CS = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0]
_LONGEST = 80  # characters of a row's name, which is that of its file
_NOT_KNOWN = "images not known to this code"


def is_row(text: str, table: Table) -> bool:
    """Whether a specification names a row of the table; if not, it must be something external.

    Raises `InputError` for a name that is neither, with what was most likely meant.
    """
    if any(row.name == text for row in table.rows):
        return True
    if is_external(text):
        return False
    suffix = Path(text.partition(",")[0]).suffix
    if suffix == ".npz":
        raise InputError(f"'{text}' is not a row of the table {table.name}; for features in a file write file:{text}")
    if suffix == ".py":
        raise InputError(f"'{text}' is not a row of the table {table.name}; name the class in it: {text}:MyExtractor")
    error = unknown_name("row", text, [row.name for row in table.rows], f"the table {table.name}")
    raise InputError(f"{error}; what is yours is named package.module:Class, path.py:Class or file:features.npz")


def external_row(text: str, dataset: LabelledDataset, protocol_classifier: Component) -> Row:
    """The row that measures what a specification names; its name is made of the text, its title is the text.

    Raises `InputError` when it cannot be used with `dataset`: see `benchmarks.config.external`, and for files
    `features.precomputed`.
    """
    component = read_specification(text)
    chosen = find(component, "features", text)
    kind = chosen.kind
    chosen.check_complete(OFFERED, f"write {component.name},{{name}}=...")
    row: dict[str, Any] = {"extractor": component, "deviations": []}
    if issubclass(kind, StoredFeatures):
        row = _stored(chosen, dataset)
    elif issubclass(kind, PretrainedFeatures):
        row = _pretrained(chosen, text, dataset)
    elif issubclass(kind, nn.Module):
        how = "its own input_transform" if hasattr(kind, "input_transform") else "scaling to 0..1"
        row.update(
            deviations=[f"a torch module as it is made, not trained here; input by {how}"], unlabelled=_NOT_KNOWN
        )
    elif not callable(getattr(kind, "transform", None)):
        raise InputError(
            f"{text}: {kind.__name__} has no method transform(images); write one, or bring a torch.nn.Module"
        )
    elif not hasattr(kind, "fit"):
        row["unlabelled"] = _NOT_KNOWN
    classifier = protocol_classifier
    if "Cs" in classifier.settings:
        classifier = Component(name=classifier.name, settings={**classifier.settings, "Cs": CS})
    return Row(name=name_of(text), title=text, classifier=classifier, **row)


def name_of(text: str) -> str:
    """A row's name, as files have it, for a specification: of "mine.py:Colours" it is "mine.py-colours-" and a digest.

    The digest is of the text, wherever that is not the name itself: two specifications never have the same name.
    """
    name = re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")[:_LONGEST].strip("-.") or "row"
    if name == text:
        return name
    return f"{name}-{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def _stored(chosen: Chosen, dataset: LabelledDataset) -> dict[str, Any]:
    component, path = chosen.component, chosen.found.implied["path"]
    features = read_features(path)
    checked = []
    for part, images, labels in (
        (TRAIN, dataset.train_images, dataset.train_labels),
        (TEST, dataset.test_images, dataset.test_labels),
    ):
        if len(features[part]) != len(images):
            raise InputError(
                f"{path}: {part} has {len(features[part]):,} rows, but {dataset.title} has {len(images):,} images in "
                "that part; give one row an image, in the data set's order"
            )
        stated = read_array(path, f"{part}_labels", optional=True)
        if stated is None:
            continue
        checked.append(part)
        _check_form(path, part, stated, labels, dataset)
        if (stated != labels).any():
            wrong = np.flatnonzero(stated != labels)
            raise InputError(
                f"{path}: {part}_labels are not those of {dataset.title}, in {len(wrong):,} of {len(labels):,} rows, "
                f"first in row {wrong[0]}; save the rows in the data set's order"
            )
    order = (
        f"the order of {' and '.join(checked)} is checked by their labels" if checked else "their order is not checked"
    )
    sha256 = sha256_file(path)
    return {
        "extractor": Component(name=component.name, settings={**component.settings, "sha256": sha256}),
        "deviations": [f"features computed elsewhere; {order}"],
        "unlabelled": _NOT_KNOWN,
    }


def _check_form(
    path: str, part: str, stated: npt.NDArray[Any], labels: npt.NDArray[np.int64], dataset: LabelledDataset
) -> None:
    """Raise `InputError` for labels that may be right, but are written otherwise than as (n,), numbered from 0."""
    say = f"{path}: {part}_labels"
    if stated.dtype.kind not in "iub" and not (stated.dtype.kind == "f" and np.array_equal(stated, stated.round())):
        raise InputError(f"{say} are {stated.dtype}, not whole numbers; number the classes from 0")
    if stated.shape == (len(labels), len(dataset.classes)) and len(dataset.classes) > 1:
        raise InputError(
            f"{say} have a column for each class (one-hot); save their argmax(1), of shape ({len(labels)},)"
        )
    if stated.shape != labels.shape:
        raise InputError(f"{say} are of shape {stated.shape} instead of ({len(labels)},); save them with ravel()")
    if np.array_equal(stated, labels + 1):
        raise InputError(f"{say} number the classes from 1, but {dataset.title} from 0; subtract 1")


def _pretrained(chosen: Chosen, text: str, dataset: LabelledDataset) -> dict[str, Any]:
    component, extractor = chosen.component, chosen.build({})
    assert isinstance(extractor, PretrainedFeatures)
    try:
        source = extractor.locate()
    except ValueError as error:
        raise InputError(f"{text}: {error}") from None
    name, settings = component.name, dict(component.settings)
    if source.file is not None and extractor.library == "timm":  # the weights meant, should timm come to prefer others
        name = name.replace(f":{extractor.model}", f":{source.name}", 1)
    elif source.file is not None and extractor.weights == DEFAULT:
        settings["weights"] = source.name.rpartition(".")[2]
    side = extractor.size or source.size
    height, width = dataset.train_images.shape[1:3]
    mean, sd = (", ".join(f"{value:g}" for value in values) for values in (source.mean, source.sd))
    form = f"images of {width}x{height} resized to {side}x{side} ({source.interpolation}), mean {mean}, sd {sd}"
    learnt = "untrained weights" if source.file is None else f"weights {source.name}, as published"
    unlabelled = "none" if source.name == UNTRAINED else f"other images, perhaps with labels ({source.name})"
    read = f"layer {extractor.layer}" if extractor.layer else "the input of the classifying layer"
    return {
        "extractor": Component(name=name, settings=settings),
        "deviations": [f"{learnt}; {read}", form],
        "unlabelled": unlabelled,
    }
