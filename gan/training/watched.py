"""A training run that watches itself: readings without labels, alarms, and the way back to a healthy state."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.utils.cli import Advance
from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.training.adversarial import AdversarialTraining
from dcgan_features.gan.training.checkpoint import read_state, restore_state, save_state
from dcgan_features.gan.training.logs import Log
from dcgan_features.gan.training.loop import TrainingDiverged, TrainingRun
from dcgan_features.gan.watching.watch import HEALTHY, Watch, WatchSettings
from dcgan_features.gan.watching.watcher import Watcher

MOST_ROLLBACKS = 6  # after which the learning rate is 1/64 of what it was


class TrainingAlarm(InputError):
    """A watched training was stopped, since a measure warns of its failure."""


class WatchedRun(TrainingRun[AdversarialTraining]):
    """What watching adds to a training run.

    Readings are taken before the first minibatch and then after every so many images, written to TensorBoard and to
    `watch.json` in the run's folder, and kept in its checkpoints, so that a run that is resumed has the same alarms. A
    rollback brings back networks, optimisers and readings of the last healthy reading, kept in `healthy.safetensors`;
    the minibatches from there on are the same ones, with half the learning rate.
    """

    watch: Watch | None = None
    _state_before: dict[str, Any] | None = None  # of a watch that is no longer wanted

    def _begin_watch(self, images: NDArray[np.uint8], settings: WatchSettings | None) -> None:
        """Begin to watch, or go on with it, once the training is where it was."""
        training = self.training
        before = None if self._resumed is None else self._resumed.get("watch")
        if before is not None:
            self._set_rate(len(before["rollbacks"]))
        if settings is None or not self._writes:
            self._state_before = before
            return
        recipe = training.recipe
        bf16 = recipe.precision == "bf16"
        watcher = Watcher(images, recipe.spec, recipe.seed, training.device, bf16)
        self.watch = Watch(watcher, settings, untrained=self.data.get("start") is None)
        if before is not None:
            self.watch.restore(before)

    def _set_rate(self, rollbacks: int) -> float:
        rate = self.training.recipe.learning_rate * 0.5**rollbacks
        self.training.set_rate(rate)
        return rate

    def _watch_state(self) -> dict[str, Any] | None:
        return self._state_before if self.watch is None else self.watch.state(self.training)

    def _take_readings(self, log: Log) -> None:
        training, watch = self.training, self.watch
        first = training.steps_done == 0
        if watch is not None and (first or watch.is_due(training.images_seen, self.settings.batch_size)):
            self._look(watch, log)

    def _one_step(self, log: Log, advance: Advance) -> None:
        try:
            super()._one_step(log, advance)
        except TrainingDiverged as error:
            if self.watch is None or self.watch.settings.on_alarm != "rollback":
                raise
            before = self.training.steps_done - 1
            images = self.training.images_seen
            self._roll_back(self.watch, log, f"after {images:,} images {error.reason}")
            advance((self.training.steps_done - before) * self.settings.batch_size)

    def _look(self, watch: Watch, log: Log) -> None:
        training = self.training
        alarms = watch.look(training, training.images_seen)
        if watch.readings:
            for name, value in watch.readings[-1].values.items():
                log.add(f"watch/{name}", value, training.steps_done)
        if watch.settings.on_alarm == "rollback" and watch.is_healthy:
            state = watch.state(training)
            save_state(self.out / HEALTHY, training, self.data, self.seconds, self.processes, state)
        self._write_watch(watch)
        for alarm in alarms:
            watch.settings.say(f"alarm: {alarm.reason}")
        if alarms and watch.settings.on_alarm == "rollback":
            self._roll_back(watch, log, alarms[0].reason)
        elif alarms and watch.settings.on_alarm == "stop":
            self._save()
            raise TrainingAlarm(
                f"training stopped: {alarms[0].reason}; run the same command again to go on all the same, "
                "or begin anew with other settings"
            )

    def _write_watch(self, watch: Watch) -> None:
        watch.write(self.out, self.training, {"network": self.training.recipe.network, "training": self.seconds})

    def _roll_back(self, watch: Watch, log: Log, reason: str) -> None:
        """Go back to the last healthy reading, with half the learning rate, and save."""
        training, path = self.training, self.out / HEALTHY
        if len(watch.rollbacks) >= MOST_ROLLBACKS:
            raise TrainingAlarm(f"training stopped after {MOST_ROLLBACKS} rollbacks: {reason}; give other settings")
        if watch.healthy is None or not path.exists():
            raise TrainingAlarm(f"training stopped: {reason}, and there is no healthy state to go back to; give others")
        about, tensors = read_state(path)
        if about["steps_done"] * training.recipe.batch_size != watch.healthy or about.get("watch") is None:
            raise TrainingAlarm(f"training stopped: {reason}, and {path} is not the state to go back to; begin anew")
        images = training.images_seen
        for name in training.networks:
            getattr(training, name).zero_grad(set_to_none=True)
        restore_state(path, training, about, tensors)
        rate = self._set_rate(len(watch.rollbacks) + 1)
        training.forget_recorded()
        watch.roll_back(about["watch"], reason, images, rate)
        watch.settings.say(f"rollback: to {training.images_seen:,} images, learning rate {rate:.3g}")
        self._losses = {}
        self._logged = (training.steps_done, self._logged[1])
        log.rewind(training.steps_done + 1)
        self._save()
        self._write_watch(watch)
