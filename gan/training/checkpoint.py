"""A training run's position on disk, from which it is resumed to the bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Protocol

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors.torch import save
from torch import Tensor, nn

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path
from dcgan_features.data.utils.formats import parse_json, read_tensors
from dcgan_features.data.utils.raw import reason_of
from dcgan_features.data.utils.settings import first_mistake
from dcgan_features.data.utils.versions import versions
from dcgan_features.gan.watching.watch import WatchState


class Training(Protocol):
    """What is trained, minibatch by minibatch.

    networks : names of the attributes that hold networks; each network's optimiser is the attribute
        `<name>_optimiser`.
    averages : running means of networks' weights, by the network's name.
    """

    steps_done: int
    device: torch.device

    @property
    def networks(self) -> tuple[str, ...]:
        """Names, as said above."""

    @property
    def averages(self) -> Mapping[str, nn.Module]:
        """Running means, as networks."""

    @property
    def recipe(self) -> BaseModel:
        """The settings."""

    def step(self) -> Any:
        """Do the next minibatch; returns its losses as an object whose attributes are 0-d tensors or None."""


def _tensors(training: Training) -> dict[str, Tensor]:
    """Networks and their optimisers' averages, by name, on the CPU."""
    tensors: dict[str, Tensor] = {}
    for part in training.networks:
        for name, tensor in getattr(training, part).state_dict().items():
            tensors[f"{part}.{name}"] = tensor
        for index, averages in getattr(training, f"{part}_optimiser").state_dict()["state"].items():
            for name, tensor in averages.items():
                tensors[f"{part}_optimiser.{index}.{name}"] = tensor
    for part, average in training.averages.items():
        for name, tensor in average.state_dict().items():
            tensors[f"averaged_{part}.{name}"] = tensor
    return {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(tensors.items())}


class _Data(BaseModel):
    """What the run is trained on; see `TrainingRun`."""

    model_config = ConfigDict(extra="allow", frozen=True)
    digest: str
    description: str | None = None
    images: Annotated[int, Field(ge=0, strict=True)] | None = None


class _About(BaseModel):
    """What a checkpoint says of its run."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    steps_done: Annotated[int, Field(ge=0, strict=True)]
    recipe: dict[str, Any]
    data: _Data
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    versions: dict[str, str]
    threads: Annotated[int, Field(ge=1, strict=True)]
    processes: Annotated[int, Field(ge=1, strict=True)] = 1
    watch: WatchState | None = None
    sha256: str


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _seal(about: str, tensors: dict[str, Tensor]) -> str:
    """SHA-256 of all that a checkpoint says, which covers the tensors' values, and of their types and shapes."""
    forms = {name: [str(tensor.dtype), list(tensor.shape)] for name, tensor in sorted(tensors.items())}
    return hashlib.sha256(f"{about}\n{json.dumps(forms)}".encode()).hexdigest()


def is_finite(training: Training) -> bool:
    """Whether every parameter and average of a run is a finite number."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in _tensors(training).values())


def save_state(
    path: Path,
    training: Training,
    data: dict[str, Any],
    seconds: float = 0.0,
    processes: int = 1,
    watch: dict[str, Any] | None = None,
) -> None:
    """Write networks, optimiser states and the position, atomically. Random numbers follow from the position.

    data : digest and description of the training images. seconds : that the training has taken so far.
    processes : that share it. watch : what a run's watch has seen, see `gan.watching.watch.WatchState`.
    """
    tensors = _tensors(training)
    about = {
        "steps_done": training.steps_done,
        "recipe": training.recipe.model_dump(),
        "data": data,
        "seconds": seconds,
        "versions": versions(),
        "threads": torch.get_num_threads(),
        "processes": processes,
        **({} if watch is None else {"watch": watch}),
        "sha256": _digest(tensors),
    }
    text = json.dumps(about)
    # Through Python's own writing, whose errors (a full disk) are OSErrors.
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors, {"about": text, "seal": _seal(text, tensors)}))


def read_state(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What `save_state` wrote, checked. Raises `InputError` for a file that is damaged or something else."""
    remedy = "delete it or give --no-resume"
    try:
        tensors, stated = read_tensors(path, remedy)
    except InputError as error:
        raise InputError(f"the checkpoint {error}") from None
    if set(stated) not in ({"about", "seal"}, {"about"}):  # those of earlier versions had no seal
        raise InputError(f"the checkpoint {path} is damaged (it is that of no training run); {remedy}")
    about = parse_json(stated["about"], f"the checkpoint {path}", remedy)
    try:
        checked = _About.model_validate(about)
    except ValidationError as error:
        raise InputError(f"the checkpoint {path} is damaged ({first_mistake(error)}); {remedy}") from None
    intact = "seal" not in stated or stated["seal"] == _seal(stated["about"], tensors)
    if checked.sha256 != _digest(tensors) or not intact:
        raise InputError(f"the checkpoint {path} is damaged (SHA-256 differs); {remedy}")
    return about, tensors


def restore_state(path: Path, training: Training, about: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Bring `training`, newly made, to where `read_state(path)` says the run was."""
    remaining = dict(tensors)
    try:
        for part in training.networks:
            _restore_network(part, training, remaining)
        for part, average in training.averages.items():
            average.load_state_dict({name: remaining.pop(f"averaged_{part}.{name}") for name in average.state_dict()})
    except (KeyError, RuntimeError) as error:
        raise InputError(f"the checkpoint {path} belongs to another network: {reason_of(error)}") from error
    if remaining:
        raise InputError(f"the checkpoint {path} belongs to another network: it has '{min(remaining)}'")
    training.steps_done = about["steps_done"]


def _restore_network(part: str, training: Training, remaining: dict[str, Tensor]) -> None:
    network, optimiser = getattr(training, part), getattr(training, f"{part}_optimiser")
    network.load_state_dict({name: remaining.pop(f"{part}.{name}") for name in network.state_dict()})
    optimiser.state.clear()  # of a training that goes back
    for index, parameter in enumerate(network.parameters()):
        prefix = f"{part}_optimiser.{index}."
        for key in [key for key in remaining if key.startswith(prefix)]:
            tensor, name = remaining.pop(key), key.removeprefix(prefix)
            if name == "step":
                optimiser.state[parameter][name] = tensor.to(parameter.device)
            else:  # in the parameter's memory order, which the fused update relies on
                optimiser.state[parameter][name] = torch.empty_like(parameter, requires_grad=False).copy_(tensor)
