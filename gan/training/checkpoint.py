"""A training run's position on disk, from which it is resumed to the bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from pydantic import BaseModel
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path
from dcgan_features.data.utils.versions import versions


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


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def is_finite(training: Training) -> bool:
    """Whether every parameter and average of a run is a finite number."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in _tensors(training).values())


def save_state(path: Path, training: Training, data: dict[str, Any], seconds: float = 0.0, processes: int = 1) -> None:
    """Write networks, optimiser states and the position, atomically. Random numbers follow from the position.

    data : digest and description of the training images. seconds : that the training has taken so far.
    processes : that share it.
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
        "sha256": _digest(tensors),
    }
    # Through Python's own writing, whose errors (a full disk) are OSErrors.
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors, {"about": json.dumps(about)}))


def read_state(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What `save_state` wrote, checked. Raises `InputError` for a file that is damaged or something else."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["about"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        intact = about["sha256"] == _digest(tensors)
        about["steps_done"], about["recipe"], about["data"]["digest"]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"the checkpoint {path} is damaged ({error}); delete it or give --no-resume") from error
    if not intact:
        raise InputError(f"the checkpoint {path} is damaged (SHA-256 differs); delete it or give --no-resume")
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
        raise InputError(f"the checkpoint {path} belongs to another network: {error}") from error
    if remaining:
        raise InputError(f"the checkpoint {path} belongs to another network: it has '{min(remaining)}'")
    training.steps_done = about["steps_done"]


def _restore_network(part: str, training: Training, remaining: dict[str, Tensor]) -> None:
    network, optimiser = getattr(training, part), getattr(training, f"{part}_optimiser")
    network.load_state_dict({name: remaining.pop(f"{part}.{name}") for name in network.state_dict()})
    for index, parameter in enumerate(network.parameters()):
        prefix = f"{part}_optimiser.{index}."
        for key in [key for key in remaining if key.startswith(prefix)]:
            tensor, name = remaining.pop(key), key.removeprefix(prefix)
            if name == "step":
                optimiser.state[parameter][name] = tensor.to(parameter.device)
            else:  # in the parameter's memory order, which the fused update relies on
                optimiser.state[parameter][name] = torch.empty_like(parameter, requires_grad=False).copy_(tensor)
