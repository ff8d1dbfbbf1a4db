"""Whatever is proposed for comparison, made an extractor: objects, classes, factories, pipelines, rows of tables."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from sklearn.pipeline import Pipeline
from torch import nn

from dcgan_features import features
from dcgan_features.benchmarks.compare.candidate import name_of
from dcgan_features.benchmarks.config.components import find
from dcgan_features.benchmarks.config.external import external_object, is_external, read_specification
from dcgan_features.benchmarks.config.schema import TABLES, Adaptation, Component, Row, Table, load_table
from dcgan_features.benchmarks.config.weights import TrainedWeights, locate, prepare
from dcgan_features.data.dataset import Dataset, Images
from dcgan_features.data.download import chosen_root
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.features import as_extractor
from dcgan_features.features.base import Extractor
from dcgan_features.features.pipeline import PipelineFeatures
from dcgan_features.features.precomputed import StoredFeatures

NOT_KNOWN = "images not known to this code"
Given = Any  # a text, a class, an instance, a factory, a function of images, or a pair of a title and one of these


@dataclass(frozen=True)
class Proposal:
    """One extractor to be measured.

    name : as files have it. title : as tables have it. extractor : unfitted, or fitted where it does not learn.
    unlabelled : what it learnt from without labels; None is the training images. adaptation : of images, before it.
    reference : the text that names it; None where it came as an object.
    """

    name: str
    title: str
    extractor: Any
    unlabelled: str | None = None
    deviations: list[str] = field(default_factory=list)
    adaptation: Adaptation = field(default_factory=Adaptation)
    external: bool = True
    reference: str | None = None


@dataclass(frozen=True)
class Surroundings:
    """What proposals are made in. table : whose rows may be named, and its path where it is the user's."""

    table: Table
    table_path: Path | None
    preset: str
    dataset: Dataset
    device: str
    store: Path
    data_root: Path | None


def propose(given: Sequence[Given] | Mapping[str, Given], around: Surroundings) -> list[Proposal]:
    """The extractors given, in their order; a mapping gives each its title.

    Raises `InputError` for what cannot extract features, and for one that is given twice.
    """
    pairs = list(given.items()) if isinstance(given, Mapping) else [_pair(item) for item in given]
    proposals: list[Proposal] = []
    for title, item in pairs:
        if isinstance(item, str):
            made = replace(_from_text(item, title, around), reference=item)
        else:
            made = _from_object(item, title)
        names = [proposal.name for proposal in proposals]
        if made.name in names:
            raise InputError(f"{made.title} is given twice; remove one of them, or give each a title of its own")
        proposals.append(made)
    if not proposals:
        raise InputError("there is nothing to compare; name extractors, such as path.py:Class, and rows of the table")
    return proposals


def title_of(item: Given) -> str:
    """What something given is called where nobody says: its class or function, or the text."""
    if isinstance(item, str):
        return item
    if isinstance(item, tuple):
        return str(item[0])
    if isinstance(item, Pipeline):
        return " + ".join(type(step).__name__ for _, step in item.steps)
    return str(getattr(item, "__name__", type(item).__name__))


def _pair(item: Given) -> tuple[str, Given]:
    if isinstance(item, tuple):
        if len(item) != 2 or not isinstance(item[0], str):
            raise InputError("a tuple among the extractors is not a title with an extractor; give (title, extractor)")
        return item[0], item[1]
    return title_of(item), item


def _from_object(item: Any, title: str) -> Proposal:
    try:
        extractor = _made(item, title)
        unlabelled = None if hasattr(extractor, "fit") and not isinstance(item, nn.Module) else NOT_KNOWN
        return Proposal(name_of(title), title, extractor, unlabelled)
    except ValueError as error:
        raise InputError(f"{title}: {error}") from None


def _made(item: Any, title: str) -> Any:
    """An extractor of an instance, a class, a factory without parameters or a function of images."""
    if isinstance(item, type) or (inspect.isroutine(item) and not _required(item)):
        missing = _required(item)
        if missing:
            raise InputError(f"{title} needs {', '.join(missing)} to be made; give an instance of it")
        item = _call(item, title)
    if inspect.isroutine(item):
        if len(_required(item)) != 1:
            raise InputError(f"{title} is a function of {', '.join(_required(item))}; give one of images alone")
        return FunctionFeatures(item)
    if isinstance(item, Pipeline):
        first = item.steps[0][1]
        takes_images = isinstance(first, Extractor) or type(first).__module__.split(".")[0] != "sklearn"
        if not hasattr(item, "transform"):
            last = type(item.steps[-1][1]).__name__
            raise InputError(f"{title} ends in {last}, which makes no features; leave it out, for the probes classify")
        return PipelineFeatures(item) if takes_images else as_extractor(item)
    return as_extractor(item)


def _required(item: Any) -> list[str]:
    try:
        signature = inspect.signature(item)
    except (ValueError, TypeError):
        return []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [
        name
        for name, parameter in signature.parameters.items()
        if parameter.kind in kinds and parameter.default is inspect.Parameter.empty
    ]


def _call(item: Callable[..., Any], title: str) -> Any:
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # the weights that a module draws are the same each time
            return item()
    except Exception as error:
        raise InputError(f"{title} cannot be made ({type(error).__name__}: {' '.join(str(error).split())})") from error


@dataclass
class FunctionFeatures:
    """A function of images as an extractor. function : from uint8 (n, height, width, channels) to (n, d)."""

    function: Callable[[Images], Any]

    def transform(self, images: Images) -> Any:
        """What the function makes of the images."""
        return self.function(images)


def _from_text(text: str, title: str, around: Surroundings) -> Proposal:
    row = next((row for row in around.table.rows if row.name == text), None)
    if row is not None:
        return _from_row(row, title, around)
    component = read_specification(text)
    if not is_external(component.name):
        if component.name not in features.__all__:
            names = [*(row.name for row in around.table.rows), *features.__all__]
            error = unknown_name("row", text, names, f"the table {around.table.name}")
            raise InputError(
                f"{error}; what is yours is named package.module:Class, path.py:Class or file:features.npz"
            )
        return _built(component, text, title, around)
    scheme = component.name.partition(":")[0]
    if scheme not in ("file", "torchvision", "timm"):
        item, plain = external_object(component.name, text)
        if not plain:
            if component.settings:
                raise InputError(f"{text}: it is no class, so settings have nowhere to go; leave them out")
            return Proposal(name_of(title), title, _made_or_refused(item, text), _unlabelled(item))
    return _built(component, text, title, around)


def _made_or_refused(item: Any, text: str) -> Any:
    try:
        return _made(item, text)
    except ValueError as error:
        raise InputError(f"{text}: {error}") from None


def _unlabelled(item: Any) -> str | None:
    return None if hasattr(item, "fit") else NOT_KNOWN


def _built(component: Component, text: str, title: str, around: Surroundings) -> Proposal:
    chosen = find(component, "features", text)
    chosen.check_complete(("device", "progress"), f"write {component.name},{{name}}=...")
    if not issubclass(chosen.kind, nn.Module) and not callable(getattr(chosen.kind, "transform", None)):
        raise InputError(
            f"{text}: {chosen.kind.__name__} has no method transform(images); write one, or bring a torch.nn.Module"
        )
    extractor = _made_or_refused(chosen.build({"device": around.device}), text)
    if isinstance(extractor, StoredFeatures):
        _check_rows(extractor, around.dataset)
    learns = hasattr(chosen.kind, "fit") and not issubclass(chosen.kind, StoredFeatures)
    ours = component.name in features.__all__
    return Proposal(name_of(title), title, extractor, None if learns else NOT_KNOWN, external=not ours)


def _check_rows(extractor: StoredFeatures, dataset: Dataset) -> None:
    """Raise `InputError` unless the file has a row for each image of the data set."""
    from dcgan_features.features.precomputed import read_features

    for part, images in zip(("train", "test"), (dataset.train_images, dataset.test_images), strict=True):
        found = read_features(extractor.path)[part]
        if images is not None and len(found) != len(images):
            raise InputError(
                f"{extractor.path}: {part} has {len(found):,} rows, but {dataset.title} has {len(images):,} images in "
                "that part; give one row an image, in the data set's order"
            )


def _from_row(row: Row, title: str, around: Surroundings) -> Proposal:
    where = f"row {row.name} of the table {around.table.name}"
    # A row that the preset leaves out is taken as the first other preset has it: what it extracts is what counts here.
    presets = sorted(around.table.presets, key=lambda name: name != around.preset)
    measured = {name: row.measurement(name, around.table.classifier) for name in presets}
    preset, measurement = next(((name, item) for name, item in measured.items() if item is not None), (None, None))
    if measurement is None or measurement.extractor is None:
        raise InputError(f"the {where} is measured in no preset; choose another row")
    offered: dict[str, Any] = {"device": around.device}
    unlabelled, device = measurement.unlabelled, torch.device(around.device)
    if measurement.weights is not None:
        folder = (around.table_path.parent if around.table_path is not None else TABLES).resolve()
        root = chosen_root(around.data_root)
        source = locate(measurement.weights, where, folder, around.store, around.dataset, root)
        if isinstance(source, TrainedWeights) and not source.path.exists():
            print(f"{row.name}: its network is trained first", flush=True)
        prepare(source, around.dataset.train_images, device)
        offered["discriminator"] = source.path
        unlabelled = unlabelled or source.unlabelled
    extractor = as_extractor(find(measurement.extractor, "features", where).build(offered))
    adaptation = measurement.images or Adaptation()
    deviations = [*measurement.deviations, *([] if preset == around.preset else [f"as in the preset {preset}"])]
    return Proposal(row.name, title, extractor, unlabelled, deviations, adaptation, external=False)


def table_and_path(table: str | Path) -> tuple[Table, Path | None]:
    """The table that is named, or that a YAML file holds, and the file."""
    path = Path(table) if Path(table).suffix else None
    return load_table(path or str(table)), path
