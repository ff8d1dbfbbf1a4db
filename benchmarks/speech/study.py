"""The study as data: sound, spectrograms, training, protocols and rows, read from YAML and checked."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, model_validator

from dcgan_features.benchmarks.config.components import find
from dcgan_features.benchmarks.config.schema import Component, Protocol
from dcgan_features.benchmarks.config.strict import Count, Name, Strict
from dcgan_features.benchmarks.config.studies import read_study, study_file
from dcgan_features.data.audio.placement import PLACES
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.gan.training.recipe import make_recipe

PREFIX = "speech"
SPOKEN, SYNTHETIC = "spoken-digits", "synthetic"
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0)]


class Sound(Strict):
    """How recordings become equally long.

    rate : samples a second. placement : see `data.audio.placed`.
    """

    place: ClassVar[str] = "the sound"
    rate: Count
    seconds: Positive
    placement: str

    @model_validator(mode="after")
    def _placement_is_known(self) -> Self:
        if self.placement not in PLACES:
            raise ValueError(f"placement must be one of {', '.join(PLACES)}, not {self.placement}")
        return self


class Split(Strict):
    """A table of results: one of the two ways to split the recordings."""

    place: ClassVar[str] = "a table"
    name: Name
    title: str


class Tables(Strict):
    """own : the data set's own split. speakers : leave-one-speaker-out."""

    place: ClassVar[str] = "the tables"
    own: Split
    speakers: Split


class Presentations(Strict):
    """Images that each network sees in training, repeats counted."""

    place: ClassVar[str] = "the images"
    own: Count
    speakers: Count


class Seeds(Strict):
    """Seeds of the label draws and of the folds inside them."""

    place: ClassVar[str] = "the seeds"
    draws: Seed = 0
    folds: Seed = 0


class Row(Strict):
    """A row of the tables.

    of : what the extractor takes: images of spectrograms, or recordings as long as they are.
    features : extractors, of which each fit takes the one with the best held-out accuracy inside its labels.
    trained : whether they get the discriminator trained on the recordings that the split trains on.
    Cs : of the SVM, where they are other than the study's. control : the row that it is compared with.
    """

    place: ClassVar[str] = "a row"
    name: Name
    title: str
    of: Literal["spectrograms", "recordings"] = "spectrograms"
    features: Annotated[list[Component], Field(min_length=1)]
    trained: bool = False
    Cs: Annotated[list[Positive], Field(min_length=1)] | None = None
    control: str | None = None
    citation: str = ""
    note: str = ""

    @property
    def package(self) -> str:
        """The package that its classes are of."""
        return "features" if self.of == "spectrograms" else "features.audio"


class Study(Strict):
    """The whole study; see `studies/speech.yaml`."""

    place: ClassVar[str] = "the study"
    name: Name
    title: str
    source: Literal["spoken-digits", "synthetic"]
    per_speaker: Count = 12
    sound: Sound
    spectrogram: dict[str, Any]
    shifts: Annotated[list[float], Field(min_length=1)]
    recipe: dict[str, Any]
    images: Presentations
    tables: Tables
    protocols: Annotated[dict[Name, Protocol], Field(min_length=1)]
    seeds: Seeds = Seeds()
    Cs: Annotated[list[Positive], Field(min_length=1)]
    rows: Annotated[list[Row], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_agree(self, info: ValidationInfo) -> Self:
        where = str(info.context["path"]) if info.context else "the study"
        names = [row.name for row in self.rows]
        make_recipe({**self.recipe, "images": self.images.own}, f"{where}, recipe")
        find(self.log_mel(), "features.audio", f"{where}, spectrogram")
        for row in self.rows:
            if names.count(row.name) > 1:
                raise InputError(f"{where}: two rows are named '{row.name}'; rename one of them")
            if row.control is not None and row.control not in names:
                raise unknown_name("row", row.control, names, f"{where}, row {row.name}")
            for component in row.features:
                find(component, row.package, f"{where}, row {row.name}")
        for name, protocol in self.protocols.items():
            if protocol.holdout is not None or protocol.validation is not None or protocol.scored_on != "test":
                raise InputError(
                    f"{where}, protocol {name}: holdout, validation and scored_on have no place here; leave them out"
                )
            if protocol.per_class is not None and protocol.per_class < protocol.folds:
                raise InputError(
                    f"{where}, protocol {name}: C cannot be chosen by {protocol.folds} folds of {protocol.per_class} "
                    "labels a class; give more labels or fewer folds"
                )
        return self

    def log_mel(self) -> Component:
        """The spectrogram's settings as a component, with the sound's rate."""
        settings = {"rate": self.sound.rate, **self.spectrogram}
        return Component.model_validate({"class": "LogMelSpectrogram", **settings})


def load_study(name: str) -> Study:
    """The shipped study of that preset ("default", "demo"), or the one in a YAML file.

    Raises `InputError` when it is missing, is not YAML, or says something that a study cannot say.
    """
    if name == "default":
        return read_study(Study, PREFIX)
    return read_study(Study, study_file(name, f"{PREFIX}-", "preset", others=["default"]))
