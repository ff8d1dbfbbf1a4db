"""Features of a comparison: from the store, with what is known of them and of what makes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dcgan_features.benchmarks.compare.costs import gmacs_of, parameters_of
from dcgan_features.benchmarks.compare.proposals import Proposal
from dcgan_features.benchmarks.config.images import LabelledDataset
from dcgan_features.benchmarks.runner.progress import Stages
from dcgan_features.data.utils.effective_rank import effective_rank
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_sealed, write_sealed
from dcgan_features.features import FeatureStore

_ROWS = 4096


@dataclass(frozen=True)
class Place:
    """Where a comparison is measured and kept. table : name of the folder of results. seed : of what is held out."""

    table: str
    results: Path
    store: Path
    device: str
    seed: int


@dataclass(frozen=True)
class Features:
    """Features of the labelled training images, (n, d), and of test images, (n_test, d); how to standardise them."""

    train: Tensor
    test: Tensor

    @cached_property
    def standardised(self) -> tuple[Tensor, Tensor]:
        """Both parts with mean 0 and standard deviation 1 on the training part, float32; constant ones become 0."""
        mean, scale = self.moments
        return _scaled(self.train, mean, scale), _scaled(self.test, mean, scale)

    @cached_property
    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each training feature, float32 (d,) each; 1 for a constant feature."""
        count, width = self.train.shape
        mean = (
            sum((part.double().sum(0) for part in torch.split(self.train, _ROWS)), torch.zeros(width).double()) / count
        )
        squares = sum(
            ((part.double() - mean).square().sum(0) for part in torch.split(self.train, _ROWS)),
            torch.zeros(width).double(),
        )
        scale = (squares / count).sqrt()
        return mean.float(), torch.where(scale > 1e-7 * mean.abs().clamp(min=1e-30), scale, 1.0).float()


def _scaled(features: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    made = torch.empty(features.shape)
    for start in range(0, len(features), _ROWS):
        made[start : start + _ROWS] = (features[start : start + _ROWS].float() - mean) / scale
    return made


def features_of(
    proposal: Proposal, dataset: LabelledDataset, place: Place, stages: Stages, identity: str
) -> tuple[Features, dict[str, Any]]:
    """The features, and what is known of them and of what makes them.

    The extractor learns from all training images; the features are those of the labelled ones.
    """
    store = FeatureStore(place.store / "features")
    learnt_from, test = dataset.train_images, dataset.test_images
    has = dataset.train_labels >= 0
    own = learnt_from if has.all() else learnt_from[has]
    total = len(own) + len(test)
    memory, costs = (place.store / folder / f"{identity}.json" for folder in ("seconds", "costs"))
    try:
        with stages.timed("features", memory):
            train_features = store.get(
                proposal.extractor, learnt_from, own, progress=lambda done, _: stages.report("features", done, total)
            )
            test_features = store.get(
                proposal.extractor,
                learnt_from,
                test,
                progress=lambda done, _: stages.report("features", len(own) + done, total),
            )
    except (InputError, MemoryError):
        raise
    except Exception as error:
        if type(error).__module__.startswith("dcgan_features"):
            raise
        raise InputError(
            f"{proposal.title} fails on these images ({type(error).__name__}: {' '.join(str(error).split())}); mend it"
        ) from error
    if train_features.shape[1] != test_features.shape[1]:
        raise InputError(
            f"{proposal.title} makes {train_features.shape[1]} features of training images and "
            f"{test_features.shape[1]} of "
            "test images; mend it"
        )
    known = _costs(store.fitted, own, costs)
    about = {
        "count": train_features.shape[1],
        "dtype": str(train_features.dtype).removeprefix("torch."),
        "effective_rank": round(effective_rank(train_features), 2),
        **known,
    }
    return Features(train_features, test_features), about


def _costs(fitted: Any | None, images: NDArray[np.uint8], file: Path) -> dict[str, Any]:
    """Parameters and multiply-adds, measured when the extractor is fitted and remembered beside its features."""
    if fitted is not None:
        write_sealed(file, {"parameters": parameters_of(fitted), "gmacs": gmacs_of(fitted, images)})
    try:
        known: dict[str, Any] = read_sealed(file)
    except InputError:
        return {"parameters": None, "gmacs": None}
    return known
