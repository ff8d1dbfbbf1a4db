"""The training of frame prediction: one minibatch of clips after another, and the run in a folder of its own."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dcgan_features.data.utils.drawing import as_picture
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path
from dcgan_features.data.utils.gpu import check_precision, float32_convolutions, send
from dcgan_features.data.utils.random_streams import ORDER, WEIGHTS, stream
from dcgan_features.data.video.clips import Clips, Frames
from dcgan_features.gan.batch_norm import reestimate_batch_statistics
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.training.loop import TrainingRun
from dcgan_features.gan.video.losses import gradient_difference_loss
from dcgan_features.gan.video.networks import (
    ClipGenerator,
    VideoSpec,
    clip_discriminator,
    stack_frames,
    stacked_pixels,
    unstack_frames,
)
from dcgan_features.gan.video.recipe import FREE_SETTINGS, VideoRecipe
from dcgan_features.gan.video.weights import save_video_weights

WINDOWS = 32  # purpose of the random numbers that choose windows
STATISTICS_CLIPS = 2_048  # on a window of each, the saved discriminator's batch statistics are estimated


@dataclass(frozen=True)
class PredictionLosses:
    """Means of one minibatch as 0-d tensors, before the update; None where not computed.

    l1, l2, gradients, adversarial : the generator's, without their factors. real, fake : the discriminator's.
    """

    l1: Tensor
    l2: Tensor
    gradients: Tensor | None = None
    adversarial: Tensor | None = None
    real: Tensor | None = None
    fake: Tensor | None = None


class FramePrediction:
    """A generator of frames, where the recipe says so its adversary, and the minibatch they have come to.

    On each minibatch the generator predicts once. The discriminator is updated first, on a window of each true clip and
    on the same window of given and predicted frames, normalised apart; then the generator, against it as it is now.

    clips : of the network's length, size and channels, at least a minibatch.
    """

    averages: Mapping[str, nn.Module] = {}

    def __init__(self, recipe: VideoRecipe, clips: Clips, device: torch.device | str = "cpu") -> None:
        self.recipe, self.clips, self.device = recipe, clips, torch.device(device)
        check_precision(recipe.precision, self.device)
        self.steps_done = 0
        weights = stream(recipe.seed, WEIGHTS)
        self.networks: tuple[str, ...] = ("generator",)
        self.generator = ClipGenerator(recipe.spec, weights)
        self._place(self.generator)
        self.generator_optimiser = self._optimiser(self.generator, recipe.learning_rate)
        if recipe.adversarial:
            self.networks += ("discriminator",)
            self.discriminator = clip_discriminator(recipe.spec, weights)
            self._place(self.discriminator)
            for layer in self.discriminator.modules():  # meaningless while two kinds of clips alternate
                if isinstance(layer, nn.BatchNorm2d):
                    layer.track_running_stats = False
            self.discriminator_optimiser = self._optimiser(self.discriminator, recipe.discriminator_rate)
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def _place(self, network: nn.Module) -> None:
        network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        network.train()

    def _optimiser(self, network: nn.Module, rate: float) -> torch.optim.Adam:
        betas = (self.recipe.beta1, self.recipe.beta2)
        return torch.optim.Adam(network.parameters(), lr=rate, betas=betas, fused=True)

    @property
    def clips_seen(self) -> int:
        """Clips in the minibatches done so far."""
        return self.steps_done * self.recipe.batch_size

    def indices(self, step: int) -> NDArray[np.int64]:
        """Which clips minibatch number `step` has, from 0: each pass over the clips has a random order of its own."""
        size = self.recipe.batch_size
        epoch, index = divmod(step, len(self.clips) // size)
        if epoch != self._epoch:
            order = torch.randperm(len(self.clips), generator=stream(self.recipe.seed, ORDER, epoch))
            self._epoch, self._order = epoch, order.numpy()
        return self._order[index * size : (index + 1) * size]

    def step(self) -> PredictionLosses:
        """Do the next minibatch; its losses are those before the update."""
        recipe, spec = self.recipe, self.recipe.spec
        fall = 0.5 * (1 + math.cos(math.pi * self.steps_done / recipe.steps))
        self.generator_optimiser.param_groups[0]["lr"] = recipe.learning_rate * fall
        pixels = torch.from_numpy(self.clips.take(self.indices(self.steps_done)))
        clips = stack_frames(send(pixels, self.device))
        given = spec.given * spec.channels
        with float32_convolutions(self.device, search=True):
            with self._reduced_precision():
                predicted = self.generator(clips[:, :given].contiguous(memory_format=torch.channels_last))
            losses = self._update(clips, clips[:, given:], predicted.float(), fall)
        self.steps_done += 1
        return losses

    def _update(self, clips: Tensor, truth: Tensor, predicted: Tensor, fall: float) -> PredictionLosses:
        recipe = self.recipe
        difference = predicted - truth
        found = {"l1": difference.abs().mean(), "l2": difference.square().mean()}
        total = recipe.l1 * found["l1"] + recipe.l2 * found["l2"]
        if recipe.gradient_difference:
            found["gradients"] = gradient_difference_loss(predicted, truth)
            total = total + recipe.gradient_difference * found["gradients"]
        if recipe.adversarial:
            given = recipe.spec.given * recipe.spec.channels
            starts = self._starts()
            real = self._windows(clips, starts)
            fake = self._windows(torch.cat([clips[:, :given], predicted.clamp(-1, 1)], 1), starts)
            self.discriminator_optimiser.param_groups[0]["lr"] = recipe.discriminator_rate * fall
            found |= self._update_discriminator(real, fake.detach())
            self.discriminator.requires_grad_(False)
            with self._reduced_precision():
                logits = self.discriminator(fake)
            self.discriminator.requires_grad_(True)
            found["adversarial"] = functional.softplus(-logits.float()).mean()
            total = total + recipe.adversarial * found["adversarial"]
        self.generator_optimiser.zero_grad()
        torch.autograd.backward(total)
        self.generator_optimiser.step()
        return PredictionLosses(**{name: loss.detach() for name, loss in found.items()})

    def _update_discriminator(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        with self._reduced_precision():
            on_real, on_fake = self.discriminator(real), self.discriminator(fake)
        losses = {
            "real": functional.softplus(-on_real.float()).mean(),
            "fake": functional.softplus(on_fake.float()).mean(),
        }
        self.discriminator_optimiser.zero_grad()
        torch.autograd.backward(losses["real"] + losses["fake"])
        self.discriminator_optimiser.step()
        return losses

    def _reduced_precision(self) -> contextlib.AbstractContextManager[Any]:
        if self.recipe.precision == "bf16":
            return torch.autocast(self.device.type, torch.bfloat16)
        return contextlib.nullcontext()

    def _starts(self) -> Tensor:
        """The first frame of the window of each clip of this minibatch: its last frame is a predicted one."""
        spec = self.recipe.spec
        first, last = max(spec.given - spec.window + 1, 0), spec.length - spec.window
        source = stream(self.recipe.seed, WINDOWS, self.steps_done)
        return torch.randint(first, last + 1, (self.recipe.batch_size,), generator=source)

    def _windows(self, stacked: Tensor, starts: Tensor) -> Tensor:
        """The window of each clip (n, length x channels, size, size) that begins at `starts` (n,), stacked."""
        channels, window = self.recipe.spec.channels, self.recipe.spec.window
        rows = torch.arange(len(stacked), device=self.device)[:, None]
        columns = starts[:, None] * channels + torch.arange(window * channels)
        return stacked[rows, columns.to(self.device)].contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def predict(generator: ClipGenerator, given: Frames, batch_size: int = 32) -> Frames:
    """The frames that follow: uint8 (n, predicted, size, size, channels), by running averages of the training.

    given : uint8 (n, given, size, size, channels). Raises ValueError for other frames.
    """
    spec = generator.spec
    if given.dtype != np.uint8 or given.shape[1:] != (spec.given, spec.size, spec.size, spec.channels):
        raise ValueError(f"the network {spec.name} takes {spec.given} frames of {spec.size} pixels, not {given.shape}")
    device, training = next(generator.parameters()).device, generator.training
    generator.eval()
    made = []
    with float32_convolutions(device):
        for start in range(0, len(given), batch_size):
            frames = stack_frames(send(torch.from_numpy(given[start : start + batch_size]), device))
            made.append(unstack_frames(generator(frames), spec.channels).cpu())
    generator.train(training)
    return torch.cat(made).numpy()


def check_clips(clips: Clips, spec: VideoSpec, batch_size: int) -> None:
    """Raise `InputError` unless there is at least a minibatch of clips of the network's length, size and channels."""
    wanted = (spec.length, spec.size, spec.size, spec.channels)
    if clips.shape != wanted:
        raise InputError(
            f"the clips are of {clips.shape} (frames, height, width, channels), the network '{spec.name}' takes "
            f"{wanted}; choose another network or other clips"
        )
    if len(clips) < batch_size:
        raise InputError(
            f"there are {len(clips)} clips, fewer than one minibatch of {batch_size}; add clips or lower 'batch_size'"
        )


class PredictionRun(TrainingRun[FramePrediction]):
    """A training run of frame prediction; the folder in the end holds weights.safetensors and weights.json.

    recipe, clips : see `VideoRecipe` and `FramePrediction`. out, device, resume : as in `gan.training.dcgan.Run`.
    Raises `InputError` when the clips do not fit the network, or the folder's run had other settings or clips.
    """

    folders = ("samples",)

    def __init__(
        self, recipe: VideoRecipe, clips: Clips, out: Path, device: torch.device | str = "cpu", resume: bool = True
    ) -> None:
        check_clips(clips, recipe.spec, recipe.batch_size)
        self.recipe = recipe
        data = {"description": clips.description, "digest": clips.digest, "images": len(clips)}

        def begin() -> FramePrediction:
            return FramePrediction(recipe, clips, device)

        super().__init__(recipe, FREE_SETTINGS, out, data, begin, resume)

    def _after_step(self) -> None:
        training, every = self.training, self.recipe.sample_every
        if every is not None and (training.steps_done == self.recipe.steps or training.steps_done % every == 0):
            clips = training.clips.take(np.arange(min(self.recipe.sample_count, len(training.clips))))
            given = self.recipe.spec.given
            predicted = predict(training.generator, clips[:, :given])
            with atomic_path(self.out / "samples" / f"{training.steps_done:08d}.png") as temporary:
                as_picture(_rows(clips, predicted)).save(temporary, format="PNG")

    def _save_weights(self, stem: Path) -> Path:
        training, recipe = self.training, self.recipe
        parts: dict[str, nn.Module] = {"generator": training.generator}
        if recipe.adversarial:
            discriminator = clip_discriminator(recipe.spec)
            discriminator.load_state_dict(training.discriminator.state_dict())
            parts["discriminator"] = reestimate(discriminator, training.clips, recipe.spec)
        about = {
            "recipe": recipe.model_dump(),
            "data": self.data,
            "images_seen": training.clips_seen,
            "batches": training.steps_done,
            "device": str(training.device),
        }
        return save_video_weights(stem, recipe.spec, parts, about)


def reestimate(discriminator: Discriminator, clips: Clips, spec: VideoSpec) -> Discriminator:
    """The discriminator with the batch statistics of the last windows of the first clips, in evaluation mode."""
    chosen = np.arange(min(len(clips), STATISTICS_CLIPS))
    windows = [clips.take(part)[:, -spec.window :] for part in np.array_split(chosen, -(-len(chosen) // 256))]
    return reestimate_batch_statistics(discriminator, stacked_pixels(np.concatenate(windows)))


def _rows(clips: Frames, predicted: Frames) -> NDArray[np.uint8]:
    """One picture: of each clip a row as it is, and below it one with the last frames predicted."""
    given = clips.shape[1] - predicted.shape[1]
    both = np.stack([clips, np.concatenate([clips[:, :given], predicted], 1)], 1)
    count, two, frames, height, width, channels = both.shape
    return both.transpose(0, 1, 3, 2, 4, 5).reshape(count * two * height, frames * width, channels)
