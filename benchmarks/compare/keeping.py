"""A fitted probe on disk, and back: what names its extractor as JSON, its numbers as safetensors; no pickle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.torch import save
from torch import Tensor

from dcgan_features.benchmarks.compare.extraction import Place, features_of
from dcgan_features.benchmarks.compare.measure import fit_probe
from dcgan_features.benchmarks.compare.probes import Choice, Probe
from dcgan_features.benchmarks.compare.proposals import Proposal, Surroundings, propose, table_and_path
from dcgan_features.benchmarks.config.images import LabelledDataset, adapt, labelled
from dcgan_features.benchmarks.config.schema import Adaptation
from dcgan_features.benchmarks.runner.progress import Stages
from dcgan_features.data.dataset import Images
from dcgan_features.data.labelled.load import Limit, keep_labels, labelled_images
from dcgan_features.data.labelled.pictures import Form
from dcgan_features.data.padding import adapted
from dcgan_features.data.utils.devices import device_option
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path, home_path, sha256_file
from dcgan_features.data.utils.formats import read_sealed, read_tensors, write_sealed
from dcgan_features.eval.knn_probe import KNNProbe
from dcgan_features.features import RawPixels, TorchModuleFeatures, as_extractor
from dcgan_features.features.base import check_images
from dcgan_features.features.wrappers import as_rows

FORMAT = 1
ABOUT, NUMBERS = "probe.json", "probe.safetensors"
_BLOCK = 512
_SOFTMAX = ("logistic", "sgd")  # probes whose scores are probabilities


class Kept(BaseModel):
    """What the JSON of a kept probe says.

    extractor : the text that names it, as `benchmarks.compare` takes it. table, preset : whose rows it may name.
    data, size, fit, seed, limit, test_limit, labelled : the images that it learnt from, if it has to learn again;
    data is None where they were no files, digest theirs. shape : (height, width, channels) of an image.
    adaptation : of the images. sha256 : of the numbers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: int
    extractor: str
    table: str
    preset: str
    data: str | None
    size: int | None
    fit: str
    seed: int
    limit: int | None
    test_limit: int | Literal["all"] | None = None
    labelled: int | None = None
    digest: str
    shape: tuple[int, int, int]
    adaptation: Adaptation
    classes: list[str]
    kind: str
    standardised: bool
    metric: str = "cosine"
    temperature: float = 0.07
    k: int = 1
    sha256: str


@dataclass(frozen=True)
class Origin:
    """Where the images of a comparison come from, as far as it can be said in words."""

    data: str | None
    size: int | None
    fit: str
    seed: int
    limit: int | None
    test_limit: int | Literal["all"] | None
    labelled: int | None
    table: str
    preset: str


def keep_probe(
    folder: Path,
    proposal: Proposal,
    dataset: LabelledDataset,
    probe: Probe,
    choice: Choice,
    place: Place,
    origin: Origin,
) -> None:
    """Fit a probe again, on features that are in the store, and write it into a folder.

    Raises `InputError` for an extractor that came as an object and has no name to be found by.
    """
    if proposal.reference is None:
        raise InputError(
            f"{proposal.title} came as an object, which cannot be written without pickle; name it as a text to save "
            f"it, "
            "such as mine.py:Class"
        )
    images = adapt(dataset, proposal.adaptation)
    features, _ = features_of(proposal, images, place, Stages(proposal.title), "kept")
    X = features.standardised[0] if probe.standardised else features.train
    classifier = fit_probe(probe, X, dataset, choice, place.device, place.seed)
    numbers = _numbers(classifier)
    if probe.standardised:
        numbers["mean"], numbers["scale"] = features.moments
    with atomic_path(folder / NUMBERS) as temporary:
        temporary.write_bytes(save({name: value.contiguous() for name, value in numbers.items()}))
    neighbours = isinstance(classifier, KNNProbe)
    settings = (
        {"metric": classifier.metric, "temperature": classifier.temperature, "k": classifier.k_} if neighbours else {}
    )
    about = Kept(
        format=FORMAT,
        extractor=proposal.reference,
        table=origin.table,
        preset=origin.preset,
        data=origin.data,
        size=origin.size,
        fit=origin.fit,
        seed=origin.seed,
        limit=origin.limit,
        test_limit=origin.test_limit,
        labelled=origin.labelled,
        digest=dataset.digest,
        shape=dataset.train_images.shape[1:],
        adaptation=proposal.adaptation,
        classes=list(dataset.classes),
        kind=probe.kind,
        standardised=probe.standardised,
        sha256=sha256_file(folder / NUMBERS),
        **settings,
    )
    write_sealed(folder / ABOUT, about.model_dump())


def _numbers(classifier: Any) -> dict[str, Tensor]:
    labels = torch.from_numpy(np.asarray(classifier.classes_, dtype=np.int64))
    if isinstance(classifier, KNNProbe):
        return {"classes": labels, "points": classifier.points_, "index": torch.from_numpy(classifier.index_)}
    weights, intercept = (
        torch.from_numpy(np.asarray(part, np.float32)) for part in (classifier.coef_, classifier.intercept_)
    )
    return {"classes": labels, "weights": weights, "intercept": intercept}


@dataclass(frozen=True)
class KeptProbe:
    """A probe with its extractor, ready for images. about : what its JSON says. numbers : its tensors."""

    about: Kept
    extractor: Any
    numbers: dict[str, Tensor]

    @property
    def classes(self) -> list[str]:
        """The names of the classes, in the order of the scores' columns."""
        return [self.about.classes[int(number)] for number in self.numbers["classes"]]

    def predict(self, images: Images) -> list[str]:
        """The class of each image, uint8 (n, height, width, channels) of the size that the probe was fitted to."""
        names = self.classes
        return [names[place] for place in self.scores(images).argmax(1)]

    def scores(self, images: Images) -> NDArray[np.float64]:
        """A score of each class for each image, (n, n_classes): probabilities, or for an L2-SVM decision values.

        Raises ValueError for images of another size or type.
        """
        checked = check_images(images)
        if checked.shape[1:] != self.about.shape:
            raise ValueError(f"the probe takes images of {self.about.shape}, not {checked.shape[1:]}; resize them")
        parts = [self._scores(checked[start : start + _BLOCK]) for start in range(0, len(checked), _BLOCK)]
        return np.concatenate(parts)

    def _scores(self, images: Images) -> NDArray[np.float64]:
        wanted = self.about.adaptation
        rows = as_rows(
            self.extractor.transform(adapted(images, wanted.size, wanted.channels)), len(images), self.extractor
        )
        if self.about.standardised:
            rows = (rows.float() - self.numbers["mean"]) / self.numbers["scale"]
        if self.about.kind.startswith("knn"):
            found = KNNProbe(self.about.k, metric=self.about.metric, temperature=self.about.temperature)
            shares: NDArray[np.float64] = found.fit(
                self.numbers["points"], self.numbers["index"].numpy()
            ).predict_proba(rows)
            return shares
        values = (rows.float() @ self.numbers["weights"].T + self.numbers["intercept"]).double()
        if values.shape[1] == 1:  # two classes: the decision is for the second
            values = torch.cat([-values, values], 1)
            if self.about.kind in _SOFTMAX:
                values = values / 2
        if self.about.kind in _SOFTMAX:
            values = values.softmax(1)
        return values.numpy()


def load_probe(folder: Path | str, device: str | None = None, store: Path | str = "feature-store") -> KeptProbe:
    """The probe that `benchmarks.compare --save` wrote into a folder.

    An extractor that learns is fitted again to the images that it learnt from, which must still be where they were.
    Raises `InputError` for a folder without a probe, for damaged files, and for images or code that are not there.
    """
    place = home_path(folder, "give the path in full")
    if not (place / ABOUT).is_file():
        below = sorted(path.parent for path in place.glob(f"*/{ABOUT}")) + sorted(
            path.parent for path in place.glob(f"*/*/{ABOUT}")
        )
        hint = f"; it holds {', '.join(str(path) for path in below[:5])}" if below else ""
        raise InputError(f"{place} holds no kept probe{hint}; give the folder of one")
    try:
        about = Kept.model_validate(read_sealed(place / ABOUT, "save the probe again"))
    except ValidationError:
        raise InputError(f"{place / ABOUT} is damaged or of another version; save the probe again") from None
    file = place / NUMBERS
    if sha256_file(file) != about.sha256:
        raise InputError(f"{file} is damaged or of another probe, by its SHA-256; save the probe again")
    numbers, _ = read_tensors(file, "save the probe again")
    return KeptProbe(about, _extractor(about, str(device_option(device)), Path(store)), numbers)


def _extractor(about: Kept, device: str, store: Path) -> Any:
    """The extractor, fitted."""
    table, path = table_and_path(about.table)
    blank = np.zeros((2, *about.shape), np.uint8)
    label = np.array([0, 1], dtype=np.int64)
    stand = LabelledDataset("none", blank, label, blank, label, ("a", "b"))
    around = Surroundings(table, path, about.preset, stand, device, store.expanduser().resolve(), None)
    (proposal,) = propose([about.extractor], around)
    extractor = as_extractor(proposal.extractor)
    if not hasattr(extractor, "fit"):
        return extractor
    images = _learnt_from(about) if _learns(extractor) else blank
    wanted = about.adaptation
    extractor.fit(adapted(images, wanted.size, wanted.channels))
    return extractor


def _learns(extractor: Any) -> bool:
    """Whether `fit` takes more from images than their size, so that it needs those that it was fitted to."""
    return not isinstance(extractor, RawPixels | TorchModuleFeatures)


def _learnt_from(about: Kept) -> Images:
    if about.data is None:
        raise InputError(
            f"{about.extractor} learns from images, which were given as arrays and are not kept; save it from a "
            f"folder or a "
            "list of pictures"
        )
    form = Form(about.size, about.fit)  # type: ignore[arg-type]  # it checks it
    limit = None if about.limit is None else Limit(about.limit, about.test_limit)
    pictures = labelled_images(about.data, form, about.seed, limit)
    dataset = labelled(keep_labels(pictures, about.labelled, about.seed))
    if dataset.digest != about.digest:
        raise InputError(f"the images of {about.data} are not those that {about.extractor} learnt from; restore them")
    return dataset.train_images


__all__ = ["KeptProbe", "Origin", "keep_probe", "load_probe"]
