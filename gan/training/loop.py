"""A training run of whatever kind: steps, and meanwhile progress, logs and checkpoints, resumed to the bit."""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Generic, Protocol, TypeVar

import filelock
import torch
from torch import distributed

from dcgan_features.data.utils.cli import Advance, Interrupted, progress
from dcgan_features.data.utils.distributed import ProcessLost, is_first, losing
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import writing
from dcgan_features.data.utils.gpu import failure
from dcgan_features.data.utils.locks import locked
from dcgan_features.gan.training.checkpoint import Training, is_finite, read_state, restore_state, save_state
from dcgan_features.gan.training.logs import Log
from dcgan_features.gan.training.recipe import refuse_changes


class TrainingDiverged(InputError):
    """A loss or a parameter is no longer a finite number; `reason` says which."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class RunSettings(Protocol):
    """What of a recipe a run needs to know."""

    batch_size: int
    checkpoint_seconds: float | None
    checkpoint_every: int | None
    log_every: int

    @property
    def network(self) -> str:
        """What is trained, for the display."""

    @property
    def steps(self) -> int:
        """Minibatches in all."""

    def model_dump(self) -> dict[str, Any]:
        """All settings, JSON-ready."""


AnyTraining = TypeVar("AnyTraining", bound=Training)


class TrainingRun(Generic[AnyTraining]):
    """A training run that writes into a folder of its own.

    recipe : the settings; `free` are those that may change when the run is resumed.
    out : the folder; holds checkpoint.safetensors, logs for TensorBoard, and in the end weights.safetensors and
        weights.json.
    data : digest and description of the images, recorded with all weights.
    begin : makes the training, at its beginning.
    resume : go on from the folder's checkpoint if there is one.
    processes : how many of torch.distributed's default group make this run together; the first of them writes.
    Raises `InputError` when the folder's run had other settings or images.
    """

    folders: tuple[str, ...] = ()  # below `out`, in which a killed run may have left half-written files

    def __init__(
        self,
        recipe: Any,
        free: frozenset[str],
        out: Path,
        data: dict[str, Any],
        begin: Callable[[], AnyTraining],
        resume: bool = True,
        processes: int = 1,
    ) -> None:
        self.processes = processes
        self._writes = processes == 1 or is_first()
        self.settings: RunSettings = recipe
        self.out, self.data = out, data
        self.notes: list[str] = []
        self._state_path = out / "checkpoint.safetensors"
        state = read_state(self._state_path) if resume and self._state_path.exists() else None
        if state is not None:
            refuse_changes(recipe, state[0]["recipe"], out, self._free(state[0], free))
            if state[0]["data"]["digest"] != data["digest"]:
                raise InputError(f"{out} was begun on other images; give the same ones, another folder, or --no-resume")
            if state[0]["data"].get("start") != data.get("start"):
                raise InputError(
                    f"{out} was begun with other weights; give the same 'start_from', another folder, or --no-resume"
                )
        self.training = begin()
        self._resumed = None if state is None else state[0]  # what the checkpoint said
        if state is not None:
            restore_state(self._state_path, self.training, *state)
            if state[0]["threads"] != torch.get_num_threads() and self.training.device.type == "cpu":
                self.notes.append(
                    f"the run was begun with {state[0]['threads']} threads, not {torch.get_num_threads()}: "
                    "the result may differ in the last bits"
                )
            before = state[0].get("processes", 1)
            if before != processes:
                self.notes.append(
                    f"the run was begun by {before} processes, not {processes}: the result may differ in the last bits"
                )
        self._begun = time.monotonic() - (state[0].get("seconds", 0.0) if state is not None else 0.0)
        self._saved_steps, self._saved_time = self.training.steps_done, time.monotonic()
        self._losses: dict[str, list[torch.Tensor]] = {}
        self._logged = (self.training.steps_done, time.monotonic())

    def _free(self, about: dict[str, Any], free: frozenset[str]) -> frozenset[str]:
        """The settings that may change at the point to which the run has come; `about` is what its checkpoint says."""
        return free

    @property
    def seconds(self) -> float:
        """How long the training has taken, earlier parts up to their last checkpoint included."""
        return time.monotonic() - self._begun

    def finish(self) -> Path:
        """Train to the end; return the path of the final weights.

        Raises `Interrupted` after a SIGINT or SIGTERM, with the run saved, and `TrainingDiverged` at a loss that is
        not finite, with the last good checkpoint kept. `InputError` when the GPU fails or its memory does not suffice
        and, of several processes, when another one is gone.
        """
        try:
            if self.processes > 1:
                self._meet()
            path = self._finish() if self._writes else self._assist()
            if self.processes > 1:
                self._meet()  # nobody goes on to use the weights before they are written
            return path
        except ProcessLost as error:
            raise InputError(f"{self._stopped(str(error))}, with any number of processes") from error
        except RuntimeError as error:
            said = failure(error)
            if said is None:
                raise
            raise InputError(self._stopped(said)) from error

    def _stopped(self, why: str) -> str:
        return (
            f"training stopped after batch {self.training.steps_done:,} of {self.settings.steps:,}: {why}; run the "
            f"same command again to resume from the last checkpoint in {self.out}"
        )

    def _meet(self) -> None:
        """Wait for the other processes; `InputError` unless all have come to the same point of the same run."""
        points: list[Any] = [None] * self.processes
        with losing():
            distributed.all_gather_object(points, (self.training.steps_done, self.settings.model_dump(), self.data))
        if any(point != points[0] for point in points):
            steps = ", ".join(str(point[0]) for point in points)
            raise InputError(
                f"the processes are at batches {steps}, or differ in settings or images; give all of them the same, "
                f"and as {self.out} one folder that all of them see"
            )

    def _assist(self) -> Path:
        """Do this process's part of each minibatch. The first process decides when to stop, and saves."""
        with _stop_signals() as stopped:
            try:
                while self.training.steps_done < self.settings.steps:
                    self.training.step()
            except ProcessLost:
                if stopped:
                    raise Interrupted(f"interrupted; run the same command again to resume from {self.out}") from None
                raise
        return self.out / "weights.safetensors"

    def _finish(self) -> Path:
        training, recipe = self.training, self.settings
        with self._alone(), _stop_signals() as stopped, contextlib.closing(self._begin_log()) as log:
            if training.steps_done == 0:  # begun anew: a kill before the first save must not bring the former run back
                self._state_path.unlink(missing_ok=True)
            done = training.steps_done * recipe.batch_size
            with progress(recipe.steps * recipe.batch_size, f"training {recipe.network}", done) as advance:
                if training.steps_done == 0:
                    self._take_readings(log)
                while training.steps_done < recipe.steps:
                    self._one_step(log, advance)
                    if stopped:
                        self._save()
                        raise Interrupted(
                            f"interrupted after batch {training.steps_done:,} of {recipe.steps:,}; "
                            f"run the same command again to resume from {self.out}"
                        )
            self._save()
            return self._save_weights(self.out / "weights")

    def _one_step(self, log: Log, advance: Advance) -> None:
        before = self.training.steps_done
        losses = self.training.step()
        self._record(losses)
        note = self._log(log) if self.training.steps_done % self.settings.log_every == 0 else ""
        self._after_step()
        self._take_readings(log)
        if self._is_due():
            log.flush()
            self._save()
        advance((self.training.steps_done - before) * self.settings.batch_size, note)  # less where it went back

    def _after_step(self) -> None:
        """What else a kind of run does now and then."""

    def _take_readings(self, log: Log) -> None:
        """Look after the training's health, where a kind of run does; before the first minibatch too."""

    def _watch_state(self) -> dict[str, Any] | None:
        """What the run's watch has seen, to be saved with the position."""
        return None

    def _save_weights(self, stem: Path) -> Path:
        """Write the weights as they are; return the path of the safetensors file."""
        raise NotImplementedError

    def _record(self, losses: object) -> None:
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
                "lower the learning rate, or give precision fp32, and begin anew in another folder",
                f"the loss '{name}' is {loss}",
            )

    def _log(self, log: Log) -> str:
        """Write the means since the last time to TensorBoard; return them as a note."""
        step, now = self.training.steps_done, time.monotonic()
        means = {name: torch.stack(values).float().mean().item() for name, values in self._losses.items()}
        self._losses = {}
        for name, mean in means.items():
            self._check(name, mean)
            log.add(f"loss/{name}", mean, step)
        steps, seconds = step - self._logged[0], now - self._logged[1]
        rate = steps * self.settings.batch_size / max(seconds, 1e-9)
        log.add("images_per_second", rate, step)
        self._logged = (step, now)
        shown = ", ".join(f"{name} {mean:.3f}" for name, mean in means.items())
        return f"losses: {shown}, {rate:,.0f} images/s"

    def _is_due(self) -> bool:
        steps = self.training.steps_done - self._saved_steps
        every, seconds = self.settings.checkpoint_every, self.settings.checkpoint_seconds
        if every is not None and steps >= every:
            return True
        return seconds is not None and time.monotonic() - self._saved_time >= seconds

    def _save(self) -> None:
        if not is_finite(self.training):
            self._check("parameters", math.nan)
        save_state(self._state_path, self.training, self.data, self.seconds, self.processes, self._watch_state())
        self._saved_steps, self._saved_time = self.training.steps_done, time.monotonic()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes out of the folder, and clear away what a killed one left half-written."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(self.out / ".lock", timeout=0))
            except filelock.Timeout:
                raise InputError(
                    f"another process trains in {self.out}; wait for it or choose another folder"
                ) from None
            with writing(self.out):
                for folder in (self.out, *(self.out / name for name in self.folders)):
                    for file in folder.glob(".*.tmp"):
                        file.unlink(missing_ok=True)
            yield

    def _begin_log(self) -> Log:
        # What a killed run logged after its last checkpoint is logged again, and hidden.
        return Log(self.out / "logs", self.training.steps_done + 1)


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
