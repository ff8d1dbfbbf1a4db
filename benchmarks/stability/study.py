"""A study of trainings that fail, read from YAML and checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, model_validator

from dcgan_features.benchmarks.config.schema import DatasetChoice
from dcgan_features.benchmarks.config.strict import Count, Name, Strict
from dcgan_features.benchmarks.config.studies import read_study
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.gan.training.recipe import Recipe, make_recipe

PREFIX = "stability"
HEALTHY = "healthy"


class Condition(Strict):
    """One way to train, several times.

    kind : what is wrong with it, in a word or two; None where it is expected to go well. of : of a remedy, the
    condition that it is to prevent from failing. recipe : in place of the study's own settings. unlabelled : images
    that the networks see, in place of the study's number. seeds, choosing : likewise. from_start : whether it goes on
    from the study's start, or begins with untrained networks. on_alarm : "rollback" is a remedy too.
    """

    place: ClassVar[str] = "a condition"
    name: Name
    title: str
    kind: str | None = None
    of: str | None = None
    recipe: dict[str, Any] = Field(default_factory=dict)
    unlabelled: Count | None = None
    seeds: Count | None = None
    choosing: Annotated[int, Field(ge=0)] | None = None
    from_start: bool = True
    on_alarm: Literal["go-on", "rollback"] = "go-on"

    @property
    def is_healthy(self) -> bool:
        """Whether it is expected to go well, and no remedy."""
        return self.kind is None and self.of is None


class Start(Strict):
    """A healthy training from which conditions go on, so that what fails was well at first.

    recipe : in place of the study's own settings. seeds : so many are trained; runs with more seeds share them.
    """

    place: ClassVar[str] = "the start"
    recipe: dict[str, Any]
    seeds: Count


class Probe(Strict):
    """How snapshots are scored: an L2-SVM on few labels, all of training images.

    per_class, draws : labels of each class, and how many times they are drawn, of the images that the networks see.
    evaluated : further training images, which no fit sees. seed : of the draws. Cs : of the SVM, on features of mean
    squared norm 1; the best mean accuracy counts. statistics : images on which batch statistics are estimated.
    """

    place: ClassVar[str] = "the probe"
    per_class: Count
    draws: Count
    evaluated: Count
    seed: Annotated[int, Field(ge=0)] = 0
    Cs: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)]
    statistics: Count = 2560


class Study(Strict):
    """Conditions, each trained with several seeds, watched, and scored at snapshots.

    unlabelled : training images that the networks see, the first of the data set; those evaluated follow them.
    readings, snapshots : in each run. seeds : of each condition, unless it says otherwise. choosing : the first so many
    of them are for choosing: limits of alarms on the healthy ones, conditions by a look at the others. The rest judge.
    recipe : of every run, see `gan.training.recipe.Recipe`. start : where runs begin; None: with untrained networks.
    """

    place: ClassVar[str] = "the study"
    name: Name
    title: str
    dataset: DatasetChoice
    unlabelled: Count
    readings: Count
    snapshots: Count
    seeds: Count
    choosing: Annotated[int, Field(ge=0)]
    recipe: dict[str, Any]
    start: Start | None = None
    probe: Probe
    conditions: Annotated[list[Condition], Field(min_length=1)]

    @model_validator(mode="after")
    def _conditions_agree(self, info: ValidationInfo) -> Self:
        where = str(info.context["path"]) if info.context else "the study"
        names = [condition.name for condition in self.conditions]
        if HEALTHY not in names:
            raise InputError(f"{where}: no condition is named '{HEALTHY}', with which the others are compared; add it")
        for condition in self.conditions:
            if names.count(condition.name) > 1:
                raise InputError(f"{where}: two conditions are named '{condition.name}'; rename one of them")
            if condition.of is not None and condition.of not in names:
                raise unknown_name("condition", condition.of, names, f"{where}, condition {condition.name}")
            recipe = self.recipe_of(condition, 0, where)
            for name, count in (("readings", self.readings), ("snapshots", self.snapshots)):
                if recipe.images % (count * recipe.batch_size):
                    raise InputError(
                        f"{where}: {recipe.images} images are not {count} times a number of whole minibatches of "
                        f"{recipe.batch_size}; change 'images' or '{name}'"
                    )
        return self

    def recipe_of(self, condition: Condition, seed: int, where: str = "the study") -> Recipe:
        """The settings of one run."""
        settings = {**self.recipe, **condition.recipe, "seed": seed}
        images = int(settings.get("images", Recipe.model_fields["images"].default))
        always = {"snapshot_every": max(images // self.snapshots, 1), "sample_every": None}
        return make_recipe({**settings, **always}, f"{where}, condition {condition.name}")

    def start_of(self, condition: Condition, seed: int) -> Recipe | None:
        """The settings of the training from which one run goes on; None where it begins with untrained networks."""
        if self.start is None or not condition.from_start:  # as `is_untrained` says
            return None
        own = {"seed": seed % self.start.seeds, "sample_every": None}
        return make_recipe({**self.recipe, **self.start.recipe, **own}, "the study's start")

    def condition(self, name: str) -> Condition:
        """The condition of that name. Raises `InputError` where there is none."""
        for condition in self.conditions:
            if condition.name == name:
                return condition
        raise unknown_name("condition", name, [condition.name for condition in self.conditions], self.name)

    def is_untrained(self, name: str) -> bool:
        """Whether the runs of that condition begin with random weights."""
        return self.start is None or not self.condition(name).from_start

    def judges(self, name: str, seed: int) -> bool:
        """Whether a run of that condition is one of those that nothing was chosen on."""
        own = self.condition(name).choosing
        return seed >= (self.choosing if own is None else own)

    def trials(self, only: list[str] | None = None) -> Iterator[tuple[Condition, int]]:
        """Every run: seed by seed, so that a study cut short has some of each condition."""
        chosen = [condition for condition in self.conditions if not only or condition.name in only]
        for seed in range(max(condition.seeds or self.seeds for condition in chosen)):
            for condition in chosen:
                if seed < (condition.seeds or self.seeds):
                    yield condition, seed


def load_stability(name: str) -> Study:
    """The shipped study of that name, such as "stability", or the one in a YAML file.

    Raises `InputError` when it is missing, is not YAML, or says something that a study cannot say.
    """
    return read_study(Study, name, family=PREFIX)
