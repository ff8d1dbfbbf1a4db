"""What features are made of: a table's row measured by layer, by pooling grid, and over the training of its network."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from dcgan_features.benchmarks.config.schema import Component, Measurement, Row, Weights
from dcgan_features.benchmarks.config.weights import NoWeights, TrainedWeights
from dcgan_features.benchmarks.records.rows import COLUMNS, outline, table_lines
from dcgan_features.benchmarks.runner.job import Job
from dcgan_features.benchmarks.runner.plan import Finished, Plan, ToMeasure
from dcgan_features.benchmarks.runner.resolve import resolve
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.features import DiscriminatorFeatures
from dcgan_features.gan.description import images_seen
from dcgan_features.gan.spec import SPECS, NetworkSpec
from dcgan_features.gan.training.recipe import make_recipe
from dcgan_features.gan.weights_file import load_weights

GRIDS = (1, 2, 4, 8)
SNAPSHOTS = "snapshots/*.safetensors"  # in the folder of a training run
ALONE, CUMULATIVE = "alone", "cumulative"
_OF_ROWS = ("published", "control", "group", "row", "units", "features")  # how columns begin that say nothing here
_KEPT = tuple(name for name in COLUMNS if not name.startswith(_OF_ROWS))
LAYER_COLUMNS = ("row", "layer", "scope", "grid", "features", *_KEPT)
TRAINING_COLUMNS = ("row", "images_seen", *_KEPT)

Key = TypeVar("Key")
Line = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """A choice of features. layers : from 0, ascending. grid : cells along each side. count : of features."""

    layers: tuple[int, ...]
    grid: int
    count: int

    @property
    def words(self) -> str:
        """The choice as a title says it, layers counted from 1."""
        first, last = self.layers[0] + 1, self.layers[-1] + 1
        which = f"layer {last}" if first == last else f"layers {first} to {last}"
        return f"{which}, grid {self.grid} x {self.grid}"

    @property
    def name(self) -> str:
        """The choice as a part of a row's name."""
        return f"layer-{'-'.join(str(layer + 1) for layer in self.layers)}-grid-{self.grid}"

    @property
    def scopes(self) -> list[str]:
        """Whether it is the deepest layer alone, or with all before it: the first layer is both."""
        return [ALONE] * (len(self.layers) == 1) + [CUMULATIVE] * (self.layers[0] == 0)


def settings(spec: NetworkSpec, grid: int) -> list[Setting]:
    """Each layer alone on each grid that its maps allow, all up to each layer on `grid`, and all on each grid."""
    sizes, maps = spec.map_sizes(), [layer.maps for layer in spec.discriminator]
    depth = len(sizes)
    chosen = [(layer, layer + 1, cells) for layer in range(depth) for cells in GRIDS if cells <= sizes[layer]]
    chosen += [(0, stop, grid) for stop in range(1, depth + 1) if grid <= min(sizes[:stop])]
    chosen += [(0, depth, cells) for cells in GRIDS if cells <= min(sizes)]
    return [
        Setting(tuple(range(start, stop)), cells, sum(maps[start:stop]) * cells**2)
        for start, stop, cells in dict.fromkeys(chosen)
    ]


def check_discriminator(job: Job) -> None:
    """Raises `InputError` for a row whose features are not made of a discriminator's layers."""
    if job.measurement is None or not issubclass(job.method.extractor.kind, DiscriminatorFeatures):
        raise InputError(
            f"{job.where} is not made of a discriminator's layers in the preset {job.preset}; "
            "choose one whose class is DiscriminatorFeatures or RandomDiscriminator"
        )


def discriminator_of(job: Job) -> NetworkSpec:
    """The network whose layers make the row's features, which `check_discriminator` has looked at."""
    weights = resolve(job).weights
    if isinstance(weights, NoWeights):
        return SPECS[job.method.extractor.setting("network")]
    if isinstance(weights, TrainedWeights):
        return make_recipe(weights.recipe, job.where).spec
    return load_weights(weights.path).spec


def trained_in(job: Job) -> Path | None:
    """The folder in which the row's network is trained, or None where its weights are given."""
    weights = resolve(job).weights
    return weights.folder if isinstance(weights, TrainedWeights) else None


def layer_jobs(job: Job, spec: NetworkSpec, protocols: Sequence[str]) -> dict[Setting, Job]:
    """The jobs of the table `<table>-layers`: the row with the features of each setting alone."""
    chosen, classifier, rows = job.method.extractor, job.method.classifier.component, {}
    base, grid = chosen.component, chosen.setting("grid")
    for setting in settings(spec, grid):
        own = {**base.settings, "layers": list(setting.layers), "grid": setting.grid}
        share = setting.count / spec.feature_count(grid)
        changes = {
            "extractor": Component(name=base.name, settings=own),
            "classifier": _with_range(classifier, 1 / share),
            "minutes": _minutes(job, share),
        }
        rows[setting] = _row(job, setting.name, setting.words, changes)
    return _jobs(job, "layers", "by layer and pooling grid", rows, protocols)


def checkpoint_jobs(job: Job, run: Path, protocols: Sequence[str]) -> dict[int, Job]:
    """The jobs of the table `<table>-training`, by images seen: the row with each snapshot of a run, and its end.

    run : the folder that `gan.train` wrote. There are no jobs where no snapshot was kept.
    """
    files = sorted(run.glob(SNAPSHOTS))
    final = run / "weights.safetensors"
    rows = {}
    for file in [*files, final] if files and final.exists() else files:
        seen = images_seen(file)
        weights = Weights(file=os.path.relpath(file.resolve(), job.table_folder))
        changes = {"weights": weights, "minutes": _minutes(job, 1)}
        rows[seen] = _row(job, f"{seen:010d}-images", f"{seen:,} images seen", changes)
    return _jobs(job, "training", "over the training of its network", rows, protocols)


def _row(job: Job, name: str, words: str, changes: dict[str, Any]) -> Row:
    base = {key: getattr(job.method.settings, key) for key in Measurement.model_fields}
    return Row(name=f"{job.row}-{name}", title=f"{job.line.title}, {words}", **{**base, **changes})


def _jobs(job: Job, name: str, words: str, rows: Mapping[Key, Row], protocols: Sequence[str]) -> dict[Key, Job]:
    """The rows as jobs of the table `<table>-<name>`, under these protocols."""
    table, chosen = job.table, job.table.presets[job.preset]
    for protocol in protocols:
        if protocol not in table.protocols:
            raise unknown_name("protocol", protocol, table.protocols, f"the table {table.name}")
    wanted = {protocol: chosen.protocols.get(protocol, {}) for protocol in protocols}
    changes = {
        "name": f"{table.name}-{name}",
        "title": f"{table.title}: {job.line.title}, {words}",
        "presets": {job.preset: chosen.model_copy(update={"protocols": wanted, "curve": []})},
    }
    return {
        key: replace(job, table=table.model_copy(update={**changes, "rows": [row]}), row=row.name)
        for key, row in rows.items()
    }


def default_protocols(job: Job) -> list[str]:
    """Those of the preset that draw labels; where there are none, all of it."""
    return [name for name, item in job.protocols.items() if item.per_class is not None] or list(job.protocols)


def _with_range(classifier: Component, ratio: float) -> Component:
    """The classifier with its candidates for C moved by decades, as C weighs against the square of a vector's length.

    ratio : the row's own features by those of the setting.
    """
    if "Cs" not in classifier.settings:
        return classifier
    moved = [float(f"{C * 10.0 ** round(math.log10(ratio)):.6g}") for C in classifier.settings["Cs"]]
    return Component(name=classifier.name, settings={**classifier.settings, "Cs": moved})


def _minutes(job: Job, share: float) -> float | None:
    """About how long one protocol takes with this share of the row's features."""
    return None if job.minutes is None else round(job.minutes / len(job.protocols) * (0.3 + 0.7 * share), 2)


def layer_lines(row: str, plans: Mapping[Setting, Plan]) -> list[Line]:
    """The lines of `<table>-layers-<row>.csv`, of what is measured, by protocol, scope, grid and layer."""
    lines = []
    for setting, item in plans.items():
        for scope in setting.scopes:
            about = {"layer": setting.layers[-1] + 1, "scope": scope, "grid": setting.grid, "features": setting.count}
            lines += _lines({"row": row, **about}, item)
    return sorted(lines, key=lambda line: (line["protocol"], line["scope"], line["grid"], line["layer"]))


def checkpoint_lines(row: str, plans: Mapping[int, Plan]) -> list[Line]:
    """The lines of `<table>-training-<row>.csv`, of what is measured, by images seen."""
    return [line for seen, item in plans.items() for line in _lines({"row": row, "images_seen": seen}, item)]


def _lines(about: Line, item: Plan) -> list[Line]:
    result = item.resolved.finished() if isinstance(item, ToMeasure | Finished) else None
    if result is None:
        return []
    lines = table_lines(outline(item.job.table, item.job.preset), {item.job.row: result})
    return [{**about, **{key: line[key] for key in _KEPT}} for line in lines]
