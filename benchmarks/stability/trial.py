"""One run of the study: trained, watched, and scored at its snapshots; kept as a sealed file."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dcgan_features.benchmarks.config.images import load_dataset
from dcgan_features.benchmarks.records.environment import environment
from dcgan_features.benchmarks.stability.study import Condition, Probe, Study
from dcgan_features.data import class_balanced_draws
from dcgan_features.data.dataset import Images, Labels
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_sealed, write_sealed
from dcgan_features.data.utils.hashing import array_digest, digest_of
from dcgan_features.data.utils.settings import first_mistake
from dcgan_features.eval import l2svm_path
from dcgan_features.features import DiscriminatorFeatures
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.training.adversarial import AdversarialTraining
from dcgan_features.gan.training.dcgan import Run
from dcgan_features.gan.training.loop import TrainingDiverged
from dcgan_features.gan.training.recipe import Recipe
from dcgan_features.gan.training.watched import TrainingAlarm
from dcgan_features.gan.watching.alarms import MONITORS, Reading
from dcgan_features.gan.watching.watch import WatchSettings


@dataclass(frozen=True)
class Material:
    """Images and labels of a study, all of a data set's training images.

    unlabelled : that networks see, without their labels. draws : of these, the rows labelled, one array a draw.
    """

    unlabelled: Images
    labels: Labels
    draws: list[NDArray[np.int64]]
    evaluated: Images
    truth: Labels
    about: dict[str, Any]

    @classmethod
    def of(cls, study: Study, root: Path | None) -> Material:
        """Those of a study. Raises `InputError` where the data set has too few."""
        dataset, count, probe = load_dataset(study.dataset, root), study.unlabelled, study.probe
        last = count + probe.evaluated
        if last > len(dataset.train_images):
            raise InputError(
                f"{study.name} takes {count:,} unlabelled images and {probe.evaluated:,} others, but "
                f"{dataset.title} has {len(dataset.train_images):,} training images; lower 'unlabelled' or 'evaluated'"
            )
        images = np.ascontiguousarray(dataset.train_images[:last])
        labels = dataset.train_labels[:last]
        draws = class_balanced_draws(labels[:count], probe.per_class, probe.draws, probe.seed)
        digest = array_digest(images, labels)
        about = {"description": dataset.title, "digest": digest, "images": count, "stand_in": dataset.stand_in}
        return cls(images[:count], labels[:count], draws, images[count:], labels[count:], about)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Score(_Strict):
    """The probe's accuracy after so many images, in percent, of each draw."""

    images: int
    accuracies: list[float]

    @property
    def mean(self) -> float:
        """Over the draws."""
        return float(np.mean(self.accuracies))


class _Reading(_Strict):
    images: int
    values: dict[str, float]


class Trial(_Strict):
    """What one run came to.

    key : digest of all that decides it. diverged : why it could not go on, or None. rollbacks : from where to where, in
    images, and the learning rate after it. seconds : of training, watching and probing.
    """

    format: int = 1
    condition: str
    seed: int
    key: str
    recipe: dict[str, Any]
    data: dict[str, Any]
    scores: list[Score]
    readings: list[_Reading]
    diverged: str | None
    rollbacks: list[dict[str, float]] = Field(default_factory=list)
    seconds: dict[str, float]
    environment: dict[str, Any]

    @property
    def seen(self) -> list[Reading]:
        """The readings as the alarms take them."""
        return [Reading(reading.images, reading.values) for reading in self.readings]


def trial_key(study: Study, condition: Condition, seed: int, material: Material) -> str:
    """The digest of all that decides what a run comes to."""
    changed = study.recipe_of(condition, seed).model_dump(exclude_defaults=True)
    decides = [changed, condition.unlabelled, study.readings, study.probe.model_dump(), material.about["digest"]]
    start = study.start_of(condition, seed)
    decides.append(None if start is None else start.model_dump(exclude_defaults=True))
    if condition.on_alarm != "go-on":  # only then does it matter what is taken for an alarm
        decides.append([condition.on_alarm, {name: monitor.limit for name, monitor in MONITORS.items()}])
    return digest_of(decides)


def trial_path(folder: Path, condition: Condition, seed: int) -> Path:
    """Where a run's file lies."""
    return folder / f"{condition.name}-{seed}.json"


def read_trial(path: Path) -> Trial:
    """What `measure_trial` wrote. Raises `InputError` for a damaged file."""
    try:
        return Trial.model_validate(read_sealed(path, "delete it"))
    except ValidationError as error:
        raise InputError(f"{path} is no run of a stability study ({first_mistake(error)}); delete it") from None


def measure_trial(study: Study, condition: Condition, seed: int, material: Material, path: Path, store: Path) -> Trial:
    """Train, watch and score one run; write its file and return it.

    store : a folder in which the run is trained; one that was killed goes on there, and it is emptied in the end.
    """
    recipe, key = study.recipe_of(condition, seed), trial_key(study, condition, seed, material)
    out = store / f"{condition.name}-{seed}-{key[:12]}"
    images = material.unlabelled[: condition.unlabelled or None]
    start = _started(study.start_of(condition, seed), material, store)
    watching = WatchSettings(recipe.images // study.readings, condition.on_alarm)
    run = Run(recipe, images, out, material.about, start_from=start, watch=watching)
    diverged = None
    try:
        run.finish()
    except (TrainingDiverged, TrainingAlarm) as error:
        diverged = str(error)
    watch = run.watch
    if watch is None:
        raise RuntimeError("the run was not watched")
    begun = time.perf_counter()
    files = sorted((out / "snapshots").glob("*.safetensors"))
    first = AdversarialTraining(recipe, images).final_discriminator if start is None else start
    scores = [Score(images=0, accuracies=probe(first, study.probe, material))]
    for file in files:
        seen = int(file.stem.rpartition("-")[2])
        scores.append(Score(images=seen, accuracies=probe(file, study.probe, material)))
    probing = time.perf_counter() - begun
    content = {
        "format": 1,
        "condition": condition.name,
        "seed": seed,
        "key": key,
        "recipe": recipe.model_dump(),
        "data": material.about,
        "scores": [score.model_dump() for score in scores],
        "readings": [{"images": reading.images, "values": dict(reading.values)} for reading in watch.readings],
        "diverged": diverged,
        "rollbacks": [{key: note[key] for key in ("images", "back_to", "learning_rate")} for note in watch.rollbacks],
        "seconds": {"training": run.seconds, "watching": watch.seconds, "probing": probing},
        "environment": environment(),
    }
    write_sealed(path, content, indent=None)
    shutil.rmtree(out, ignore_errors=True)
    return Trial.model_validate(content)


def _started(recipe: Recipe | None, material: Material, store: Path) -> Path | None:
    """The weights of the study's start, trained where they are not there yet."""
    if recipe is None:
        return None
    key = digest_of([recipe.model_dump(exclude_defaults=True), material.about["digest"]])
    out = store / f"start-{recipe.seed}-{key[:12]}"
    weights = out / "weights.safetensors"
    return weights if weights.exists() else Run(recipe, material.unlabelled, out, material.about).finish()


def probe(weights: Path | Discriminator, settings: Probe, material: Material) -> list[float]:
    """Accuracies in percent on the evaluated images, of each draw of labels, by the C of the best mean.

    weights : a file, or the network itself. A network whose features are no longer finite knows nothing: its accuracy
    is that of guessing.
    """
    rows = np.unique(np.concatenate(material.draws))
    try:
        extractor = DiscriminatorFeatures(weights, device="cpu").fit(material.unlabelled[: settings.statistics])
        fitted, others = (extractor.transform(part) for part in (material.unlabelled[rows], material.evaluated))
    except InputError:
        return [100 / len(np.unique(material.labels))] * len(material.draws)
    mean, scale = fitted.mean(0), np.sqrt(np.square(fitted).sum(1).mean()) or 1.0
    fitted, others = (fitted - mean) / scale, (others - mean) / scale
    by_C: dict[float, list[float]] = {C: [] for C in settings.Cs}
    for draw in material.draws:
        for svm in l2svm_path(fitted[np.searchsorted(rows, draw)], material.labels[draw], settings.Cs, tol=1e-2):
            by_C[svm.C].append(100 * float((svm.predict(others) == material.truth).mean()))
    return max(by_C.values(), key=lambda accuracies: float(np.mean(accuracies)))
