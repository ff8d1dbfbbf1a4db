"""The training run of a DCGAN: what it does beyond any run is samples, snapshots and batch statistics."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path
from dcgan_features.gan.batch_norm import reestimate_batch_statistics, reestimate_generator_statistics
from dcgan_features.gan.networks import Discriminator, Generator
from dcgan_features.gan.samples import sample_grid
from dcgan_features.gan.spec import NetworkSpec
from dcgan_features.gan.training.adversarial import AdversarialTraining, Adversaries
from dcgan_features.gan.training.data_parallel import SharedBatch, WholeBatch
from dcgan_features.gan.training.loop import TrainingDiverged, TrainingRun
from dcgan_features.gan.training.recipe import FREE_SETTINGS, Recipe
from dcgan_features.gan.training.watched import WatchedRun
from dcgan_features.gan.watching.watch import WatchSettings, recorded
from dcgan_features.gan.weights_file import load_weights, save_weights

__all__ = ["Run", "TrainingDiverged", "check_images"]

AnyAdversaries = TypeVar("AnyAdversaries", bound=Adversaries[Any, Any])

STATISTICS_IMAGES = 12_800  # first of the training images, on which saved weights' batch statistics are estimated
STATISTICS_LATENT = 2_048  # z on which those of an averaged generator are, whose own no training has seen


def check_images(images: NDArray[np.uint8], spec: NetworkSpec, batch_size: int) -> None:
    """Raise `InputError` unless there is at least a minibatch of images of the network's size and channels."""
    count, height, width, channels = images.shape
    network, size = f"the network '{spec.name}'", spec.image_size
    if channels != spec.channels:
        raise InputError(f"the images have {channels} channel(s), {network} takes {spec.channels}; convert them to RGB")
    if (height, width) != (size, size):
        raise InputError(
            f"the images are {height}x{width} pixels, {network} takes {size}x{size}; "
            "give 'resize: true' in the recipe or choose another network"
        )
    if count < batch_size:
        raise InputError(
            f"there are {count} images, fewer than one minibatch of {batch_size}; add images or lower 'batch_size'"
        )


class ImageRun(TrainingRun[AnyAdversaries]):
    """A training run that draws samples and keeps snapshots as the recipe says; all else as in `TrainingRun`."""

    folders = ("samples", "snapshots")

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        data: dict[str, Any],
        begin: Callable[[], AnyAdversaries],
        resume: bool = True,
        processes: int = 1,
    ) -> None:
        self.recipe = recipe
        super().__init__(recipe, FREE_SETTINGS, out, data, begin, resume, processes)

    def _after_step(self) -> None:
        training, recipe = self.training, self.recipe
        last = training.steps_done == recipe.steps
        if recipe.sample_every is not None and (last or training.steps_done % recipe.sample_every == 0):
            with atomic_path(self.out / "samples" / f"{training.steps_done:08d}.png") as temporary:
                self._samples().save(temporary, format="PNG")
        if recipe.snapshot_every is not None:
            seen = training.images_seen
            if seen // recipe.snapshot_every > (seen - recipe.batch_size) // recipe.snapshot_every:
                self._save_weights(self.out / "snapshots" / f"weights-{seen:010d}")

    def _samples(self) -> Image.Image:
        """What the generator makes of the run's fixed z, as one picture."""
        raise NotImplementedError

    def _about(self) -> dict[str, Any]:
        """What is recorded with all weights."""
        training = self.training
        return {
            "recipe": self.recipe.model_dump(),
            "data": self.data,
            "images_seen": training.images_seen,
            "batches": training.steps_done,
            "device": str(training.device),
        }


class Run(WatchedRun, ImageRun[AdversarialTraining]):
    """A training run that writes into a folder of its own.

    recipe, images : see `Recipe` and `AdversarialTraining`.
    out : the folder; holds checkpoint.safetensors, samples/, snapshots/, logs for TensorBoard, and in the end
        weights.safetensors and weights.json.
    data : digest and description of the images, recorded with all weights.
    resume : go on from the folder's checkpoint if there is one.
    start_from : weights of both networks to begin with, see `TrainRecipe`; their digest is recorded with the images'.
    watch : how the training watches itself, see `gan.training.watched`; None: not at all. Which it is makes no
        difference to the weights, unless an alarm rolls the training back.
    together : every minibatch is shared by the processes of torch.distributed's default group, all of which make this
        run; the first one writes. Any number of processes may resume it.
    Raises `InputError` when images or first weights do not fit the network, or the folder's run had other settings,
    images or first weights.
    """

    def __init__(
        self,
        recipe: Recipe,
        images: NDArray[np.uint8],
        out: Path,
        data: dict[str, Any],
        device: torch.device | str = "cpu",
        resume: bool = True,
        together: bool = False,
        start_from: Path | None = None,
        watch: WatchSettings | None = None,
    ) -> None:
        check_images(images, recipe.spec, recipe.batch_size)
        self.images = images
        share = SharedBatch() if together else WholeBatch()
        if recipe.batch_size < share.count:
            raise InputError(f"{share.count} processes cannot share minibatches of {recipe.batch_size}; start fewer")

        start = None
        if start_from is not None:
            start, data = _read_start(start_from, recipe, data)
        if watch is not None and watch.on_alarm == "rollback" and share.count > 1:
            raise InputError(f"an alarm rolls back one process, not {share.count}; start one, or give --on-alarm stop")

        def begin() -> AdversarialTraining:
            return AdversarialTraining(recipe, images, device, share, start=start)

        super().__init__(recipe, out, data, begin, resume, share.count)
        self._begin_watch(images, watch)

    def _samples(self) -> Image.Image:
        return sample_grid(self.training.final_generator, self.training.sample_latent())

    def _save_weights(self, stem: Path) -> Path:
        training = self.training
        generator, discriminator = training.final_generator, training.final_discriminator
        if self.recipe.averaging:
            generator = copy.deepcopy(generator)
            reestimate_generator_statistics(generator, training.statistics_latent(STATISTICS_LATENT))
        precision = torch.bfloat16 if self.recipe.precision == "bf16" else torch.float32
        reestimate_batch_statistics(discriminator, self.images[:STATISTICS_IMAGES], dtype=precision)
        statistics = f"of the first {min(len(self.images), STATISTICS_IMAGES):,} training images"
        about = {**self._about(), "batch_statistics": statistics, **recorded(self._watch_state())}
        return save_weights(stem, discriminator, generator, about)


def _read_start(
    path: Path, recipe: Recipe, data: dict[str, Any]
) -> tuple[tuple[Generator, Discriminator], dict[str, Any]]:
    """The networks to begin with, and `data` with what they are."""
    loaded = load_weights(path, recipe.spec)
    if loaded.generator is None:
        raise InputError(f"{path} holds no generator; start from a snapshot or the weights of a training's own folder")
    about = {key: loaded.metadata.get(key) for key in ("sha256", "images_seen")}
    return (loaded.generator, loaded.discriminator), {**data, "start": about}
