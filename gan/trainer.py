"""The training run: steps, and meanwhile progress, logs, samples and checkpoints."""

from __future__ import annotations

import contextlib
import copy
import math
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import filelock
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from data.errors import InputError
from data.files import atomic_path
from gan.adversarial import AdversarialTraining, Losses
from gan.checkpoint import save_weights
from gan.command import Advance, Interrupted, progress
from gan.recipe import Recipe, refuse_changes
from gan.samples import sample_grid
from gan.spec import NetworkSpec
from gan.statistics import reestimate_batch_statistics
from gan.training_state import is_finite, read_state, restore_state, save_state

STATISTICS_IMAGES = 12_800  # first of the training images, on which saved weights' batch statistics are estimated


class TrainingDiverged(InputError):
    """A loss or a parameter is no longer a finite number."""


def check_images(images: NDArray[np.uint8], spec: NetworkSpec, batch_size: int) -> None:
    """Raise `InputError` unless there is at least a minibatch of images of the network's size and channels."""
    count, height, width, channels = images.shape
    network, size = f"the network '{spec.name}'", spec.image_size
    if channels != spec.channels:
        raise InputError(f"the images have {channels} channel(s), {network} takes {spec.channels}; convert them to RGB")
    if (height, width) != (size, size):
        raise InputError(
            f"the images are {height}x{width} pixels, {network} takes {size}x{size}; "
            "resize them (a folder's: 'resize: true' in the recipe) or choose another network"
        )
    if count < batch_size:
        raise InputError(
            f"there are {count} images, fewer than one minibatch of {batch_size}; add images or lower 'batch_size'"
        )


class Run:
    """A training run that writes into a folder of its own.

    recipe, images : see `Recipe` and `AdversarialTraining`.
    out : the folder; holds checkpoint.safetensors, samples/, snapshots/, logs for TensorBoard, and in the end
        weights.safetensors and weights.json.
    data : digest and description of the images, recorded with all weights.
    resume : go on from the folder's checkpoint if there is one.
    Raises `InputError` when images do not fit the network, or the folder's run had other settings or images.
    """

    def __init__(
        self,
        recipe: Recipe,
        images: NDArray[np.uint8],
        out: Path,
        data: dict[str, Any],
        device: torch.device | str = "cpu",
        resume: bool = True,
    ) -> None:
        check_images(images, recipe.spec, recipe.batch_size)
        self.recipe, self.images, self.out, self.data = recipe, images, out, data
        self.notes: list[str] = []
        self._state_path = out / "checkpoint.safetensors"
        state = read_state(self._state_path) if resume and self._state_path.exists() else None
        if state is not None:
            refuse_changes(recipe, state[0]["recipe"], out)
            if state[0]["data"]["digest"] != data["digest"]:
                raise InputError(f"{out} was begun on other images; give the same ones, another folder, or --no-resume")
        self.training = AdversarialTraining(recipe, images, device)
        if state is not None:
            restore_state(self._state_path, self.training, *state)
            if state[0]["threads"] != torch.get_num_threads() and self.training.device.type == "cpu":
                self.notes.append(
                    f"the run was begun with {state[0]['threads']} threads, not {torch.get_num_threads()}: "
                    "the result may differ in the last bits"
                )
        self._saved_steps, self._saved_time = self.training.steps_done, time.monotonic()
        self._losses: dict[str, list[torch.Tensor]] = {}
        self._logged = (self.training.steps_done, time.monotonic())

    def finish(self) -> Path:
        """Train to the end; return the path of the final weights.

        Raises `Interrupted` after a SIGINT or SIGTERM, with the run saved, and `TrainingDiverged` at a loss that is
        not finite, with the last good checkpoint kept.
        """
        training, recipe = self.training, self.recipe
        with self._alone(), _stop_signals() as stopped, self._writer() as writer:
            if training.steps_done == 0:  # begun anew: a kill before the first save must not bring the former run back
                self._state_path.unlink(missing_ok=True)
            done = training.images_seen
            with progress(recipe.steps * recipe.batch_size, f"training {recipe.network}", done) as advance:
                while training.steps_done < recipe.steps:
                    self._one_step(writer, advance)
                    if stopped:
                        self._save()
                        raise Interrupted(
                            f"interrupted after batch {training.steps_done:,} of {recipe.steps:,}; "
                            f"run the same command again to resume from {self.out}"
                        )
            self._save()
            return self._save_weights(self.out / "weights")

    def _one_step(self, writer: SummaryWriter, advance: Advance) -> None:
        training, recipe = self.training, self.recipe
        losses = training.step()
        self._record(losses)
        note = self._log(writer) if training.steps_done % recipe.log_every == 0 else ""
        if recipe.sample_every is not None and training.steps_done % recipe.sample_every == 0:
            self._sample()
        if self._is_due():
            writer.flush()
            self._save()
        if recipe.snapshot_every is not None:
            seen = training.images_seen
            if seen // recipe.snapshot_every > (seen - recipe.batch_size) // recipe.snapshot_every:
                self._save_weights(self.out / "snapshots" / f"weights-{seen:010d}")
        advance(recipe.batch_size, note)

    def _record(self, losses: Losses) -> None:
        for name, loss in vars(losses).items():
            if loss is not None:
                self._losses.setdefault(name, []).append(loss)
                if loss.device.type == "cpu":  # elsewhere a look at each one would hold the device up
                    self._check(name, loss.item())

    def _check(self, name: str, loss: float) -> None:
        if not math.isfinite(loss):
            kept = (
                f"the checkpoint of batch {self._saved_steps:,} is kept" if self._saved_steps else "none is saved yet"
            )
            raise TrainingDiverged(
                f"training stopped at batch {self.training.steps_done:,}: the loss '{name}' is {loss}; {kept}; "
                "lower the learning rate, or give precision fp32, and begin anew in another folder"
            )

    def _log(self, writer: SummaryWriter) -> str:
        """Write the means since the last time to TensorBoard; return them as a note."""
        step, now = self.training.steps_done, time.monotonic()
        means = {name: torch.stack(values).float().mean().item() for name, values in self._losses.items()}
        self._losses = {}
        for name, mean in means.items():
            self._check(name, mean)
            writer.add_scalar(f"loss/{name}", mean, step)
        steps, seconds = step - self._logged[0], now - self._logged[1]
        rate = steps * self.recipe.batch_size / max(seconds, 1e-9)
        writer.add_scalar("images_per_second", rate, step)
        self._logged = (step, now)
        shown = ", ".join(f"{name} {mean:.3f}" for name, mean in means.items())
        return f"losses: {shown}, {rate:,.0f} images/s"

    def _sample(self) -> None:
        grid = sample_grid(self.training.generator, self.training.sample_latent())
        with atomic_path(self.out / "samples" / f"{self.training.steps_done:08d}.png") as temporary:
            grid.save(temporary, format="PNG")

    def _is_due(self) -> bool:
        steps = self.training.steps_done - self._saved_steps
        every, seconds = self.recipe.checkpoint_every, self.recipe.checkpoint_seconds
        if every is not None and steps >= every:
            return True
        return seconds is not None and time.monotonic() - self._saved_time >= seconds

    def _save(self) -> None:
        if not is_finite(self.training):
            self._check("parameters", math.nan)
        save_state(self._state_path, self.training, self.data)
        self._saved_steps, self._saved_time = self.training.steps_done, time.monotonic()

    def _save_weights(self, stem: Path) -> Path:
        training = self.training
        discriminator = copy.deepcopy(training.discriminator)
        precision = torch.bfloat16 if self.recipe.precision == "bf16" else torch.float32
        reestimate_batch_statistics(discriminator, self.images[:STATISTICS_IMAGES], dtype=precision)
        about = {
            "recipe": self.recipe.model_dump(),
            "data": self.data,
            "images_seen": training.images_seen,
            "batches": training.steps_done,
            "batch_statistics": f"of the first {min(len(self.images), STATISTICS_IMAGES):,} training images",
            "device": str(training.device),
        }
        return save_weights(stem, discriminator, training.generator, about)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes out of the folder, and clear away what a killed one left half-written."""
        lock = filelock.FileLock(self.out / ".lock")
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise InputError(f"another process trains in {self.out}; wait for it or choose another folder") from None
        except OSError as error:
            raise InputError(f"cannot write {self.out}: {error.strerror}; choose another folder") from error
        try:
            for folder in (self.out, self.out / "samples", self.out / "snapshots"):
                for file in folder.glob(".*.tmp"):
                    file.unlink(missing_ok=True)
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def _writer(self) -> Iterator[SummaryWriter]:
        # What a killed run logged after its last checkpoint is logged again, and hidden by purge_step.
        with SummaryWriter(str(self.out / "logs"), purge_step=self.training.steps_done + 1) as writer:
            yield writer


@contextlib.contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """A list that is no longer empty once SIGINT or SIGTERM has come; a second one acts as it usually does."""
    received: list[int] = []
    before: dict[int, Any] = {}

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        signal.signal(number, before[number])

    try:
        for number in map(int, (signal.SIGINT, signal.SIGTERM)):
            before[number] = signal.signal(number, note)
    except ValueError:  # not the main thread, which alone receives signals
        pass
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
