"""The settings of a study of probes, and which probes it measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from dcgan_features.benchmarks.compare.probes import CS, Probe, make_probes
from dcgan_features.benchmarks.compare.suite import Suite
from dcgan_features.benchmarks.config.images import LabelledDataset
from dcgan_features.benchmarks.config.studies import checked_study, study_file
from dcgan_features.benchmarks.records.rows import RowResult
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import read_yaml

CHOSEN = "l2-svm"  # the probe whose C is also chosen on test images
EXACT = "logistic"  # the probe that SGD is compared with: the same model, solved


class ProbeStudy(Suite):
    """A suite whose probes are compared with each other.

    probes : those that choose inside the labels. fixed_C : values of C, each fitted too: the best of them on the test
    images is what is often reported. rates : of SGD, as it is often used instead of a solver.
    """

    place: ClassVar[str] = "a study of probes"
    probes: list[str] = Field(default_factory=lambda: ["l2-svm", "logistic", "knn", "knn-plain"])
    fixed_C: list[float] = Field(default_factory=lambda: list(CS))
    rates: list[float] = Field(default_factory=lambda: [0.01, 0.1, 1.0])

    def honest(self) -> list[Probe]:
        """The probes that choose inside the labels."""
        return make_probes(self.probes, self.C, self.k, self.standardise, logistic_Cs=self.logistic_C)

    def fixed(self) -> list[Probe]:
        """The L2-SVM with each C, without a choice."""
        return [make_probes([CHOSEN], [C], (), self.standardise)[0] for C in self.fixed_C]

    def by_sgd(self) -> list[Probe]:
        """SGD with each rate."""
        return [make_probes(["sgd"], (), (), self.standardise, rate)[0] for rate in self.rates]

    def all_probes(self) -> list[Probe]:
        """All of them, each once."""
        return list(dict.fromkeys([*self.honest(), *self.fixed(), *self.by_sgd()]))


def read_study(source: str) -> ProbeStudy:
    """A shipped study by its name, or one in a YAML file. Raises `InputError` for what it cannot say."""
    path = study_file(source)
    study = checked_study(ProbeStudy, read_yaml(path, "study"), path)
    for needed in (CHOSEN, EXACT):
        if needed not in study.probes:
            raise InputError(f"{path}: the probes lack {needed}, with which others are compared; add it")
    if study.label_noise or study.reference:
        raise InputError(f"{path}: label_noise and reference say nothing here; leave them out")
    return study


@dataclass(frozen=True)
class Measured:
    """A data set's part of a study. results : by title. predicted : by title and probe, (1, n_test)."""

    name: str
    dataset: LabelledDataset
    results: dict[str, RowResult]
    predicted: dict[str, dict[str, NDArray[np.int64]]]
