"""The trained discriminator of a row: shipped, the user's own, or trained here when it is not there yet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

import data
import gan
from benchmarks.table import Training, Weights
from data.dataset import Images
from data.errors import unknown_name
from data.files import writing
from gan.checkpoint import load_weights
from gan.recipe import FREE_SETTINGS, Recipe, make_recipe
from gan.spec import SPECS

SHIPPED = Path(gan.__file__).parent / "weights"
_SAY_NOTHING_OF_THE_RESULT = FREE_SETTINGS - {"images"}


@dataclass(frozen=True)
class Source:
    """Where weights come from, before any of it is trained.

    path : the safetensors file, which may still have to be made. digest : of the weights, or where they are trained
    of everything that decides them. train : makes the file; None where it is there.
    """

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
    if weights.network is not None and weights.network not in SPECS:
        raise unknown_name("network", weights.network, SPECS, where)
    if weights.train is not None:
        return _to_train(weights.train, where, store, own, own_name, data_root)
    assert weights.file is not None
    name = Path(weights.file).expanduser()
    shipped = len(name.parts) == 1 and not name.suffix
    path = SHIPPED / f"{name}.safetensors" if shipped else table_folder / name
    loaded = load_weights(path, SPECS[weights.network] if weights.network else None)
    return Source(path, str(loaded.metadata["sha256"]))


def _to_train(
    training: Training, where: str, store: Path, own: Images, own_name: str, data_root: Path | None
) -> Source:
    recipe = make_recipe(training.recipe, f"{where}, recipe")
    images, description = own, f"{own_name} ({len(own):,} images)"
    if training.sources is not None:
        size = recipe.spec.image_size if recipe.resize else None
        images, description, digest = data.training_images(training.sources, data_root, size)
    else:
        digest = data.array_digest(own)
    settings = recipe.model_dump(exclude=set(_SAY_NOTHING_OF_THE_RESULT))
    key = hashlib.sha256(json.dumps([settings, digest], sort_keys=True).encode()).hexdigest()
    folder = store / "networks" / f"{recipe.network}-{key[:16]}"
    about = {"description": description, "digest": digest, "images": len(images)}

    def train(device: torch.device) -> Path:
        return _train(recipe, images, folder, about, device)

    return Source(folder / "weights.safetensors", key, train)


def _train(recipe: Recipe, images: Images, folder: Path, about: dict[str, Any], device: torch.device) -> Path:
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_suffix(".lock"))
        lock.acquire()  # two rows, or two commands, may want the same network
    try:
        finished = folder / "weights.safetensors"
        if finished.exists() and finished.with_suffix(".json").exists():
            return finished
        from gan.trainer import Run  # with TensorBoard, which takes a second to import

        return Run(recipe, images, folder, about, device).finish()
    finally:
        lock.release()


def prepare(source: Source, device: torch.device) -> Prepared:
    """Train the network unless it is there, and check what is on disk."""
    path = source.train(device) if source.train is not None else source.path
    metadata = load_weights(path).metadata
    trained_on = metadata.get("data")
    unlabelled = str(trained_on["description"]) if isinstance(trained_on, dict) else "unknown"
    return Prepared(path, str(metadata["sha256"]), unlabelled, metadata)
