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
from dcgan_features.benchmarks.speech.folds import MeasuredFold, keep_fold, kept_fold
from dcgan_features.benchmarks.speech.parts import OWN, Parts
from dcgan_features.benchmarks.speech.study import Row
from dcgan_features.data.audio import Fold
from dcgan_features.data.audio.spoken_digits import SPLIT
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
            self.Cs,
        ]
        if self.row.of == "spectrograms":
            decisive += [study.sound.model_dump(), self.parts.log_mel.get_params()]
        if self.row.trained:
            decisive += [self.parts.network(self.split, fold, train=False).digest for fold in self.folds]
        return digest_of(decisive)

    @property
    def Cs(self) -> list[float]:
        """The values of C that fits choose from."""
        return self.row.Cs or self.parts.study.Cs

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
        study, recordings, identity = self.parts.study, self.parts.recordings, self.identity()
        tested = np.sort(np.concatenate([fold.test for fold in self.folds]))
        measured: list[MeasuredFold] = []
        for number, fold in enumerate(self.folds, 1):
            begun = time.perf_counter()
            path = self.parts.store / "speech-folds" / identity[:24] / f"{fold.name}.json"
            found = kept_fold(path)
            if found is None:
                found = self._measure_fold(fold)
                keep_fold(path, found)
            measured.append(found)
            say(f"{self.row.name}: {fold.name}, {number} of {len(self.folds)}, {time.perf_counter() - begun:.0f} s")
        predicted = {name: self._joined(name, tested, measured) for name in study.protocols}
        truth = recordings.labels[tested]
        protocols = {name: self._summary(name, truth, predicted[name], measured) for name in study.protocols}
        digests: dict[str, str | None] = {"data": recordings.digest}
        if self.row.trained:
            networks = {fold.name: self.parts.network(self.split, fold, train=False).digest for fold in self.folds}
            digests["weights"] = digest_of(networks)
        digests[DIGEST] = write_predictions(results, self.table, self.row.name, truth, predicted)
        result = RowResult(
            format=1,
            identity=identity,
            table=self.table,
            row=self.row.name,
            title=self.row.title,
            preset=self.preset,
            stand_in=recordings.synthetic,
            data=recordings.name,
            data_note=recordings.note,
            unlabelled=self.unlabelled,
            protocols=protocols,
            features={"count": max(item.width for item in measured), "dtype": "float32"},
            seconds={"features": sum(item.features_seconds for item in measured)},
            peak_gib=peak_gib(),
            peak_device_gib=None,
            device=describe_device(torch.device("cpu")),
            seeds=study.seeds.model_dump(),
            digests=digests,
            settings={"row": self.row.model_dump(mode="json"), "split": self.split, "Cs": self.Cs},
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

    def _measure_fold(self, fold: Fold) -> MeasuredFold:
        study, begun = self.parts.study, time.perf_counter()
        candidates = self._candidates(fold)
        features_seconds, seconds = time.perf_counter() - begun, {}
        fits: dict[str, list[Fitted]] = {}
        for name, protocol in study.protocols.items():
            begun = time.perf_counter()
            draws = draws_of(protocol, self.parts.recordings.labels, fold, study.seeds)
            fits[name] = [self._fit(candidates, own, fold, protocol) for own in draws]
            seconds[name] = time.perf_counter() - begun
        return MeasuredFold(
            width=max(features.shape[1] for features in candidates),
            features_seconds=features_seconds,
            seconds=seconds,
            predicted={name: [fit.predicted.tolist() for fit in own] for name, own in fits.items()},
            chosen={name: [fit.chosen for fit in own] for name, own in fits.items()},
        )

    def _joined(self, name: str, tested: Labels, measured: list[MeasuredFold]) -> Labels:
        """Predictions of all recordings tested under a protocol, (draws, recordings)."""
        joined = np.full((len(measured[0].predicted[name]), len(tested)), -1, np.int64)
        for fold, found in zip(self.folds, measured, strict=True):
            joined[:, np.searchsorted(tested, fold.test)] = found.predicted[name]
        return joined

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
        return fit_best(candidates, recordings.labels, groups, own, fold, self.Cs, protocol.folds, study.seeds.folds)

    def _summary(
        self, name: str, truth: Labels, predicted: NDArray[np.int64], measured: list[MeasuredFold]
    ) -> ProtocolResult:
        study, by_fold = self.parts.study, dict(zip((fold.name for fold in self.folds), measured, strict=True))
        protocol = study.protocols[name]
        drawn = [draws_of(protocol, self.parts.recordings.labels, fold, study.seeds) for fold in self.folds]
        chosen = [{fold: found.chosen[name][draw] for fold, found in by_fold.items()} for draw in range(len(predicted))]
        values = [100 * float(share) for share in (predicted == truth).mean(1)]
        sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
        mean = float(np.mean(values))
        low, high = wilson_interval(mean, len(truth))
        digests = [data.digest_indices(np.concatenate(own)) for own in zip(*drawn, strict=True)]
        return ProtocolResult(
            metric="accuracy",
            published=None,
            published_pm=None,
            measured=mean,
            difference=None,
            sd=sd,
            pm=None if sd is None else NORMAL_QUANTILE * sd,
            low=low,
            high=high,
            values=values,
            chosen=[item[SPLIT] if self.split == OWN else {"folds": item} for item in chosen],
            labels=len(drawn[0][0]),
            test_images=len(truth),
            seconds=sum(found.seconds[name] for found in measured),
            draw_digests=digests if protocol.per_class is not None else [],
        )
