"""Everything that decides how an Exemplar-CNN is trained, as one checked set of settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_yaml
from dcgan_features.features.exemplar.networks import parse
from dcgan_features.gan.training.recipe import check_settings

# These decide only how long to train and what to write meanwhile: they may differ when a run is resumed.
FREE_SETTINGS = frozenset({"samples", "checkpoint_seconds", "checkpoint_every", "log_every"})


class ExemplarRecipe(BaseModel):
    """Settings of one training run. Defaults: the paper's largest network, as far as our notes of it go.

    network : "small", "middle", "large", or an architecture in the paper's notation.
    initial_weights : trained weights with which the layers below the softmax begin, a file or the name of shipped
        ones; None draws them. The surrogate classes are new, so a run can go on where classes ran out.
    seeds : seed patches, each of which begins a surrogate class.
    image_size : images are resized to it before seeds are drawn; None leaves them (STL-10's are 96 x 96).
    samples : transformed patches to see in all.
    samples_per_seed : transformations fixed for each seed; None draws new ones all the time.
    seed : decides seeds, transformations, initial weights and dropout.
    colour_power : saturation and value are raised to powers from 1 / this to this.
    batch_size, optimiser, learning_rate, momentum : of the minibatches; momentum is Adam's first average's factor too.
    decay : samples at the end, at most all, over which the learning rate falls linearly to 0. The paper divides it by
        3 whenever a validation error stagnates.
    weight_decay : L2 penalty's factor in the gradient of every parameter.
    dropout : probability for the fully connected units.
    cluster_after : samples after which seeds are merged into clusters by the network's features; None never does.
    cluster_distance, cluster_dropped : see `features.exemplar.surrogate.cluster`.
    precision : of convolutions; parameters and the optimiser's averages are float32 always.
    checkpoint_seconds, checkpoint_every : save after this time, or as many minibatches, whichever is first; None: not.
    log_every : minibatches between two entries for TensorBoard.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str = "large"
    initial_weights: str | None = None
    seeds: Annotated[int, Field(ge=2)] = 16_000
    image_size: Annotated[int | None, Field(ge=1)] = None
    samples: Annotated[int, Field(ge=1)] = 160_000_000
    samples_per_seed: Annotated[int | None, Field(ge=1)] = 100
    seed: Annotated[int, Field(ge=0)] = 0
    colour_power: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 4.0
    batch_size: Annotated[int, Field(ge=1)] = 128
    optimiser: Literal["sgd", "adam"] = "sgd"
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.01
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    decay: Annotated[int, Field(ge=0)] = 40_000_000
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    cluster_after: Annotated[int | None, Field(ge=1)] = None
    cluster_distance: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.2
    cluster_dropped: Annotated[float, Field(ge=0, lt=1)] = 0.1
    precision: Literal["bf16", "fp32"] = "bf16"
    checkpoint_seconds: Annotated[float | None, Field(gt=0)] = 60.0
    checkpoint_every: Annotated[int | None, Field(ge=1)] = None
    log_every: Annotated[int, Field(ge=1)] = 20

    @property
    def steps(self) -> int:
        """Minibatches that `samples` amounts to, rounded up."""
        return -(-self.samples // self.batch_size)

    def rate(self, step: int) -> float:
        """Learning rate of minibatch number `step`, from 0."""
        if not self.decay:
            return self.learning_rate
        left = (self.steps - step) * self.batch_size
        return self.learning_rate * min(1.0, left / min(self.decay, self.steps * self.batch_size))


def make_exemplar_recipe(settings: dict[str, Any], where: str = "the recipe") -> ExemplarRecipe:
    """Check settings; a misspelt key, an unknown network or a value out of range is an `InputError`."""
    recipe = check_settings(ExemplarRecipe, settings, where)
    try:
        parse(recipe.network)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return recipe


def read_exemplar_recipe(path: Path | str | None, overrides: dict[str, Any] | None = None) -> ExemplarRecipe:
    """The recipe in a YAML file (None: the defaults) with `overrides` in place of what it says."""
    settings = make_exemplar_recipe(read_yaml(path, "recipe"), str(path)).model_dump() if path is not None else {}
    where = f"the options or {path}" if path else "the options"
    return make_exemplar_recipe({**settings, **(overrides or {})}, where)
