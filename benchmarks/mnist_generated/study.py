"""What a classifier learns of generated images alone: the paper's check on MNIST, as settings and as measurement."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from dcgan_features.benchmarks.config.schema import DEFAULT_PRESET
from dcgan_features.benchmarks.config.strict import Count, Name, Percent, Strict
from dcgan_features.benchmarks.config.studies import read_study
from dcgan_features.data import holdout
from dcgan_features.data.dataset import Dataset
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.files import atomic_path
from dcgan_features.data.utils.formats import read_archive, read_sealed, write_sealed
from dcgan_features.data.utils.hashing import array_digest, digest_of
from dcgan_features.data.utils.random_streams import stream
from dcgan_features.eval.neighbours import nearest
from dcgan_features.gan.conditional.networks import ConditionalGenerator
from dcgan_features.gan.conditional.training import (
    ConditionalRecipe,
    ConditionalRun,
    draw_classes,
    load_conditional_generator,
    make_conditional_recipe,
)
from dcgan_features.gan.description import images_seen, read_description

BLOCK = 10_000  # generated images at a time; a test image's nearest so far is on disk after each block
_CHOICE, _MEASUREMENT, PICTURE = 10, 11, 12  # purposes of random numbers; those of a training are below

Labels = npt.NDArray[np.int64]
Images = npt.NDArray[np.uint8]
Say = Callable[[str], None]


class Preset(Strict):
    """dataset : name of the images. generated : how many generated images the classifier knows, each a figure."""

    place: ClassVar[str] = "a preset"
    dataset: Name
    generated: list[Count]
    deviations: str = ""


class System(Strict):
    """What makes the classifier's training images: a GAN, with a recipe for each preset, or nothing but the world.

    published : error in percent by number of images.
    """

    place: ClassVar[str] = "a system"
    name: Name
    title: str
    published: dict[int, Percent] = Field(default_factory=dict)
    deviations: str = ""
    recipes: dict[str, dict[str, Any]] = Field(default_factory=dict)


class Study(Strict):
    """The whole study; see `studies/mnist-generated.yaml`. The first system is the real images."""

    place: ClassVar[str] = "the study"
    name: Name
    title: str
    citation: str
    published_real_images: Count
    published_images_seen: Count
    holdout: Count
    choose_with: Count
    seed: int
    renamed_presets: dict[str, str] = Field(default_factory=dict)
    presets: dict[str, Preset]
    systems: list[System]

    def preset(self, name: str | None) -> tuple[str, Preset]:
        """The preset of that name, or "default", or the first one. Raises `InputError` for an unknown name."""
        default = DEFAULT_PRESET if DEFAULT_PRESET in self.presets else next(iter(self.presets))
        chosen = self.renamed_presets.get(name or default, name or default)
        if chosen not in self.presets:
            raise unknown_name("preset", chosen, self.presets, f"the study {self.name}")
        return chosen, self.presets[chosen]


def load_study(source: str | Path) -> Study:
    """A shipped study by its name, or one of the user's in YAML. Raises `InputError` when it is not as it should be."""
    return read_study(Study, source, family="mnist-generated")


@dataclass(frozen=True)
class RealImages:
    """The data of one study: what GANs and the real-image control see, what choices are made on, and the test set.

    all_images, all_labels : everything but the test set; `kept` of them are for training, `held_out` for choices.
    """

    title: str
    stand_in: bool
    all_images: Images
    all_labels: Labels
    kept: Labels
    held_out: Labels
    test_images: Images
    test_labels: Labels
    test_digest: str

    @property
    def about(self) -> dict[str, Any]:
        """What a training run records of its images."""
        images, labels = self.training
        description = f"{self.title}, {len(self.kept):,} of {len(self.all_images):,} training images, with labels"
        return {"description": description, "digest": array_digest(images, labels), "images": len(images)}

    @property
    def training(self) -> tuple[Images, Labels]:
        """Images and labels that GANs and the control are given."""
        return np.ascontiguousarray(self.all_images[self.kept]), self.all_labels[self.kept]


def real_images(dataset: Dataset, size: int, seed: int) -> RealImages:
    """Split a labelled data set, holding out `size` training images. Raises `InputError` for one without labels."""
    images, labels = dataset.test_images, dataset.test_labels
    if dataset.train_labels is None or images is None or labels is None:
        raise InputError(f"{dataset.name} has no labels or no test set; give a labelled data set")
    kept, held_out = holdout(len(dataset.train_images), size, seed)
    parts = (dataset.train_images, dataset.train_labels, kept, held_out, images, labels)
    return RealImages(dataset.title, dataset.stand_in, *parts, array_digest(images, labels))


def train(
    recipe_settings: dict[str, Any], real: RealImages, folder: Path, device: torch.device
) -> tuple[ConditionalRun, float]:
    """Train a conditional GAN in `folder`, or go on with it, or find it finished; its run, and its seconds."""
    recipe: ConditionalRecipe = make_conditional_recipe(recipe_settings)
    run = ConditionalRun(recipe, *real.training, folder, real.about, device)
    if run.training.steps_done < recipe.steps or not (folder / "weights.json").exists():
        run.finish()
    return run, run.seconds


@dataclass(frozen=True)
class Chosen:
    """The weights and the normalisation that did best on the held-out images.

    own_statistics : see `gan.conditional.networks.generate_classes`. errors : of each choice, in percent.
    """

    weights: Path
    images_seen: int
    own_statistics: bool
    errors: dict[str, float]


def choose(folder: Path, real: RealImages, count: int, seed: int, device: torch.device, say: Say) -> Chosen:
    """Of a run's snapshots and its end, normalised either way, that whose samples classify the held-out images best.

    What is found is kept in the folder, and found again there.
    """
    files = {images_seen(file): file for file in sorted(folder.glob("snapshots/*.json"))}
    files[images_seen(folder / "weights.json")] = folder / "weights.json"
    queries, truth = real.all_images[real.held_out], real.all_labels[real.held_out]
    weights = {seen: read_description(file)[0].sha256 for seen, file in sorted(files.items())}
    identity = digest_of({"weights": weights, "count": count, "seed": seed, "held_out": array_digest(queries, truth)})
    kept = folder / "choice.json"
    found: dict[str, Any] = {}
    with contextlib.suppress(InputError):  # damaged, it is found again
        found = read_sealed(kept)
    if found.get("identity") != identity:
        errors = []
        for seen, own in itertools.product(sorted(files), (True, False)):
            generator = load_conditional_generator(files[seen])[0].to(device)
            images, labels = draw_classes(generator, count, stream(seed, _CHOICE), own)
            errors.append(
                (seen, own, 100 * float((nearest_label(queries, images, labels, device).labels != truth).mean()))
            )
            say(f"{_words(seen, own)}: {errors[-1][2]:.2f}% of the held-out images wrong")
        found = {"identity": identity, "errors": errors}
        write_sealed(kept, found)
    seen, own, _ = min(found["errors"], key=lambda item: (item[2], -item[0], not item[1]))
    told = {_words(number, which): round(error, 3) for number, which, error in found["errors"]}
    return Chosen(files[seen].with_suffix(".safetensors"), seen, own, told)


def _words(seen: int, own: bool) -> str:
    return f"{seen:,} images seen, {'statistics of each batch' if own else 'running statistics'}"


@dataclass(frozen=True)
class Nearest:
    """Of each test image, the distance to the nearest generated image so far, and that image's label."""

    distances: npt.NDArray[np.float64]
    labels: Labels


def nearest_label(queries: Images, images: Images, labels: Labels, device: torch.device | str = "cpu") -> Nearest:
    """The nearest of `images` to each query, by Euclidean distance of pixels, and its label."""
    distances, indices = nearest(queries, images, 1, device)
    return Nearest(distances[:, 0], labels[indices[:, 0]])


def over_generated(
    generator: ConditionalGenerator,
    own_statistics: bool,
    queries: Images,
    counts: list[int],
    seed: int,
    file: Path,
    identity: str,
    device: torch.device,
) -> Iterator[tuple[int, Nearest | None, float]]:
    """Search ever more generated images for the nearest of each query.

    counts : after how many images a result is wanted. file : where the state is kept after every block, so that a
    killed search goes on; `identity` says of what it is. Yields images searched, the result or None between counts,
    and the seconds so far. Image i depends on the generator, the seed and i alone.
    """
    done, so_far, before = _read_search(file, identity, len(queries))
    if min(counts) < done:  # gone past it, by a search for a larger number
        done, so_far, before = 0, None, 0.0
    if done in counts:
        yield done, so_far, before
    begun = time.perf_counter() - before
    for start in range(done, max(counts), BLOCK):
        images, labels = draw_classes(generator, BLOCK, stream(seed, _MEASUREMENT, start // BLOCK), own_statistics)
        for count in sorted(count for count in counts if start < count < start + BLOCK):
            part = nearest_label(queries, images[: count - start], labels[: count - start], device)
            yield count, _joined(so_far, part), time.perf_counter() - begun
            if count == max(counts):
                return
        so_far = _joined(so_far, nearest_label(queries, images, labels, device))
        seconds = time.perf_counter() - begun
        _write_search(file, identity, start + BLOCK, so_far, seconds)
        yield start + BLOCK, so_far if start + BLOCK in counts else None, seconds


def _joined(first: Nearest | None, second: Nearest) -> Nearest:
    """The nearer of either; of equals, the first's."""
    if first is None:
        return second
    nearer = second.distances < first.distances
    parts = ((first.distances, second.distances), (first.labels, second.labels))
    return Nearest(*(np.where(nearer, late, early) for early, late in parts))


def _read_search(file: Path, identity: str, size: int) -> tuple[int, Nearest | None, float]:
    """Images searched, what was nearest and the seconds, where the file is of that search and whole."""
    with contextlib.suppress(InputError, TypeError, ValueError):
        kept = read_archive(file, ("distances", "labels", "identity", "images", "seconds"))
        found = Nearest(kept["distances"], kept["labels"])
        if str(kept["identity"]) == identity and found.distances.shape == found.labels.shape == (size,):
            return int(kept["images"]), found, float(kept["seconds"])
    return 0, None, 0.0


def _write_search(file: Path, identity: str, images: int, found: Nearest, seconds: float) -> None:
    about: dict[str, Any] = {"images": images, "identity": identity, "seconds": seconds}
    with atomic_path(file) as temporary, open(temporary, "wb") as opened:
        np.savez(opened, distances=found.distances, labels=found.labels, **about)
