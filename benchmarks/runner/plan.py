"""What is to become of each row of a run, and what is said of that before anything is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dcgan_features.benchmarks.records.reading import read_row
from dcgan_features.benchmarks.records.rows import RowResult
from dcgan_features.benchmarks.runner.job import Job
from dcgan_features.benchmarks.runner.resolve import ResolvedJob, resolve
from dcgan_features.data.utils.cli import duration
from dcgan_features.data.utils.errors import InputError


@dataclass(frozen=True)
class Plan:
    """A row that is to be measured, of which no more is known.

    minutes : about how long it takes, or took; None where the table does not say.
    """

    job: Job
    minutes: float | None = None

    @property
    def text(self) -> str:
        """What is said of the row before the run."""
        return "to be measured" if self.minutes is None else f"to be measured, about {duration(self.minutes * 60)}"


@dataclass(frozen=True)
class Unmeasured(Plan):
    """A row that is shown as published, or that other presets measure."""

    @property
    def text(self) -> str:
        """What is said of the row before the run."""
        table, line = self.job.table, self.job.line
        elsewhere = [name for name in table.presets if line.measurement(name, table.classifier) is not None]
        if elsewhere:
            return f"not in the preset {self.job.preset}; --preset {' or '.join(elsewhere)} measures it"
        return "shown as published, not measured"


@dataclass(frozen=True)
class Refused(Plan):
    """A row that cannot be measured; the message says why."""

    message: str = ""

    @property
    def text(self) -> str:
        """What is said of the row before the run."""
        return f"cannot be measured: {self.message}"


@dataclass(frozen=True, kw_only=True)
class Finished(Plan):
    """A row whose result is there."""

    resolved: ResolvedJob

    @property
    def text(self) -> str:
        """What is said of the row before the run."""
        return f"measured already ({self.job.path}); --rerun measures it again"


@dataclass(frozen=True, kw_only=True)
class ToMeasure(Plan):
    """A row that is to be measured. replaced : what is said of a result that it takes the place of."""

    resolved: ResolvedJob
    replaced: str = ""

    @property
    def text(self) -> str:
        """What is said of the row before the run."""
        return super().text + self.replaced


def plan(job: Job, resume: bool = True, look_only: bool = False) -> Plan:
    """Look into a row without measuring it.

    A damaged result is an `InputError`; if it is not to be resumed it is removed, unless `look_only`.
    """
    if job.measurement is None:
        return Unmeasured(job)
    try:
        resolved = resolve(job)
    except InputError as error:
        return Refused(job, message=str(error))
    if resume and (finished := resolved.finished()) is not None:
        return Finished(job, sum(finished.seconds.values()) / 60, resolved=resolved)
    try:
        former = read_row(job.path)
    except InputError:
        if resume:
            raise
        former = None
        if not look_only:
            job.path.unlink(missing_ok=True)
    if former is not None and job.table.renamed.presets.get(former.preset, former.preset) != job.preset:
        why = f"{job.path} is of the preset {former.preset}, and a preset never writes over another's results"
        return Refused(job, message=f"{why}; give --results another folder")
    replaced = "" if former is None or not resume else _replaced(resolved, former)
    return ToMeasure(job, job.minutes, resolved=resolved, replaced=replaced)


def _replaced(resolved: ResolvedJob, former: RowResult) -> str:
    why = "measured with other settings or code"
    if former.identity == resolved.identity:
        why = "whose predictions are not kept or damaged"
    return f"; replaces {resolved.path}, {why} (preset {former.preset})"


def describe(plans: Sequence[Plan], store: Path, results: Path) -> list[str]:
    """What will be done and about how long it takes, in lines."""
    lines = [f"  {item.job.row}: {item.text}" for item in plans]
    waiting = [item for item in plans if not isinstance(item, Unmeasured | Refused | Finished)]
    known = [item.minutes for item in waiting if item.minutes is not None]
    total = f"about {duration(sum(known) * 60)} on two CPU cores" if waiting else "nothing to measure"
    if len(known) < len(waiting):
        total = (f"{total}, and " if known else "") + "a time that the table does not say"
    return [*lines, f"in all {total}; results in {results}, features and networks in {store}"]
