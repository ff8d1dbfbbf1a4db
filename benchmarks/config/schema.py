"""A table as data: rows, published figures, protocols and presets, read from YAML and checked."""

from __future__ import annotations

import sys
from collections.abc import Collection
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from dcgan_features.benchmarks.config.entry_points import registered_rows
from dcgan_features.benchmarks.config.search import Search
from dcgan_features.benchmarks.config.strict import Count, Name, Percent, Strict
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.formats import read_yaml
from dcgan_features.data.utils.settings import first_mistake

TABLES = Path(__file__).parents[1] / "tables"
DEFAULT_PRESET = "default"
Group = Literal["published", "control", "beyond"]
BASELINES = "baselines"  # of a table's rows: what is published and the controls, without trained discriminators
_TRAINED = "DiscriminatorFeatures"


class Published(Strict):
    """A printed figure: percent, and what stands after its plus-minus sign, if anything does."""

    place: ClassVar[str] = "a published figure"
    value: Percent
    pm: Percent | None = None


class Protocol(Strict):
    """How labels are used.

    per_class : labels drawn of each class; None takes all labels, and then `draws` is 1.
    draws : how many times labels are drawn.
    holdout : how many of the labelled images C is chosen on, before the fit on all of them; of a draw, the same places
    in each. None chooses by cross-validation.
    folds : of the cross-validation inside the labelled images; no more than the labels of a class.
    validation : how many labelled training images are set aside, of which no label is drawn: a row's `search` chooses
    on them, and networks are stopped by them. None sets none aside.
    scored_on : the images that the figures are of.
    """

    place: ClassVar[str] = "a protocol"
    title: str
    per_class: Count | None = None
    draws: Count = 1
    holdout: Count | None = None
    folds: Annotated[int, Field(ge=2)] = 5
    validation: Count | None = None
    scored_on: Literal["test", "validation"] = "test"

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.per_class is None and self.draws != 1:
            raise ValueError("'draws' goes with 'per_class': all labels can be taken only once")
        if self.per_class is not None and self.holdout is None and 1 < self.per_class < self.folds:
            raise ValueError(
                f"{self.folds} folds cannot be made of {self.per_class} labels a class; give 'folds' from 2 to "
                f"{self.per_class}"
            )
        if self.scored_on == "validation" and self.validation is None:
            raise ValueError("'scored_on: validation' needs 'validation', the number of images set aside")
        return self


class Seeds(Strict):
    """Seeds of the label draws, of the hold-out and of the folds."""

    place: ClassVar[str] = "the seeds"
    draws: Annotated[int, Field(ge=0)] = 0
    holdout: Annotated[int, Field(ge=0)] = 0
    folds: Annotated[int, Field(ge=0)] = 0


class DatasetChoice(Strict):
    """A labelled data set: a name in `data.LOADERS`; numbers and seed are for the stand-in."""

    place: ClassVar[str] = "a data set"
    source: str
    n_train: Count | None = None
    n_test: Count | None = None
    seed: Annotated[int, Field(ge=0)] = 0


class Adaptation(Strict):
    """Images made to fit a network: zero-padded to size x size pixels, grey ones given three equal channels."""

    place: ClassVar[str] = "an adaptation of images"
    size: Count | None = None
    channels: Literal[1, 3] | None = None


class Component(BaseModel):
    """A class and what it is constructed with; in YAML one mapping, `class` beside the settings.

    name : a class of the package that is meant, or "package.module:Class".
    """

    model_config = ConfigDict(frozen=True)
    name: str
    settings: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if isinstance(value, dict) and "class" in value:
            return {"name": value["class"], "settings": {key: item for key, item in value.items() if key != "class"}}
        if isinstance(value, dict) and set(value) <= {"name", "settings"}:
            return value
        raise ValueError("must be a mapping with the key 'class'")


class Training(Strict):
    """Training of a network without labels.

    recipe : settings as in `gan.training.recipe.Recipe`, or what the kind of the weights has in its place. sources :
    what to train on, as for `gan.train --data`; None is the table's own training images.
    """

    place: ClassVar[str] = "a training"
    recipe: dict[str, Any]
    sources: list[str] | None = None


KindOfWeights = Literal["discriminator", "exemplar-cnn"]


class Weights(Strict):
    """The trained network that an extractor takes as its `network_setting`: stored, or trained when it is absent.

    kind : what is trained, and so what `train` takes as its recipe.
    file : the name of shipped weights of that kind, or a path, relative to the table's folder.
    network : refuse stored weights of any other network.
    """

    place: ClassVar[str] = "the weights"
    kind: KindOfWeights = "discriminator"
    file: str | None = None
    network: str | None = None
    train: Training | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.file is None) == (self.train is None):
            raise ValueError("give either 'file' or 'train'")
        return self

    @property
    def source(self) -> str | Training:
        """The file, or the training that makes it."""
        return self.train or self.file or ""


class Measurement(Strict):
    """How a row is measured; a preset's entry replaces the keys that it holds and adds to the deviations.

    deviations : in what ways this differs from what was published, in words.
    unlabelled : which images are learnt from without labels; None says what the code knows.
    minutes : about how long it takes on two CPU cores.
    search : how the classifier's settings are chosen on a protocol's validation images; None takes them as they stand.
    draws : how many times labels are drawn, in place of what the protocols say.
    images : what is done with the images before anything else.
    """

    place: ClassVar[str] = "a row's preset"
    extractor: Component | None = None
    classifier: Component | None = None
    search: Search | None = None
    draws: Count | None = None
    images: Adaptation | None = None
    weights: Weights | None = None
    deviations: list[str] = Field(default_factory=list)
    unlabelled: str | None = None
    minutes: Annotated[float, Field(ge=0)] | None = None


class Row(Measurement):
    """One row of the table; without an extractor it is shown with what was published, as not measured.

    A row that only some presets measure has its extractor in their entries alone.
    published : figures by protocol.
    units : feature maps, of an extractor of which the code does not know them.
    protocols : those of the preset that the row is measured under; None is all.
    measured_in : the presets that measure the row; None is all.
    group : where the table shows the row: what was published, its controls, or beyond the paper.
    control : the row that this one is compared with, image by image.
    replicate_of : the row that this one repeats with another training seed.
    """

    place: ClassVar[str] = "a row"
    name: Name
    title: str
    published: dict[str, Published] = Field(default_factory=dict)
    protocols: list[str] | None = None
    measured_in: list[str] | None = None
    group: Group | None = None
    control: str | None = None
    replicate_of: str | None = None
    units: int | None = None
    citation: str = ""
    note: str = ""
    presets: dict[str, Measurement] = Field(default_factory=dict)

    @property
    def reads_a_network(self) -> bool:
        """Whether its features are those of a trained discriminator."""
        named = [self.extractor, *(item.extractor for item in self.presets.values())]
        return any(item is not None and item.name == _TRAINED for item in named)

    def measurement(self, preset: str, default_classifier: Component) -> Measurement | None:
        """How the row is measured in a preset, or None where it is not."""
        own = {name: getattr(self, name) for name in Measurement.model_fields}
        changes = self.presets.get(preset)
        if changes is not None:
            for name in changes.model_fields_set:
                value = getattr(changes, name)
                if name == "deviations":
                    value = [*self.deviations, *value]
                elif isinstance(value, Component) and isinstance(own[name], Component) and own[name].name == value.name:
                    value = Component(name=value.name, settings={**own[name].settings, **value.settings})
                own[name] = value
        if own["extractor"] is None or (self.measured_in is not None and preset not in self.measured_in):
            return None
        own["classifier"] = own["classifier"] or default_classifier
        return Measurement(**own)


class Preset(Strict):
    """What a preset measures on: the data set, and the protocols by name, with what it changes of them.

    curve : names of the protocols that are the points of the label-efficiency curve; see `benchmarks.curves`.
    """

    place: ClassVar[str] = "a preset"
    description: str = ""
    dataset: DatasetChoice
    protocols: dict[str, dict[str, Any]]
    curve: list[str] = Field(default_factory=list)


class Renamed(Strict):
    """Names of an earlier release that are still understood, each with what it is called now."""

    place: ClassVar[str] = "the renamed"
    presets: dict[str, str] = Field(default_factory=dict)
    rows: dict[str, str] = Field(default_factory=dict)


class Table(Strict):
    """A whole table; see `tables/cifar10.yaml`."""

    name: Name
    title: str
    metric: Literal["accuracy", "error"] = "accuracy"
    seeds: Seeds = Seeds()
    classifier: Component = Component(name="L2SVMCV", settings={"Cs": [1e-4, 1e-3, 1e-2]})
    protocols: dict[str, Protocol]
    presets: dict[str, Preset]
    renamed: Renamed = Renamed()
    rows: Annotated[list[Row], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_agree(self, info: ValidationInfo) -> Self:
        where = str(info.context["path"]) if info.context else "the table"
        names = [row.name for row in self.rows]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"{where}: two rows are named '{name}'; rename one of them")
        if not self.presets:
            raise InputError(f"{where}: there is no preset; give at least one with its data set and protocols")
        for preset in self.presets.values():
            for protocol, changes in preset.protocols.items():
                self._known("protocol", protocol, self.protocols, where)
                Protocol.model_validate({**self.protocols[protocol].model_dump(), **changes}, context=info.context)
            for protocol in preset.curve:
                self._known("protocol", protocol, self.protocols, f"{where}, a curve")
                if preset.curve.count(protocol) > 1:
                    raise InputError(f"{where}: a curve names '{protocol}' twice; remove one of them")
        for row in self.rows:
            for protocol in [*row.published, *(row.protocols or [])]:
                self._known("protocol", protocol, self.protocols, f"{where}, row {row.name}")
            for preset_name in [*row.presets, *(row.measured_in or [])]:
                self._known("preset", preset_name, self.presets, f"{where}, row {row.name}")
            if row.control is not None:
                self._known("row", row.control, dict.fromkeys(names), f"{where}, control of {row.name}")
            if row.replicate_of is not None:
                others = {item.name: item for item in self.rows if item is not row and item.replicate_of is None}
                self._known("row", row.replicate_of, others, f"{where}, replicate_of of {row.name}")
        for kind, old, valid in (
            ("preset", self.renamed.presets, self.presets),
            ("row", self.renamed.rows, dict.fromkeys(names)),
        ):
            for name in old.values():
                self._known(kind, name, valid, f"{where}, renamed")
        return self

    @staticmethod
    def _known(kind: str, name: str, valid: dict[str, Any], where: str) -> None:
        if name not in valid:
            raise unknown_name(kind, name, valid, where)

    @property
    def default_preset(self) -> str:
        """The preset called "default", or else the first one: its results lie in `results/`, those of others below."""
        return DEFAULT_PRESET if DEFAULT_PRESET in self.presets else next(iter(self.presets))

    def preset(self, name: str | None) -> tuple[str, Preset]:
        """The named preset; None is the default. Raises `InputError` for an unknown name."""
        chosen = self.current("preset", name or self.default_preset)
        self._known("preset", chosen, self.presets, f"the table {self.name}")
        return chosen, self.presets[chosen]

    def current(self, kind: Literal["preset", "row"], name: str) -> str:
        """What a preset or row is called now; of an earlier release's name stderr says so."""
        known: Collection[str] = self.presets if kind == "preset" else {row.name for row in self.rows}
        now = (self.renamed.presets if kind == "preset" else self.renamed.rows).get(name)
        if name in known or now is None:
            return name
        print(f"note: the {kind} {name} is called {now} now; the old name goes with the next release", file=sys.stderr)
        return now

    def protocols_of(self, preset: str) -> dict[str, Protocol]:
        """The preset's protocols, with its changes."""
        return {
            name: Protocol(**{**self.protocols[name].model_dump(), **changes})
            for name, changes in self.presets[preset].protocols.items()
        }

    def chosen_rows(self, only: list[str]) -> list[Row]:
        """The rows named, in the table's order; none named is all.

        only : names of rows; patterns such as "dcgan*"; "published", "control" or "beyond" for the rows of that group;
        "baselines" for all published rows and controls but those that read a trained discriminator.
        Raises `InputError` for an unknown name and for one that meets no row.
        """
        if not only:
            return list(self.rows)
        chosen = {row.name for name in only for row in self._named(self.current("row", name))}
        return [row for row in self.rows if row.name in chosen]

    def _named(self, name: str) -> list[Row]:
        by_name = {row.name: row for row in self.rows}
        if name in by_name:
            return [by_name[name]]
        found = [row for row in self.rows if fnmatchcase(row.name, name)]
        if name in get_args(Group):
            found = [row for row in self.rows if row.group == name]
        elif name == BASELINES:
            found = [row for row in self.rows if row.group in ("published", "control") and not row.reads_a_network]
        if not found:
            raise unknown_name("row", name, [*by_name, *get_args(Group), BASELINES], f"the table {self.name}")
        return found


def load_table(source: Path | str) -> Table:
    """The table in a YAML file, or the shipped one of that name, with the rows that other packages register for it.

    Raises `InputError` when the file is missing, is not YAML, or says something that a table cannot say.
    """
    path = Path(source)
    if isinstance(source, str) and not path.suffix:
        path = TABLES / f"{source}.yaml"
        if not path.exists():
            raise unknown_name("table", source, [file.stem for file in TABLES.glob("*.yaml")])
    content = read_yaml(path, "table")
    table = _checked(content, str(path))
    for whose, rows in registered_rows(table.name).items():
        content["rows"] = [*content["rows"], *rows]
        table = _checked(content, f"{path} with the rows of {whose}")
    return table


def _checked(content: dict[str, Any], path: str) -> Table:
    try:
        return Table.model_validate(content, context={"path": path})
    except ValidationError as error:
        raise InputError(f"{path}: {first_mistake(error, 'the table')}") from None
