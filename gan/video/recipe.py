"""Everything that decides how a frame predictor is trained, as one checked set of settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.formats import read_yaml
from dcgan_features.gan.training.recipe import check_settings
from dcgan_features.gan.video.networks import VIDEO_SPECS, VideoSpec

# These decide only what is written meanwhile: they may differ when a run is resumed.
FREE_SETTINGS = frozenset({"checkpoint_seconds", "checkpoint_every", "sample_every", "sample_count", "log_every"})


class VideoRecipe(BaseModel):
    """Settings of one training run of frame prediction.

    The generator's loss is a weighted sum of means over pixels or clips, of frames scaled to -1..1: Mathieu, Couprie &
    LeCun, Deep multi-scale video prediction beyond mean square error, ICLR 2016, section 3.

    network : name in `gan.video.networks.VIDEO_SPECS`.
    clips : to see in all; the learning rates fall along a cosine to nothing over them, so a run cannot be lengthened.
    seed : decides initial weights, order of the clips, made clips, and which windows are judged.
    batch_size : clips a minibatch; both networks are updated on each.
    l1, l2 : factors of the absolute and the squared differences of predicted and true pixels. 1 for either in the
        source. Where most pixels are black and motion is uncertain, the best guess by absolute differences alone is
        black, by squared ones grey.
    gradient_difference : factor of the difference of absolute gradients; 0: none. 1 in the source.
    adversarial : factor of the adversarial loss; 0: none, and no discriminator. 0.05 in the source.
    learning_rate, discriminator_rate, beta1, beta2 : Adam's.
    precision : of convolutions; parameters and Adam's averages are float32 always.
    checkpoint_seconds, checkpoint_every : save after this time, or as many minibatches, whichever is first; None: not.
    sample_every, sample_count : draw predictions of that many clips after as many minibatches; None: not.
    log_every : minibatches between two values in the TensorBoard log.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str = "moving-64"
    clips: Annotated[int, Field(ge=1)] = 60_000
    seed: Annotated[int, Field(ge=0)] = 0
    batch_size: Annotated[int, Field(ge=2)] = 16
    l1: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.5
    l2: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    gradient_difference: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.25
    adversarial: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.001
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    discriminator_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2e-4
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.5
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    precision: Literal["bf16", "fp32"] = "bf16"
    checkpoint_seconds: Annotated[float | None, Field(gt=0)] = 60.0
    checkpoint_every: Annotated[int | None, Field(ge=1)] = None
    sample_every: Annotated[int | None, Field(ge=1)] = 500
    sample_count: Annotated[int, Field(ge=1)] = 6
    log_every: Annotated[int, Field(ge=1)] = 20

    @property
    def spec(self) -> VideoSpec:
        """The named networks' shape."""
        return VIDEO_SPECS[self.network]

    @property
    def steps(self) -> int:
        """Minibatches that `clips` amounts to, rounded up."""
        return -(-self.clips // self.batch_size)


def make_video_recipe(settings: dict[str, Any], where: str = "the recipe") -> VideoRecipe:
    """Check settings; a misspelt key, an unknown network or a value out of range is an `InputError`."""
    recipe = check_settings(VideoRecipe, settings, where)
    if recipe.network not in VIDEO_SPECS:
        raise unknown_name("network", recipe.network, VIDEO_SPECS, where)
    if not recipe.l1 and not recipe.l2:
        raise InputError(f"{where}: 'l1' and 'l2' are both 0, so that no pixel is compared; give one of them")
    return recipe


def read_video_recipe(path: Path | None, overrides: dict[str, Any]) -> VideoRecipe:
    """The recipe in a YAML file (None: the defaults) with `overrides` in place of what it says. Errors as above."""
    settings = read_yaml(path, "recipe") if path is not None else {}
    where = f"the options or {path}" if path is not None else "the options"
    make_video_recipe(settings, where)
    return make_video_recipe({**settings, **overrides}, where)
