"""One row on one split: features of every fold, fits of every protocol and draw, and the result."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from dcgan_features import data
from dcgan_features.benchmarks.config.components import find
from dcgan_features.benchmarks.config.schema import Protocol
from dcgan_features.benchmarks.records.environment import describe_device, environment, peak_gib
from dcgan_features.benchmarks.records.predictions import DIGEST, write_predictions
from dcgan_features.benchmarks.records.reading import read_row
from dcgan_features.benchmarks.records.rows import ProtocolResult, RowResult, row_path, write_row
from dcgan_features.benchmarks.speech.fits import Fitted, draws_of, fit_best, unit_scaled
from dcgan_features.benchmarks.speech.parts import OWN, Parts
from dcgan_features.benchmarks.speech.study import Row
from dcgan_features.data.audio import Fold
from dcgan_features.data.utils.hashing import digest_of
from dcgan_features.eval.protocols import NORMAL_QUANTILE, wilson_interval

Say = Callable[[str], None]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class RowOfSplit:
    """A row to be measured on a split: "own" or "speakers"."""

    parts: Parts
    row: Row
    split: str
    preset: str

    @property
    def table(self) -> str:
        """The name of the table that the result belongs to."""
        tables = self.parts.study.tables
        return tables.own.name if self.split == OWN else tables.speakers.name

    def identity(self) -> str:
        """Digest of all that decides the result."""
        study = self.parts.study
        decisive: list[Any] = [
            self.split,
            self.parts.recordings.digest,
            self.row.model_dump(include={"of", "features", "trained"}),
            {name: item.model_dump(exclude={"title"}) for name, item in study.protocols.items()},
            study.seeds.model_dump(),
            study.Cs,
        ]
        if self.row.of == "spectrograms":
            decisive += [study.sound.model_dump(), self.parts.log_mel.get_params()]
        if self.row.trained:
            decisive += [self.parts.network(self.split, fold, train=False).digest for fold in self.folds]
        return digest_of(decisive)

    @property
    def folds(self) -> tuple[Fold, ...]:
        """The split's folds."""
        return self.parts.folds(self.split)

    def finished(self, results: Path) -> bool:
        """Whether the row is measured as it is described now."""
        found = read_row(row_path(results, self.table, self.row.name))
        return found is not None and found.identity == self.identity()

    def measure(self, results: Path, say: Say) -> RowResult:
        """Measure the row and write its result and predictions. say : told after each fold."""
        study, recordings = self.parts.study, self.parts.recordings
        tested = np.sort(np.concatenate([fold.test for fold in self.folds]))
        counts = {name: item.draws if item.per_class else 1 for name, item in study.protocols.items()}
        predicted = {name: np.full((count, len(tested)), -1, np.int64) for name, count in counts.items()}
        chosen: dict[str, list[dict[str, Any]]] = {name: [{} for _ in range(n)] for name, n in counts.items()}
        seconds, features_seconds, width = dict.fromkeys(study.protocols, 0.0), 0.0, 0
        drawn: dict[str, list[list[NDArray[np.int64]]]] = {name: [[] for _ in range(n)] for name, n in counts.items()}
        for number, fold in enumerate(self.folds, 1):
            begun = time.perf_counter()
            candidates = self._candidates(fold)
            width = max(width, *(features.shape[1] for features in candidates))
            features_seconds += time.perf_counter() - begun
            at = np.searchsorted(tested, fold.test)
            for name, protocol in study.protocols.items():
                began = time.perf_counter()
                for draw, own in enumerate(draws_of(protocol, recordings.labels, fold, study.seeds)):
                    fitted = self._fit(candidates, own, fold, protocol)
                    predicted[name][draw, at] = fitted.predicted
                    chosen[name][draw][fold.name] = fitted.chosen
                    drawn[name][draw].append(own)
                seconds[name] += time.perf_counter() - began
            say(f"{self.row.name}: {fold.name}, {number} of {len(self.folds)}, {time.perf_counter() - begun:.0f} s")
        truth = recordings.labels[tested]
        protocols = {
            name: self._summary(name, truth, predicted[name], chosen[name], drawn[name], seconds[name])
            for name in study.protocols
        }
        digests: dict[str, str | None] = {"data": recordings.digest}
        if self.row.trained:
            networks = {fold.name: self.parts.network(self.split, fold, train=False).digest for fold in self.folds}
            digests["weights"] = digest_of(networks)
        digests[DIGEST] = write_predictions(results, self.table, self.row.name, truth, predicted)
        result = RowResult(
            format=1,
            identity=self.identity(),
            table=self.table,
            row=self.row.name,
            title=self.row.title,
            preset=self.preset,
            stand_in=recordings.synthetic,
            data=recordings.name,
            data_note=recordings.note,
            unlabelled=self.unlabelled,
            protocols=protocols,
            features={"count": width, "dtype": "float32"},
            seconds={"features": features_seconds},
            peak_gib=peak_gib(),
            peak_device_gib=None,
            device=describe_device(torch.device("cpu")),
            seeds=study.seeds.model_dump(),
            digests=digests,
            settings={"row": self.row.model_dump(mode="json"), "split": self.split, "Cs": study.Cs},
            deviations=[],
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            **environment(),
        )
        write_row(results, result)
        return result

    @property
    def unlabelled(self) -> str:
        """What is learnt from without labels."""
        counts = sorted({len(fold.train) for fold in self.folds})
        number = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
        part = "the training part" if self.split == OWN else "all but the speaker tested on"
        return f"{self.parts.recordings.name}, {part} ({number} images)"

    def _candidates(self, fold: Fold) -> list[Tensor]:
        """Features of all recordings by each extractor, fitted on the fold's training part, (n, d) each."""
        offered: dict[str, object] = {"device": "cpu", "rate": self.parts.study.sound.rate}
        if self.row.trained:
            offered["discriminator"] = self.parts.network(self.split, fold).path
        made = []
        for component in self.row.features:
            extractor = find(component, self.row.package, f"row {self.row.name}").build(offered)
            if self.row.of == "spectrograms":
                images = self.parts.images
                features = extractor.fit(np.ascontiguousarray(images[fold.train])).transform_tensor(images)
            else:
                numbers = self.parts.of_recordings(extractor)
                features = torch.from_numpy(StandardScaler().fit(numbers[fold.train]).transform(numbers))
            made.append(unit_scaled(features, fold))
        return made

    def _fit(self, candidates: list[Tensor], own: NDArray[np.int64], fold: Fold, protocol: Protocol) -> Fitted:
        study, recordings = self.parts.study, self.parts.recordings
        groups = None if self.split == OWN else np.array(recordings.groups)
        return fit_best(candidates, recordings.labels, groups, own, fold, study.Cs, protocol.folds, study.seeds.folds)

    def _summary(
        self,
        name: str,
        truth: Labels,
        predicted: NDArray[np.int64],
        chosen: list[dict[str, Any]],
        drawn: list[list[NDArray[np.int64]]],
        seconds: float,
    ) -> ProtocolResult:
        values = [100 * float(share) for share in (predicted == truth).mean(1)]
        sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
        measured = float(np.mean(values))
        low, high = wilson_interval(measured, len(truth))
        several = self.parts.study.protocols[name].per_class is not None
        return ProtocolResult(
            metric="accuracy",
            published=None,
            published_pm=None,
            measured=measured,
            difference=None,
            sd=sd,
            pm=None if sd is None else NORMAL_QUANTILE * sd,
            low=low,
            high=high,
            values=values,
            chosen=[next(iter(item.values())) for item in chosen]
            if self.split == OWN
            else [{"folds": i} for i in chosen],
            labels=len(drawn[0][0]),
            test_images=len(truth),
            seconds=seconds,
            draw_digests=[data.digest_indices(np.concatenate(own)) for own in drawn] if several else [],
        )
