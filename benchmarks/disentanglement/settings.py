"""What the study does, as one checked set of settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dcgan_features.data.utils.formats import read_yaml
from dcgan_features.gan.training.recipe import Recipe, check_settings, make_recipe

Count = Annotated[int, Field(ge=1)]
Latent = Literal["uniform", "normal"]


class Run(NamedTuple):
    """One of the study's GANs: its latent space and its seed."""

    latent_size: int
    latent: str
    seed: int

    @property
    def name(self) -> str:
        """As files and progress call it, such as "z100-normal-seed0"."""
        return f"z{self.latent_size}-{self.latent}-seed{self.seed}"


class Settings(BaseModel):
    """The study's settings.

    data : name in `data.factors.sources.FACTOR_SETS`. training_images, test_images : different images of it; the GAN
        and the encoder see only the former, of which the latter, with their factors, are what is measured.
    latent_sizes, latents, seeds : a GAN is trained for every combination.
    training : of the GANs, keys of `gan.training.recipe.Recipe`.
    encoder_samples, encoder_epochs : of the encoder's training on the generator's own samples.
    votes, votes_images : of the FactorVAE score: votes of the classifier, and images a vote.
    forest : trees of each forest of DCI.
    inverted, inversion_steps : images that are inverted by optimisation, and steps of Adam.
    pairs : of samples for the perceptual path length. walks : from sample to sample, for the smoothness.
    judge : weights whose frozen discriminator measures distances between images.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str = "sprites"
    training_images: Count = 8_000
    test_images: Annotated[int, Field(ge=50)] = 1_600
    latent_sizes: Annotated[tuple[Count, ...], Field(min_length=1)] = (10, 50, 100, 200)
    latents: Annotated[tuple[Latent, ...], Field(min_length=1)] = ("uniform", "normal")
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0, 1, 2)
    training: dict[str, Any] = {}
    encoder_samples: Annotated[int, Field(ge=100)] = 8_000
    encoder_epochs: Count = 3
    votes: Annotated[int, Field(ge=10)] = 800
    votes_images: Annotated[int, Field(ge=2)] = 64
    forest: Count = 10
    inverted: Annotated[int, Field(ge=10)] = 100
    inversion_steps: Count = 80
    pairs: Annotated[int, Field(ge=10)] = 500
    walks: Annotated[int, Field(ge=2)] = 60
    judge: str = "shapes-32"

    @model_validator(mode="after")
    def _no_run_twice(self) -> Self:
        for key in ("latent_sizes", "latents", "seeds"):
            if len(set(getattr(self, key))) < len(getattr(self, key)):
                raise ValueError(f"'{key}' names a value twice; give each once")
        return self

    def runs(self) -> list[Run]:
        """Every GAN of the study, one of each latent space before the second of any."""
        return [Run(size, latent, seed) for seed in self.seeds for latent in self.latents for size in self.latent_sizes]

    def recipe(self, run: Run) -> Recipe:
        """How a GAN of the study is trained. Raises `InputError` for keys or values that are none of a recipe's."""
        own = {"latent_size": run.latent_size, "latent": run.latent, "seed": run.seed}
        return make_recipe({**TRAINING, **self.training, **own}, "'training'")


# Chosen by eye on samples of seed 0 before anything was measured; each GAN takes half a minute of one core.
TRAINING = {
    "network": "svhn-32-narrow-spectral",
    "images": 40_000,
    "batch_size": 32,
    "learning_rate": 1e-3,
    "beta1": 0.0,
    "beta2": 0.9,
    "loss": "hinge",
    "averaging": 0.99,
    "sample_every": None,
    "checkpoint_seconds": 20.0,
}
DEMO = {
    "training_images": 600,
    "test_images": 300,
    "latent_sizes": (5, 10),
    "latents": ("normal",),
    "seeds": (0, 1),
    "training": {"images": 2_000},
    "encoder_samples": 500,
    "encoder_epochs": 1,
    "votes": 60,
    "votes_images": 16,
    "forest": 5,
    "inverted": 16,
    "inversion_steps": 10,
    "pairs": 40,
    "walks": 4,
}


def read_settings(path: Path | None, demo: bool = False) -> Settings:
    """The settings in a YAML file, over the demo's or the study's own.

    Raises `InputError` for a missing or damaged file, an unknown key or a value out of range.
    """
    given = read_yaml(path, "settings") if path is not None else {}
    settings = check_settings(Settings, {**(DEMO if demo else {}), **given}, str(path or "the settings"))
    settings.recipe(settings.runs()[0])
    return settings
