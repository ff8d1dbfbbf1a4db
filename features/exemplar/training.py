"""Training of an Exemplar-CNN: one minibatch of surrogate classes after another, and the run around it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dcgan_features.data.utils.gpu import check_precision
from dcgan_features.data.utils.random_streams import stream
from dcgan_features.features.exemplar.networks import ExemplarNetwork
from dcgan_features.features.exemplar.recipe import FREE_SETTINGS, ExemplarRecipe
from dcgan_features.features.exemplar.seeds import draw_seeds
from dcgan_features.features.exemplar.surrogate import NOT_DRAWN, SurrogateData, cluster
from dcgan_features.features.exemplar.transformations import RANGES, identity_parameters, transform
from dcgan_features.features.exemplar.weights import load_exemplar_weights, save_exemplar_weights
from dcgan_features.gan.training.loop import TrainingRun

# What a stream of random numbers is for; part of its seed.
_WEIGHTS, _SEEDS, _FIXED, _SCALE, _SAMPLES, _DROPOUT = range(6)
_SCALE_SAMPLES = 4096  # samples of which the mean and the deviation of the pixels are estimated
_CLUSTER_BATCH = 256


@dataclass(frozen=True)
class Losses:
    """Of one minibatch, before the update, as 0-d tensors.

    surrogate : cross-entropy of the surrogate classes, in nats. error : fraction taken for another class.
    """

    surrogate: Tensor
    error: Tensor


class ExemplarTraining:
    """The network, its optimiser and its surrogate classes, and the minibatch it has come to.

    recipe : the settings. images : uint8 (n, height, width, 3), without labels.
    `initial` is what the JSON of the recipe's initial weights says, None without such.
    Raises `InputError` when no seeds can be drawn from the images, and for initial weights of another network.
    """

    networks: ClassVar[tuple[str, ...]] = ("network",)
    averages: ClassVar[dict[str, nn.Module]] = {}

    def __init__(self, recipe: ExemplarRecipe, images: NDArray[np.uint8], device: torch.device | str = "cpu") -> None:
        self.recipe, self.device = recipe, torch.device(device)
        check_precision(recipe.precision, self.device)
        self.steps_done = 0
        contexts, _ = draw_seeds(images, recipe.seeds, recipe.image_size, stream(recipe.seed, _SEEDS))
        ranges = replace(RANGES, power=(1 / recipe.colour_power, recipe.colour_power))
        fixed = stream(recipe.seed, _FIXED)
        self.surrogate = SurrogateData(contexts.to(self.device), ranges, recipe.samples_per_seed, fixed)
        network = ExemplarNetwork(recipe.network, recipe.seeds, stream(recipe.seed, _WEIGHTS))
        self.initial: dict[str, Any] | None = None
        if recipe.initial_weights is not None:
            trained, self.initial = load_exemplar_weights(recipe.initial_weights, recipe.network)
            network.load_state_dict(trained.state_dict(), strict=False)  # all but the softmax and its classes
        else:
            pixels = self.surrogate.draw(_SCALE_SAMPLES, stream(recipe.seed, _SCALE))[0].transpose(0, 1).flatten(1)
            network.mean.copy_(pixels.mean(1))
            network.scale.copy_(1.0 / pixels.std(1).clamp_min(1e-3))
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network_optimiser = self._optimiser()

    def _optimiser(self) -> torch.optim.Optimizer:
        recipe, parameters = self.recipe, self.network.parameters()
        if recipe.optimiser == "adam":
            betas = (recipe.momentum, 0.999)
            return torch.optim.Adam(
                parameters, recipe.learning_rate, betas=betas, weight_decay=recipe.weight_decay, fused=True
            )
        return torch.optim.SGD(
            parameters, recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay, fused=True
        )

    @property
    def samples_seen(self) -> int:
        """Transformed patches in the minibatches done so far."""
        return self.steps_done * self.recipe.batch_size

    def step(self) -> Losses:
        """Do the next minibatch."""
        recipe, step = self.recipe, self.steps_done
        if recipe.cluster_after is not None and step == -(-recipe.cluster_after // recipe.batch_size):
            self._cluster()
        kept = None
        if recipe.cluster_after is not None:
            kept = torch.nonzero(self.network.class_of_seed.cpu() != NOT_DRAWN).squeeze(1)
        patches, seeds = self.surrogate.draw(recipe.batch_size, stream(recipe.seed, _SAMPLES, step), kept)
        classes = self.network.class_of_seed[seeds]
        with self._reduced_precision():
            pixels = self.network.normalise(patches).contiguous(memory_format=torch.channels_last)
            logits = self.network(pixels, recipe.dropout, stream(recipe.seed, _DROPOUT, step)).float()
        loss = functional.cross_entropy(logits, classes)
        for group in self.network_optimiser.param_groups:
            group["lr"] = recipe.rate(step)
        self.network_optimiser.zero_grad()
        torch.autograd.backward(loss)
        self.network_optimiser.step()
        self.steps_done += 1
        error = (logits.detach().argmax(1) != classes).float().mean()
        return Losses(loss.detach(), error)

    def _reduced_precision(self) -> contextlib.AbstractContextManager[Any]:
        if self.recipe.precision == "bf16":
            return torch.autocast(self.device.type, torch.bfloat16)
        return contextlib.nullcontext()

    @torch.no_grad()
    def _cluster(self) -> None:
        """Merge the surrogate classes of seeds whose last features are alike."""
        contexts, features = self.surrogate.contexts, []
        for start in range(0, len(contexts), _CLUSTER_BATCH):
            block = contexts[start : start + _CLUSTER_BATCH]
            patches = transform(block, identity_parameters(len(block)).to(self.device), self.surrogate.colours)
            with self._reduced_precision():
                features.append(self.network.maps(self.network.normalise(patches))[-1].float().flatten(1).cpu())
        classes = cluster(torch.cat(features), self.recipe.cluster_distance, self.recipe.cluster_dropped)
        self.network.class_of_seed.copy_(classes)


class ExemplarRun(TrainingRun[ExemplarTraining]):
    """A training run that writes into a folder of its own, see `TrainingRun`."""

    def __init__(
        self,
        recipe: ExemplarRecipe,
        images: NDArray[np.uint8],
        out: Path,
        data: dict[str, Any],
        device: torch.device | str = "cpu",
        resume: bool = True,
    ) -> None:
        self.recipe = recipe
        super().__init__(recipe, FREE_SETTINGS, out, data, lambda: ExemplarTraining(recipe, images, device), resume)

    def _save_weights(self, stem: Path) -> Path:
        training = self.training
        classes = training.network.class_of_seed
        about = {
            "recipe": self.recipe.model_dump(),
            "data": self.data,
            "samples_seen": training.samples_seen,
            "batches": training.steps_done,
            "hours": round(self.seconds / 3600, 3),
            "surrogate_classes": len(classes[classes != NOT_DRAWN].unique()),
            "device": str(training.device),
        }
        if training.initial is not None:
            about["initial"] = training.initial
        return save_exemplar_weights(stem, training.network, about)
