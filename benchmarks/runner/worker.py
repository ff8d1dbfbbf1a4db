"""Measuring one row: extract features without labels, fit on the labels of each protocol, write the result.

This module is the process of its own in which the runner has a row measured: it reads a `ResolvedJob`, a line of JSON,
from stdin and writes an `Outcome` to stdout. Where `torchrun` started several runners, theirs work together: they share
the images, the label draws and the rows of a single fit, and the first one writes.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from filelock import Timeout
from pydantic import BaseModel
from torch import Tensor

from dcgan_features.benchmarks.config.components import Chosen, find
from dcgan_features.benchmarks.config.external import is_external
from dcgan_features.benchmarks.config.identity import code_of
from dcgan_features.benchmarks.config.images import LabelledDataset, adapt, load_dataset
from dcgan_features.benchmarks.config.weights import NoWeights, Source, StoredWeights, TrainedWeights, prepare
from dcgan_features.benchmarks.records.environment import describe_device, environment, peak_gib
from dcgan_features.benchmarks.records.predictions import DIGEST, write_predictions
from dcgan_features.benchmarks.records.rows import RowResult, write_row
from dcgan_features.benchmarks.runner.progress import Stages
from dcgan_features.benchmarks.runner.protocol import Extracted, measure_protocol
from dcgan_features.benchmarks.runner.resolve import ResolvedJob
from dcgan_features.data.utils.cli import Interrupted
from dcgan_features.data.utils.distributed import Processes, ProcessLost, all_processes, process_group
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import writing
from dcgan_features.data.utils.foreign import blame
from dcgan_features.data.utils.gpu import failure
from dcgan_features.data.utils.hashing import digest_of
from dcgan_features.data.utils.locks import Lock
from dcgan_features.data.utils.raw import reason_of
from dcgan_features.features import FeatureStore, as_extractor
from dcgan_features.features.cache.fingerprint import describe


class Outcome(BaseModel):
    """How a row ended. message : one sentence, unless it is measured. bad_input : whether the user can mend it."""

    status: Literal["measured", "failed", "interrupted"]
    message: str = ""
    bad_input: bool = False


def attempt(job: ResolvedJob, resume: bool = True) -> Outcome:
    """Measure a row and write its result; whatever goes wrong becomes a sentence."""
    try:
        with writing(job.results):
            measure(job, resume)
    except InputError as error:
        return Outcome(status="failed", message=" ".join(str(error).split()), bad_input=True)
    except ValueError as error:
        # Estimators refuse parameters and data with ValueError, and these come from the table.
        return Outcome(status="failed", message=blame(error) or " ".join(str(error).split()), bad_input=True)
    except (KeyboardInterrupt, Interrupted) as error:
        return Outcome(status="interrupted", message=str(error))
    except MemoryError:
        return Outcome(status="failed", message="there was not enough memory")
    except SystemExit as error:
        return Outcome(status="failed", message=blame(error) or f"the program was ended: {error}", bad_input=True)
    except Exception as error:
        said = str(error) if isinstance(error, ProcessLost) else failure(error)
        if said is not None:
            return Outcome(status="failed", message=said)
        theirs = blame(error) or _of_brought(job, error)
        if theirs is not None:
            return Outcome(status="failed", message=theirs, bad_input=True)
        traceback.print_exc()
        return Outcome(status="failed", message=f"unexpected {type(error).__name__}: {' '.join(str(error).split())}")
    return Outcome(status="measured")


def _of_brought(job: ResolvedJob, error: Exception) -> str | None:
    """What is said of an error in an installed package whose class or model the row names."""
    names = [component.name for component in (job.extractor, job.classifier) if is_external(component.name)]
    if not names:
        return None
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(last.filename).name} line {last.lineno}"
    kind, said = type(error).__name__, reason_of(error)
    why = place if said == kind else f"{place}: {said}"
    return (
        f"{' or '.join(names)} cannot be used on these images ({kind} in {why}); give other settings or another class"
    )


def measure(job: ResolvedJob, resume: bool = True) -> RowResult:
    """The row's result, measured unless it is on disk already and `resume` is set; written when it is complete."""
    processes = all_processes()
    with _alone(job, processes):
        finished = processes.first(lambda: job.finished() if resume else None)
        if finished is not None:
            return finished
        with processes.together():
            found = _found(job)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)  # scikit-learn's ConvergenceWarning is one
            result, predictions = _measure(job, found, Stages(job.row), processes)
        remarks = _without_likes(str(item.message) for item in caught if item.category.__name__ in _TO_RECORD)
        for remark in remarks:
            print(f"{job.row}: warning: {remark}", file=sys.stderr)

        def write() -> RowResult:
            kept = write_predictions(job.results, job.table, job.row, found.dataset.test_labels, predictions)
            added = {"deviations": [*result.deviations, *remarks], "digests": {**result.digests, DIGEST: kept}}
            written = result.model_copy(update=added)
            write_row(job.results, written)
            return written

        return processes.first(write)


@dataclass(frozen=True)
class _Found:
    """What a job names, found and checked. dataset : its images adapted as the job says."""

    dataset: LabelledDataset
    extractor: Chosen
    classifier: Chosen


def _found(job: ResolvedJob) -> _Found:
    """Load what the job names. Raises `InputError` where it is not what it was when the job was resolved."""
    original = load_dataset(job.dataset, job.data_root)
    extractor = find(job.extractor, "features", job.where)
    classifier = find(job.classifier, "eval", job.where)
    changed = ["the images"] if original.digest != job.data_digest else []
    for kind, code in zip((*extractor.kinds, *classifier.kinds), job.code, strict=True):
        if code_of(kind) != code:
            changed.append(f"the code of {kind.__name__}")
    if changed:
        raise InputError(f"{job.where}: {' and '.join(changed)} changed since this command began; run it again")
    return _Found(adapt(original, job.images), extractor, classifier)


@contextlib.contextmanager
def _alone(job: ResolvedJob, processes: Processes) -> Iterator[None]:
    """Keep other commands from measuring the same row meanwhile; wait for one that does."""
    lock = Lock(job.path.with_name(f".{job.row}.lock"))

    def acquire() -> None:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"{job.row}: waiting for another command that measures this row", file=sys.stderr, flush=True)
            lock.acquire()

    processes.first(acquire)
    try:
        yield
    finally:
        lock.release()


_TO_RECORD = ("ConvergenceWarning",)


def _without_likes(warned: Iterable[str]) -> list[str]:
    """One of the warnings that differ in their numbers alone, with the number of them."""
    alike: dict[str, list[str]] = {}
    for text in warned:
        alike.setdefault(re.sub(r"[0-9][0-9.e+-]*", "0", text), []).append(text)
    return [f"{first} ({len(more) + 1} fits)" if more else first for first, *more in alike.values()]


def make_extractor(
    chosen: Chosen, weights: Source, device: str, progress: Callable[[str, int, int], None] = lambda *_: None
) -> Any:
    """The row's extractor, unfitted; of weights that are trained here, the file must be there."""
    offered: dict[str, Any] = {"device": device, "progress": progress}
    if not isinstance(weights, NoWeights):
        offered["discriminator"] = weights.path
    return as_extractor(chosen.build(offered))


def _measure(job: ResolvedJob, found: _Found, stages: Stages, processes: Processes) -> tuple[RowResult, dict[str, Any]]:
    """The result, and the predictions of the test set by protocol, (draws, n_test)."""
    device, dataset, memory = torch.device(job.device), found.dataset, job.store / "seconds"
    sha256 = None
    if isinstance(job.weights, TrainedWeights):
        with stages.timed("training", memory / f"{job.weights.digest}.json"):
            sha256 = prepare(job.weights, dataset.train_images, device)
    elif isinstance(job.weights, StoredWeights):
        sha256 = prepare(job.weights, dataset.train_images, device)
    extractor = make_extractor(found.extractor, job.weights, job.device, stages.report)
    key = digest_of([describe(extractor), dataset.digest])  # with all its parameters, those left at defaults too
    with stages.timed("features", memory / f"{key}.json"):
        train, test = _features(extractor, dataset, FeatureStore(job.store / "features", processes), stages)
    extracted = Extracted(train, test, key)
    measured = {
        name: measure_protocol(job, name, dataset, found.classifier, extracted, stages, processes)
        for name in job.protocols
    }
    peak = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None
    result = RowResult(
        format=1,
        identity=job.identity,
        table=job.table,
        row=job.row,
        title=job.title,
        preset=job.preset,
        stand_in=dataset.stand_in,
        data=dataset.title,
        data_note=dataset.note,
        unlabelled=job.unlabelled,
        protocols={name: summary for name, (summary, _) in measured.items()},
        features={"count": train.shape[1], "dtype": str(train.dtype).removeprefix("torch.")},
        seconds=stages.seconds,
        peak_gib=max(processes.gather(peak_gib())),
        peak_device_gib=peak,
        device=describe_device(device) + (f", {processes.count} processes" if processes.count > 1 else ""),
        seeds=job.seeds.model_dump(),
        digests={"data": job.data_digest, "weights": sha256},
        settings=job.settings,
        deviations=job.deviations,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        **environment(),
    )
    of_the_test_set = {name: made for name, (summary, made) in measured.items() if summary.scored_on == "test"}
    return result, {name: np.stack(predictions) for name, predictions in of_the_test_set.items()}


def _features(extractor: Any, dataset: LabelledDataset, store: FeatureStore, stages: Stages) -> tuple[Tensor, Tensor]:
    """Features of training and test images by an extractor that is fitted on the training images, without labels."""
    own, test = dataset.train_images, dataset.test_images
    total = len(own) + len(test)
    train_features = store.get(extractor, own, own, progress=lambda done, _: stages.report("features", done, total))
    test_features = store.get(
        extractor, own, test, progress=lambda done, _: stages.report("features", len(own) + done, total)
    )
    return train_features, test_features


def _end_with_the_runner() -> None:
    """End this process when the runner's end of stdin closes: it died, and nobody would read the outcome."""
    while os.read(0, 4096):
        pass
    os._exit(1)


def main() -> None:
    """Measure the row that stdin describes."""
    # Shells have their background jobs ignore it, which is inherited; what comes here is for the runner to say.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    outcome_pipe = os.dup(1)
    os.dup2(2, 1)  # whatever a user's class prints must not get into the outcome
    request = bytearray()
    while not request.endswith(b"\n"):
        received = os.read(0, 65536)
        if not received:
            sys.exit("python -m benchmarks.runner.worker is started by the runner; run python -m benchmarks.cifar10")
        request += received
    threading.Thread(target=_end_with_the_runner, daemon=True).start()
    resume, group, job = request.decode().split(" ", 2)
    with process_group(group):
        outcome = attempt(ResolvedJob.model_validate_json(job), resume == "resume")
        os.write(outcome_pipe, outcome.model_dump_json().encode())


if __name__ == "__main__":
    main()
