"""A training's watch: when it looks, what it has seen, and what it does at an alarm."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

from pydantic import BaseModel, ConfigDict, Field

from dcgan_features.data.utils.errors import unknown_name
from dcgan_features.data.utils.formats import write_sealed
from dcgan_features.gan.watching.alarms import Alarm, Reading, is_healthy, new_alarms
from dcgan_features.gan.watching.watcher import Watched, Watcher, gradient_norms

OnAlarm = Literal["stop", "rollback", "go-on"]
EVERY = 12_800  # images between two readings, unless a recipe says otherwise
LOG, PICTURE, HEALTHY = "watch.json", "watch.png", "healthy.safetensors"


def _silent(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class WatchSettings:
    """How a run is watched.

    every : images between two readings. on_alarm : what an alarm does: "stop" the run, with a checkpoint; "rollback" to
        the last healthy reading, with half the learning rate; or "go-on".
    say : told of every alarm and rollback, as a line.
    """

    every: int = EVERY
    on_alarm: OnAlarm = "go-on"
    say: Callable[[str], None] = _silent


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Reading(_Strict):
    images: int
    values: dict[str, float]


class _Alarm(_Strict):
    key: str
    images: int
    reason: str


class _Rollback(_Strict):
    reason: str
    images: int
    back_to: int
    learning_rate: float
    discarded: list[_Reading] = []


class WatchState(_Strict):
    """What a watch has seen, as a checkpoint and the log beside the weights have it.

    readings : of the training as it is; those that a rollback undid are with it. alarms : of the same.
    healthy : images at the last reading at which all was well. gradients : norms of the last updates' gradients.
    seconds : that watching has taken.
    """

    readings: list[_Reading] = []
    alarms: list[_Alarm] = []
    rollbacks: list[_Rollback] = []
    healthy: int | None = None
    gradients: dict[str, float] = {}
    seconds: float = Field(default=0.0, ge=0)


def chosen_action(name: str) -> OnAlarm:
    """What an alarm is to do, as typed. Raises `InputError` for what is none of it."""
    for action in get_args(OnAlarm):
        if name == action:
            return cast(OnAlarm, action)
    raise unknown_name("action", name, get_args(OnAlarm), "--on-alarm")


@dataclass
class Watch:
    """The watch of one run.

    watcher : takes the measures. settings : when and what then. untrained : whether the run began with random weights.
    """

    watcher: Watcher
    settings: WatchSettings
    untrained: bool = True
    readings: list[Reading] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    rollbacks: list[dict[str, Any]] = field(default_factory=list)
    healthy: int | None = None
    gradients: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def is_due(self, images: int, batch_size: int) -> bool:
        """Whether a reading is to be taken after the minibatch that brought the run to so many images."""
        return images // self.settings.every > (images - batch_size) // self.settings.every

    def look(self, training: Watched, images: int) -> list[Alarm]:
        """Take a reading; return the alarms that are new with it."""
        begun = time.perf_counter()
        values = self.watcher.look(training, gradient_norms(training, self.gradients))
        if not values or not all(map(math.isfinite, values.values())):
            return []  # of which the training itself will say so
        self.readings.append(Reading(images, values))
        alarms = new_alarms(self.readings, [alarm.key for alarm in self.alarms], self.untrained)
        self.alarms += alarms
        if not self.alarms and is_healthy(self.readings, self.untrained):
            self.healthy = images
        self.seconds += time.perf_counter() - begun
        return alarms

    @property
    def is_healthy(self) -> bool:
        """Whether all was well at the last reading."""
        return bool(self.readings) and self.healthy == self.readings[-1].images

    def state(self, training: Watched) -> dict[str, Any]:
        """All that it has seen, JSON-ready; of `training` the gradients."""
        content = {
            "readings": [_plain(reading) for reading in self.readings],
            "alarms": [asdict(alarm) for alarm in self.alarms],
            "rollbacks": self.rollbacks,
            "healthy": self.healthy,
            "gradients": gradient_norms(training, self.gradients),
            "seconds": self.seconds,
        }
        return content

    def restore(self, content: Mapping[str, Any]) -> None:
        """Go on from what `state` returned. Raises pydantic's ValidationError for anything else."""
        state = WatchState.model_validate(content)
        self.readings = [Reading(reading.images, reading.values) for reading in state.readings]
        self.alarms = [Alarm(**alarm.model_dump()) for alarm in state.alarms]
        self.rollbacks = [rollback.model_dump() for rollback in state.rollbacks]
        self.healthy, self.gradients, self.seconds = state.healthy, dict(state.gradients), state.seconds

    def roll_back(self, content: Mapping[str, Any], reason: str, images: int, learning_rate: float) -> None:
        """Take up the state of a healthy reading, and note why and with what learning rate the run goes on from it."""
        readings, rollbacks, seconds = self.readings, self.rollbacks, self.seconds
        self.restore(content)
        discarded = [_plain(reading) for reading in readings if reading.images > self.readings[-1].images]
        note = {
            "reason": reason,
            "images": images,
            "back_to": self.readings[-1].images,
            "learning_rate": learning_rate,
            "discarded": discarded,
        }
        self.rollbacks, self.seconds = [*rollbacks, note], seconds

    def write(self, folder: Path, training: Watched, about: Mapping[str, Any]) -> None:
        """Write `watch.json`, sealed. about : what else it says of the run."""
        write_sealed(
            folder / LOG, {"format": 1, **about, "every": self.settings.every, **self.state(training)}, indent=None
        )


def recorded(state: Mapping[str, Any] | None) -> dict[str, Any]:
    """What of a watch's state goes with weights: alarms and rollbacks, as `watch`. Empty where there was neither."""
    if state is None or not (state["alarms"] or state["rollbacks"]):
        return {}
    rollbacks = [{key: value for key, value in note.items() if key != "discarded"} for note in state["rollbacks"]]
    return {"watch": {"alarms": state["alarms"], "rollbacks": rollbacks}}


def _plain(reading: Reading) -> dict[str, Any]:
    return {"images": reading.images, "values": dict(reading.values)}
