"""A selection as data: candidates made of blocks of second-order features, read from YAML and checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Self

from pydantic import Field, ValidationInfo, model_validator

from dcgan_features.benchmarks.config.components import find
from dcgan_features.benchmarks.config.schema import Component, DatasetChoice, Weights
from dcgan_features.benchmarks.config.strict import Count, Name, Strict
from dcgan_features.benchmarks.config.studies import checked_study, study_file
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.formats import read_yaml
from dcgan_features.features import SecondOrderFeatures

PREFIX = "select-"

Positive = Annotated[float, Field(gt=0)]


class Source(Strict):
    """An extractor whose features, moments without normalisation and maxima, are computed once for all candidates.

    extractor : a `SecondOrderFeatures` with normalisation "none". weights : of its network, where it takes any.
    """

    place: ClassVar[str] = "a source"
    extractor: Component
    weights: Weights | None = None


class Block(Strict):
    """A part of a candidate's features.

    sources : whose views are taken together: moments by their mean, maxima by the largest; they differ in their views
        alone.
    layer : of which the moments are taken, as the sources' `layers` name it; None is the block of maxima of all layers.
    rank : leading directions; None is all that the sources have.
    whole : moments of the whole map in place of its cells'.
    normalisation : as that of `SecondOrderFeatures`; maxima are in signed square roots always.
    weight : of the block's Gram matrix, whose trace is made the number of rows first.
    """

    place: ClassVar[str] = "a block"
    sources: Annotated[list[str], Field(min_length=1)]
    layer: int | None = None
    rank: Count | None = None
    whole: bool = False
    normalisation: str = "root"
    weight: Positive = 1.0


class Choice(Strict):
    """A choice of features. against : the candidate whose predictions its are compared with, or none."""

    place: ClassVar[str] = "a candidate"
    name: Name
    title: str
    against: str | None = None


class Candidate(Choice):
    """A choice of features made of blocks of the sources."""

    blocks: Annotated[list[Block], Field(min_length=1)]


class ExtractorCandidate(Choice):
    """A choice of features that one extractor makes. weights : of its network, where it takes any."""

    extractor: Component
    weights: Weights | None = None


class Selection(Strict):
    """What all selections say: which images, which labels, which values of C.

    per_class, draws : labels of each class, and how many times they are drawn from the images not evaluated.
    pool : images of each class from which all draws come, so that features are needed of no others; evaluated : images
        that candidates are measured on. Both are drawn from the training images, and no fit sees the latter.
    seed : of these draws. Cs : of the SVM, on features of mean squared norm 1; the best mean accuracy wins.
    """

    place: ClassVar[str] = "the selection"
    name: Name
    title: str
    dataset: DatasetChoice
    per_class: Count
    draws: Annotated[int, Field(ge=2)]
    pool: Count
    evaluated: Count
    seed: Annotated[int, Field(ge=0)]
    Cs: Annotated[list[Positive], Field(min_length=2)]

    def _check_names(self, candidates: Sequence[Choice], where: str) -> None:
        names = [candidate.name for candidate in candidates]
        for candidate in candidates:
            if names.count(candidate.name) > 1:
                raise InputError(f"{where}: two candidates are named '{candidate.name}'; rename one of them")
            if candidate.against is not None and candidate.against not in names:
                raise unknown_name("candidate", candidate.against, names, f"{where}, candidate {candidate.name}")
        if self.pool < self.per_class:
            raise InputError(f"{where}: {self.per_class} labels a class cannot be drawn of {self.pool}; raise 'pool'")


class ExtractorStudy(Selection):
    """A selection among extractors; see `studies/select-svhn-views.yaml`."""

    candidates: Annotated[list[ExtractorCandidate], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_agree(self, info: ValidationInfo) -> Self:
        self._check_names(self.candidates, _where(info))
        return self


class Study(Selection):
    """A selection among blocks of second-order features; see `studies/select-second-order.yaml`."""

    sources: dict[Name, Source]
    candidates: Annotated[list[Candidate], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_agree(self, info: ValidationInfo) -> Self:
        where = _where(info)
        self._check_names(self.candidates, where)
        for candidate in self.candidates:
            mine = f"{where}, candidate {candidate.name}"
            for wanted in (name for block in candidate.blocks for name in block.sources):
                if wanted not in self.sources:
                    raise unknown_name("source", wanted, self.sources, mine)
        for name, source in self.sources.items():
            kind = find(source.extractor, "features", f"{where}, source {name}").kind
            settings = source.extractor.settings
            if kind is not SecondOrderFeatures or settings.get("normalisation") != "none" or not settings.get("layers"):
                raise InputError(
                    f"{where}: source {name} must be SecondOrderFeatures with its 'layers' and 'normalisation: none', "
                    "of which candidates are made"
                )
            if settings.get("weights"):
                raise InputError(f"{where}: source {name} must have no 'weights'; blocks of candidates have them")
        return self


def _where(info: ValidationInfo) -> str:
    return str(info.context["path"]) if info.context else "the selection"


def load_selection(name: str) -> Study | ExtractorStudy:
    """The shipped selection of that name, or the one in a YAML file.

    Raises `InputError` when it is missing, is not YAML, or says something that a selection cannot say.
    """
    path = study_file(name, PREFIX, "selection")
    content = read_yaml(path, "selection")
    if "sources" in content:
        return checked_study(Study, content, path, "selection")
    return checked_study(ExtractorStudy, content, path, "selection")
