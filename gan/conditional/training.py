"""The training of a conditional GAN: adversarial training in which both networks are told the images' labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field
from torch import Tensor

from dcgan_features.data.utils.drawing import image_grid
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.gan.conditional.networks import (
    CONDITIONAL_SPECS,
    ConditionalDiscriminator,
    ConditionalGenerator,
    ConditionalSpec,
    generate_classes,
    one_hot,
)
from dcgan_features.gan.description import Description
from dcgan_features.gan.networks import draw_latent
from dcgan_features.gan.training.adversarial import Adversaries
from dcgan_features.gan.training.dcgan import ImageRun, check_images
from dcgan_features.gan.training.recipe import Recipe, check_settings
from dcgan_features.gan.weights_file import fill, read_tensors, write_tensors

KIND = "conditional generator"


class ConditionalRecipe(Recipe):
    """Settings of one conditional training run; see `Recipe`.

    network : name in `gan.conditional.networks.CONDITIONAL_SPECS`.
    weight_decay : by default that of the authors' code for MNIST.
    decay_images : real images at the end of the run over which the learning rate falls, linearly, to nothing.
    """

    network: str = "mnist-conditional"
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 2.5e-5
    decay_images: Annotated[int, Field(ge=0)] = 0
    sample_count: Annotated[int, Field(ge=2)] = 100

    @property
    def spec(self) -> ConditionalSpec:
        """The named network's shape."""
        return CONDITIONAL_SPECS[self.network]

    @property
    def full_steps(self) -> int:
        """Minibatches, from the first on, that have the full learning rate."""
        return self.steps - self.decay_images // self.batch_size + 1 if self.decay_images else self.steps

    def rate(self, step: int) -> float:
        """Learning rate of minibatch number `step`, from 0."""
        left = self.steps - step
        return self.learning_rate * min(1.0, left * self.batch_size / self.decay_images if self.decay_images else 1.0)


def make_conditional_recipe(settings: dict[str, Any], where: str = "the recipe") -> ConditionalRecipe:
    """Check settings; a misspelt key, an unknown network or a value out of range is an `InputError`."""
    recipe = check_settings(ConditionalRecipe, settings, where)
    if recipe.network not in CONDITIONAL_SPECS:
        raise unknown_name("network", recipe.network, CONDITIONAL_SPECS, where)
    if recipe.averaging:
        raise InputError(f"{where}: conditional GANs have no averaged weights; leave 'averaging' away")
    if recipe.rotation:
        raise InputError(f"{where}: conditional GANs do not learn to tell rotations; leave 'rotation' away")
    return recipe


class ConditionalTraining(Adversaries[ConditionalGenerator, ConditionalDiscriminator]):
    """`Adversaries` that see labels: fake images are of the classes of the minibatch's real ones.

    images : uint8 (n, size, size, channels). labels : int64 (n,), 0..classes-1.
    """

    recipe: ConditionalRecipe
    _repeats = False  # classes and learning rates are the minibatch's

    def __init__(
        self,
        recipe: ConditionalRecipe,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(recipe, images, device)
        self._classes = one_hot(torch.from_numpy(labels), recipe.spec.classes).to(self.device)

    def _networks(self, weights: torch.Generator) -> tuple[ConditionalGenerator, ConditionalDiscriminator]:
        return ConditionalGenerator(self.recipe.spec, weights), ConditionalDiscriminator(self.recipe.spec, weights)

    def step(self) -> Any:
        """Do the next minibatch; its losses are those before the update."""
        self.set_rate(self.recipe.rate(self.steps_done))
        return super().step()

    def _batch_classes(self) -> Tensor:
        return self._classes[torch.from_numpy(self.minibatches.indices(self.steps_done)).to(self.device)]

    def _generate(self, latent: Tensor) -> Tensor:
        images: Tensor = self.generator(latent, self._batch_classes())
        return images

    def _judge(self, images: Tensor) -> Tensor:
        logits: Tensor = self.discriminator(images, self._batch_classes())
        return logits

    def _scale(self, images: Tensor) -> Tensor:
        return images.permute(0, 3, 1, 2).float().div_(255)


class ConditionalRun(ImageRun[ConditionalTraining]):
    """A conditional training run in a folder of its own, in which weights.* in the end hold the generator.

    recipe, images, labels : see `ConditionalRecipe` and `ConditionalTraining`. data : digest and description of the
    images and labels, recorded with all weights. out, device, resume : as in `gan.training.dcgan.Run`.
    Raises `InputError` when images or labels do not fit the network, or the folder's run had other settings or images.
    """

    def __init__(
        self,
        recipe: ConditionalRecipe,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        out: Path,
        data: dict[str, Any],
        device: torch.device | str = "cpu",
        resume: bool = True,
    ) -> None:
        check_images(images, recipe.spec, recipe.batch_size)
        if labels.min() < 0 or labels.max() >= recipe.spec.classes:
            raise InputError(
                f"labels from {labels.min()} to {labels.max()}, but the network '{recipe.network}' knows "
                f"{recipe.spec.classes} classes; number them from 0"
            )

        def begin() -> ConditionalTraining:
            return ConditionalTraining(recipe, images, labels, device)

        self._full_steps = recipe.full_steps
        super().__init__(recipe, out, data, begin, resume)

    def _free(self, about: dict[str, Any], free: frozenset[str]) -> frozenset[str]:
        """Until the learning rate falls it makes no difference when it does, nor when the run ends; then it does."""
        earlier = make_conditional_recipe(about["recipe"], str(self.out))
        falling = about["steps_done"] > min(earlier.full_steps, self._full_steps)
        return free - {"images"} if falling else free | {"decay_images"}

    def _samples(self) -> Image.Image:
        count, classes = self.recipe.sample_count, self.training.recipe.spec.classes
        labels = torch.arange(count) % classes
        return image_grid(generate_classes(self.training.generator, self.training.sample_latent(), labels).numpy())

    def _save_weights(self, stem: Path) -> Path:
        about = {"kind": KIND, "network": self.recipe.network, **self._about()}
        tensors = {
            f"generator.{name}": tensor
            for name, tensor in self.training.generator.state_dict().items()
            if not name.endswith("num_batches_tracked")
        }
        return write_tensors(stem, tensors, about, torch.float32)


def load_conditional_generator(path: Path | str) -> tuple[ConditionalGenerator, dict[str, Any]]:
    """The generator that a `ConditionalRun` wrote, on the CPU in evaluation mode, and what its JSON says.

    Raises `InputError` when a file is missing or damaged, or holds something else.
    """

    def check(about: Description, size: int) -> None:
        if about.kind != KIND or about.network not in CONDITIONAL_SPECS:
            raise ValueError(f"they are of the kind {about.kind!r} and the network {about.network!r}")

    tensors, about, weights_path = read_tensors(path, check)
    generator = ConditionalGenerator(CONDITIONAL_SPECS[about["network"]])
    fill({"generator": generator}, tensors, weights_path)
    return generator.eval(), about


def draw_classes(
    generator: ConditionalGenerator, count: int, source: torch.Generator, own_statistics: bool = True
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """`count` images, uint8 (count, height, width, channels), of classes drawn alike, and their labels, int64."""
    spec = generator.spec
    labels = torch.randint(spec.classes, (count,), generator=source)
    latent = draw_latent(spec, count, source)
    return generate_classes(generator, latent, labels, own_statistics).numpy(), labels.numpy()
