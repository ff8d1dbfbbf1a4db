"""The trained network of a row: shipped, the user's own, or trained here when it is not there yet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dcgan_features import data, gan
from dcgan_features.benchmarks.config.schema import Training, Weights
from dcgan_features.benchmarks.config.strict import identifying
from dcgan_features.data.dataset import Images
from dcgan_features.data.utils.distributed import all_processes
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.files import home_path
from dcgan_features.data.utils.locks import Lock
from dcgan_features.features.exemplar.networks import parse
from dcgan_features.features.exemplar.recipe import FREE_SETTINGS as EXEMPLAR_FREE_SETTINGS
from dcgan_features.features.exemplar.recipe import make_exemplar_recipe
from dcgan_features.features.exemplar.weights import SHIPPED as EXEMPLAR_SHIPPED
from dcgan_features.features.exemplar.weights import load_exemplar_weights
from dcgan_features.gan.spec import SPECS
from dcgan_features.gan.training.recipe import FREE_SETTINGS, LATER_SETTINGS, make_recipe
from dcgan_features.gan.weights_file import load_weights


def _discriminator(path: Path, network: str | None) -> dict[str, Any]:
    return load_weights(path, SPECS[network] if network else None).metadata


def _check_spec(network: str, where: str) -> None:
    if network not in SPECS:
        raise unknown_name("network", network, SPECS, where)


def _exemplar(path: Path, network: str | None) -> dict[str, Any]:
    return load_exemplar_weights(path, network)[1]


def _check_architecture(network: str, where: str) -> None:
    try:
        parse(network)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _train_discriminator(
    recipe: Any, images: Images, folder: Path, about: dict[str, Any], device: torch.device
) -> Path:
    from dcgan_features.gan.training.dcgan import Run  # with TensorBoard, which takes a second to import

    return Run(recipe, images, folder, about, device, together=all_processes().count > 1).finish()


def _train_exemplar(*arguments: Any) -> Path:
    from dcgan_features.features.exemplar.training import ExemplarRun

    return all_processes().first(lambda: ExemplarRun(*arguments).finish())


@dataclass(frozen=True)
class Kind:
    """What can be trained without labels, and how.

    shipped : folder of shipped weights. make_recipe, free : its settings, and those that say nothing of the result.
    later : settings that recipes did not always have; at their defaults they leave the identity of networks as it was.
    check_network : raises `InputError` for an unknown name. metadata : reads weights, of that network if one is named,
    and returns what their JSON says. train : called with recipe, images, folder, description of the images, device.
    """

    shipped: Path
    make_recipe: Callable[[dict[str, Any], str], Any]
    free: frozenset[str]
    later: frozenset[str]
    check_network: Callable[[str, str], None]
    metadata: Callable[[Path, str | None], dict[str, Any]]
    train: Callable[..., Path]


KINDS = {
    "discriminator": Kind(
        Path(gan.__file__).parent / "weights",
        make_recipe,
        FREE_SETTINGS - {"images"},
        LATER_SETTINGS,
        _check_spec,
        _discriminator,
        _train_discriminator,
    ),
    "exemplar-cnn": Kind(
        EXEMPLAR_SHIPPED,
        make_exemplar_recipe,
        EXEMPLAR_FREE_SETTINGS - {"samples"},
        frozenset(),
        _check_architecture,
        _exemplar,
        _train_exemplar,
    ),
}


@dataclass(frozen=True)
class Source:
    """Where weights come from, before any of it is trained.

    kind : of network, in `KINDS`.
    path : the safetensors file, which may still have to be made. digest : of the weights, or where they are trained
    of everything that decides them. train : makes the file; None where it is there.
    """

    kind: str
    path: Path
    digest: str
    train: Callable[[torch.device], Path] | None = None


@dataclass(frozen=True)
class Prepared:
    """Weights on disk, checked: their SHA-256, and what the network learnt from without labels."""

    path: Path
    sha256: str
    unlabelled: str
    metadata: dict[str, Any]


def locate(
    weights: Weights, where: str, table_folder: Path, store: Path, own: Images, own_name: str, data_root: Path | None
) -> Source:
    """Find the weights, or how to make them.

    where : table and row, for messages. own : the table's training images, called `own_name`.
    Raises `InputError` when stored weights are absent, damaged or of another network, or a recipe is wrong.
    """
    kind = KINDS[weights.kind]
    if weights.network is not None:
        kind.check_network(weights.network, where)
    if weights.train is not None:
        return _to_train(weights.kind, weights.train, where, store, own, own_name, data_root)
    assert weights.file is not None
    name = home_path(weights.file, "give the path in full")
    shipped = len(name.parts) == 1 and not name.suffix
    path = kind.shipped / f"{name}.safetensors" if shipped else table_folder / name
    return Source(weights.kind, path, str(kind.metadata(path, weights.network)["sha256"]))


def _to_train(
    kind: str, training: Training, where: str, store: Path, own: Images, own_name: str, data_root: Path | None
) -> Source:
    recipe = KINDS[kind].make_recipe(training.recipe, f"{where}, recipe")
    images, description = own, f"{own_name} ({len(own):,} images)"
    if training.sources is not None:
        size = recipe.spec.image_size if getattr(recipe, "resize", False) else None
        images, description, digest = data.training_images(training.sources, data_root, size)
    else:
        digest = data.array_digest(own)
    settings = identifying(recipe, KINDS[kind].later, KINDS[kind].free)
    key = hashlib.sha256(json.dumps([settings, digest], sort_keys=True).encode()).hexdigest()
    folder = store / "networks" / f"{recipe.network}-{key[:16]}"
    about = {"description": description, "digest": digest, "images": len(images)}

    def train(device: torch.device) -> Path:
        return _train(kind, recipe, images, folder, about, device)

    return Source(kind, folder / "weights.safetensors", key, train)


def _train(kind: str, recipe: Any, images: Images, folder: Path, about: dict[str, Any], device: torch.device) -> Path:
    lock = Lock(folder.with_suffix(".lock"))
    finished = folder / "weights.safetensors"

    def is_finished() -> bool:
        return finished.exists() and finished.with_suffix(".json").exists()

    def acquire() -> bool:
        if is_finished():  # perhaps in a folder that may only be read
            return True
        lock.acquire()  # two rows, or two commands, may want the same network
        return is_finished()

    try:
        if all_processes().first(acquire):
            return finished
        return KINDS[kind].train(recipe, images, folder, about, device)
    finally:
        lock.release()


def prepare(source: Source, device: torch.device) -> Prepared:
    """Train the network unless it is there, and check what is on disk."""
    path = source.train(device) if source.train is not None else source.path
    metadata = KINDS[source.kind].metadata(path, None)
    trained_on = metadata.get("data")
    unlabelled = str(trained_on["description"]) if isinstance(trained_on, dict) else "unknown"
    return Prepared(path, str(metadata["sha256"]), unlabelled, metadata)
