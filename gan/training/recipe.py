"""Everything that decides how a DCGAN is trained, as one checked set of settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.formats import read_yaml
from dcgan_features.data.utils.settings import first_mistake
from dcgan_features.gan.spec import SPECS, NetworkSpec

# These decide only how long to train and what to write meanwhile: they may differ when a run is resumed.
FREE_SETTINGS = frozenset(
    {"images", "checkpoint_seconds", "checkpoint_every", "sample_every", "sample_count", "snapshot_every", "log_every"}
)
# These came later than runs and results that do not know them; at their defaults they leave all as it was.
LATER_SETTINGS = frozenset(
    {"loss", "gradient_penalty", "averaging", "rotation", "fake_gradient_penalty", "dragan", "discriminator_rate"}
    | {"instance_noise", "instance_noise_images", "latent_size", "latent"}
)
FOLDER_EPOCHS = 25
Settings = TypeVar("Settings", bound=BaseModel)


class Recipe(BaseModel):
    """Settings of one training run. Defaults: the paper, section 4; where it is silent, the authors' code.

    network : name in `gan.SPECS`.
    latent_size, latent : dimensions of z, and "uniform" or "normal"; None: as the network has them.
    images : real images to see in all. Every minibatch counts, as in the authors' code, although those on which
        the generator is updated play no part in the update.
    seed : decides initial weights, order of the images, z and flips.
    batch_size, learning_rate, beta1 : the paper, section 4. beta2 is Adam's usual one.
    weight_decay : L2 penalty's factor in the gradient of every parameter (the authors' code for faces).
    discriminator_updates : minibatches that update the discriminator for each one that updates the generator.
    flips : mirror half of the real images left to right (not in the paper).
    loss : "cross-entropy", as in the paper, "hinge" or "relativistic"; see `gan.training.losses`.
    discriminator_rate : the discriminator's learning rate as a multiple of `learning_rate`, which is the generator's
        (two time scales: Heusel et al., NeurIPS 2017); 1: the same.
    gradient_penalty : gamma of the R1 penalty of the discriminator, in float32 always, at every one of its updates; 0:
        none. See `gan.training.r1_penalty`. 10 in its source, for images of -1..1 like these.
    fake_gradient_penalty : gamma of the R2 penalty, which is the same at fake images. R1 and R2 with the relativistic
        loss are the training of R3GAN (Huang et al., NeurIPS 2024, arXiv 2501.05441, section 2).
    dragan : factor of DRAGAN's penalty for gradients around real images whose norm is not 1; 0: none. 10 in its source.
        See `gan.training.r1_penalty`.
    instance_noise : standard deviation of normal noise on all images that the discriminator is shown in training, in
        units of pixels of -1..1 (Sonderby et al., ICLR 2017; Arjovsky & Bottou, ICLR 2017); 0: none.
    instance_noise_images : real images over which that noise falls, linearly, to nothing; 0: it stays.
    rotation : factor, in the discriminator's loss, of a second task: to tell by how many quarter turns real images were
        turned; 0: none. 1 in its source. See `gan.training.rotation_prediction`.
    averaging : decay, an update of a network, of an exponential moving average of its weights, such as 0.999; samples
        and saved weights of both networks are then the averages, which begin at the initial weights. 0: the weights as
        they are. See `gan.training.ema`.
    resize : centre-crop and resize images to the network's size (a folder's are in any case).
    precision : of convolutions; parameters and Adam's averages are float32 always.
    checkpoint_seconds, checkpoint_every : save after this time, or as many minibatches, whichever is first; None: not.
    sample_every, sample_count : draw that many images of one fixed z after as many minibatches; None: not.
    snapshot_every : keep the weights after each so many images, to be scored later; None: only the last.
    log_every : minibatches between two values in the TensorBoard log.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str = "svhn-32"
    latent_size: Annotated[int | None, Field(ge=1)] = None
    latent: Literal["uniform", "normal"] | None = None
    images: Annotated[int, Field(ge=1)] = 1_000_000
    seed: Annotated[int, Field(ge=0)] = 0
    batch_size: Annotated[int, Field(ge=2)] = 128
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2e-4
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.5
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-5
    discriminator_updates: Annotated[int, Field(ge=1)] = 1
    flips: bool = False
    loss: Literal["cross-entropy", "hinge", "relativistic"] = "cross-entropy"
    discriminator_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    gradient_penalty: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    fake_gradient_penalty: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    dragan: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    instance_noise: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    instance_noise_images: Annotated[int, Field(ge=0)] = 0
    rotation: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    averaging: Annotated[float, Field(ge=0, lt=1)] = 0.0
    resize: bool = False
    precision: Literal["bf16", "fp32"] = "bf16"
    checkpoint_seconds: Annotated[float | None, Field(gt=0)] = 60.0
    checkpoint_every: Annotated[int | None, Field(ge=1)] = None
    sample_every: Annotated[int | None, Field(ge=1)] = 100
    sample_count: Annotated[int, Field(ge=2)] = 64
    snapshot_every: Annotated[int | None, Field(ge=1)] = None
    log_every: Annotated[int, Field(ge=1)] = 20

    @property
    def spec(self) -> NetworkSpec:
        """The named network's shape, with the latent space that the recipe gives it."""
        return SPECS[self.network].with_latent(self.latent_size, self.latent)

    @property
    def penalises_gradients(self) -> bool:
        """Whether the discriminator's loss has gradients in it, so that it is differentiated twice."""
        return bool(self.gradient_penalty or self.fake_gradient_penalty or self.dragan)

    def noise_at(self, step: int) -> float:
        """Standard deviation of the instance noise in minibatch number `step`, from 0."""
        if not self.instance_noise_images:
            return self.instance_noise
        return self.instance_noise * max(1 - step * self.batch_size / self.instance_noise_images, 0.0)

    @property
    def steps(self) -> int:
        """Minibatches that `images` amounts to, rounded up."""
        return -(-self.images // self.batch_size)


class TrainRecipe(Recipe):
    """Settings of `python -m gan.train`: those of the run, and how it comes by its images and first weights.

    start_from : weights of both networks, as an earlier training kept them, to begin with in place of random ones;
        Adam begins anew. None: random ones.
    epochs : how long to train in place of `images`: each image so many times, in whole minibatches. Where neither is
        given, a run on folders takes 25, as the authors' code does for faces.
    unreadable : files of a folder that may be passed over because they cannot be read: below 1 a share of all, else a
        number.
    watch_every : images between two readings of a run that is watched, see `gan.training.watched`.
    near_duplicates : whether to remove near-duplicates before training, see `gan.near_duplicates`.
    hash_noise, hash_dropout, hash_threshold, hash_images, hash_shift, hash_seed : how they are found, see
        `gan.folders.autoencoder_hash.HashSettings`.
    """

    start_from: Path | None = None
    epochs: Annotated[int | None, Field(ge=1)] = None
    unreadable: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.02
    watch_every: Annotated[int, Field(ge=1)] = 12_800
    near_duplicates: Literal["keep", "remove"] = "keep"
    hash_noise: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 4.0
    hash_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    hash_threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.25
    hash_images: Annotated[int, Field(ge=1)] = 60_000
    hash_shift: Annotated[int, Field(ge=0, le=4)] = 2
    hash_seed: Annotated[int, Field(ge=0)] = 0

    def for_images(self, count: int, folders: bool) -> Recipe:
        """The settings of the run on `count` images, which come from `folders` alone or not."""
        epochs = self.epochs
        if epochs is None and folders and "images" not in self.model_fields_set:
            epochs = FOLDER_EPOCHS
        settings = {key: getattr(self, key) for key in Recipe.model_fields}
        if epochs is not None:
            settings["images"] = epochs * max(count // self.batch_size, 1) * self.batch_size
        return Recipe(**settings)


def check_settings(kind: type[Settings], settings: dict[str, Any], where: str = "the recipe") -> Settings:
    """Settings as a `kind`; a misspelt key or a value out of range is an `InputError`."""
    for key in settings:
        if key not in kind.model_fields:
            raise unknown_name("key", str(key), kind.model_fields, where)
    try:
        return kind(**settings)
    except ValidationError as error:
        raise InputError(f"{where}: {first_mistake(error)}") from None


def make_recipe(settings: dict[str, Any], where: str = "the recipe") -> Recipe:
    """Check settings; a misspelt key, an unknown network or a value out of range is an `InputError`."""
    return _with_network(check_settings(Recipe, settings, where), where)


def read_recipe(path: Path | str | None, overrides: dict[str, Any] | None = None) -> TrainRecipe:
    """The recipe in a YAML file (None: the defaults) with `overrides` in place of what it says.

    `images` among the overrides takes the place of the file's `epochs`, and the reverse. Raises `InputError` when the
    file is missing, is not YAML, or says something that is not a setting, and where both are given in one place.
    """
    settings = _train_settings(read_yaml(path, "recipe"), str(path)) if path is not None else {}
    changed = overrides or {}
    if "images" in changed or "epochs" in changed:
        settings = {key: value for key, value in settings.items() if key not in ("images", "epochs")}
    where = f"the options or {path}" if path else "the options"
    settings = _train_settings({**settings, **changed}, where)
    return TrainRecipe(**settings)


def _train_settings(settings: dict[str, Any], where: str) -> dict[str, Any]:
    """What was given, checked."""
    recipe = _with_network(check_settings(TrainRecipe, settings, where), where)
    if recipe.epochs is not None and "images" in recipe.model_fields_set:
        raise InputError(f"{where}: both 'images' and 'epochs' say how long to train; give one of them")
    return recipe.model_dump(exclude_unset=True)


AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)


def _with_network(recipe: AnyRecipe, where: str) -> AnyRecipe:
    if recipe.network not in SPECS:
        raise unknown_name("network", recipe.network, SPECS, where)
    return recipe


def refuse_changes(
    recipe: BaseModel, earlier: dict[str, Any], where: Path, free: frozenset[str] = FREE_SETTINGS
) -> None:
    """Raise `InputError`, naming the setting, when a run would be resumed in `where` with another recipe.

    earlier : the recipe of the run; a setting that it does not know yet was what is now the default.
    """
    for key, value in recipe.model_dump().items():
        before = earlier.get(key, type(recipe).model_fields[key].default)
        if key not in free and before != value:
            raise InputError(
                f"{where} was begun with {key}={before}, not {value}; give the same setting, another folder, "
                "or --no-resume to begin anew"
            )
