"""The trained network of a row: shipped, the user's own, or trained here when it is not there yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from dcgan_features import data, gan
from dcgan_features.benchmarks.config.identity import identifying
from dcgan_features.benchmarks.config.schema import KindOfWeights, Training, Weights
from dcgan_features.data.dataset import Dataset, Images
from dcgan_features.data.utils.distributed import all_processes
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.files import home_path
from dcgan_features.data.utils.hashing import digest_of
from dcgan_features.data.utils.locks import Lock
from dcgan_features.features.exemplar.networks import parse
from dcgan_features.features.exemplar.recipe import FREE_SETTINGS as EXEMPLAR_FREE_SETTINGS
from dcgan_features.features.exemplar.recipe import make_exemplar_recipe
from dcgan_features.features.exemplar.weights import SHIPPED as EXEMPLAR_SHIPPED
from dcgan_features.features.exemplar.weights import load_exemplar_weights
from dcgan_features.gan.spec import SPECS
from dcgan_features.gan.training.recipe import FREE_SETTINGS, LATER_SETTINGS, make_recipe
from dcgan_features.gan.weights_file import load_weights

FINISHED = "weights.safetensors"  # in the folder of a training run


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


class _Source(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NoWeights(_Source):
    """The extractor takes no trained network."""

    origin: Literal["none"] = "none"


class StoredWeights(_Source):
    """Weights that are on disk and have been checked.

    path : of the safetensors file. digest : its SHA-256. unlabelled : what the network learnt from without labels.
    """

    origin: Literal["stored"] = "stored"
    kind: KindOfWeights
    path: Path
    digest: str
    unlabelled: str


class TrainedWeights(_Source):
    """Weights that are trained here unless they are there already.

    recipe : settings as the table has them. sources : what to train on, as `data.training_images` takes them; none is
    the table's own training images. images_digest, unlabelled : SHA-256 and description of these images.
    digest : of everything that decides the weights. folder : of the training run.
    """

    origin: Literal["trained"] = "trained"
    kind: KindOfWeights
    recipe: dict[str, Any]
    sources: list[str]
    data_root: Path
    images_digest: str
    unlabelled: str
    digest: str
    folder: Path

    @property
    def path(self) -> Path:
        """The safetensors file, which may still have to be made."""
        return self.folder / FINISHED


Source = Annotated[NoWeights | StoredWeights | TrainedWeights, Field(discriminator="origin")]


def locate(
    weights: Weights, where: str, table_folder: Path, store: Path, own: Dataset, data_root: Path
) -> StoredWeights | TrainedWeights:
    """Find the weights, or how to make them.

    where : table and row, for messages. own : the table's data set. data_root : folder of the official data sets.
    Raises `InputError` when stored weights are absent, damaged or of another network, or a recipe is wrong.
    """
    kind = KINDS[weights.kind]
    if weights.network is not None:
        kind.check_network(weights.network, where)
    if isinstance(weights.source, Training):
        return _to_train(weights.kind, weights.source, where, store, own, data_root)
    name = home_path(weights.source, "give the path in full")
    shipped = len(name.parts) == 1 and not name.suffix
    path = kind.shipped / f"{name}.safetensors" if shipped else table_folder / name
    metadata = kind.metadata(path, weights.network)
    return StoredWeights(kind=weights.kind, path=path, digest=str(metadata["sha256"]), unlabelled=_trained_on(metadata))


def _trained_on(metadata: Mapping[str, Any]) -> str:
    """The corpora that weights, and those that they began with, were trained on, first ones first, or "unknown"."""
    corpora: list[str] = []
    part: Any = metadata
    while isinstance(part, Mapping):
        data = part.get("data")
        corpora = (str(data["description"]).split(" + ") if isinstance(data, Mapping) else ["unknown"]) + corpora
        part = part.get("initial")
    return " + ".join(dict.fromkeys(corpora))


def _to_train(
    kind: KindOfWeights, training: Training, where: str, store: Path, own: Dataset, data_root: Path
) -> TrainedWeights:
    recipe = KINDS[kind].make_recipe(training.recipe, f"{where}, recipe")
    sources = [] if training.sources is None else training.sources
    if training.sources is not None:
        _, description, digest = data.training_images(training.sources, data_root, _size(recipe))
    else:
        description, digest = f"{own.title} ({len(own.train_images):,} images)", data.array_digest(own.train_images)
    key = digest_of([identifying(recipe, KINDS[kind].later, KINDS[kind].free), digest])
    return TrainedWeights(
        kind=kind,
        recipe=training.recipe,
        sources=sources,
        data_root=data_root,
        images_digest=digest,
        unlabelled=description,
        digest=key,
        folder=store / "networks" / f"{recipe.network}-{key[:16]}",
    )


def _size(recipe: Any) -> int | None:
    return recipe.spec.image_size if getattr(recipe, "resize", False) else None


def prepare(source: StoredWeights | TrainedWeights, own: Images, device: torch.device) -> str:
    """Train the network unless it is there, and check what is on disk; return the SHA-256 of the weights.

    own : the table's training images. Raises `InputError` for weights that are damaged, or not those of `source`.
    """
    if isinstance(source, TrainedWeights):
        _train(source, own, device)
    sha256 = str(KINDS[source.kind].metadata(source.path, None)["sha256"])
    if isinstance(source, StoredWeights) and sha256 != source.digest:
        raise InputError(f"{source.path} has changed since this command began; run it again")
    return sha256


def _train(source: TrainedWeights, own: Images, device: torch.device) -> None:
    lock = Lock(source.folder.with_suffix(".lock"))

    def is_finished() -> bool:
        return source.path.exists() and source.path.with_suffix(".json").exists()

    def acquire() -> bool:
        if is_finished():  # perhaps in a folder that may only be read
            return True
        lock.acquire()  # two rows, or two commands, may want the same network
        return is_finished()

    try:
        if all_processes().first(acquire):
            return
        kind, images, digest = KINDS[source.kind], own, source.images_digest
        recipe = kind.make_recipe(source.recipe, "the recipe")
        if source.sources:
            images, _, digest = data.training_images(source.sources, source.data_root, _size(recipe))
        if digest != source.images_digest:
            raise InputError(f"{', '.join(source.sources)} changed since this command began; run it again")
        about = {"description": source.unlabelled, "digest": digest, "images": len(images)}
        kind.train(recipe, images, source.folder, about, device)
    finally:
        lock.release()
