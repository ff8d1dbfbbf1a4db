"""How a row's settings are chosen on validation images: all combinations, or random ones (Bergstra & Bengio, 2012).

Every trial is a line of JSON in a file of its own search, written when it is finished: a search that was stopped, even
by `kill -9`, goes on with the next one, and a longer search extends a shorter one of the same seed.
"""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dcgan_features.benchmarks.config.strict import Count, Strict
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import sync, write_text, writing
from dcgan_features.data.utils.formats import opened, parse_json, read_bytes, sealed
from dcgan_features.data.utils.random_streams import uniform

Bounds = tuple[float, float]


class Range(Strict):
    """Numbers drawn between two bounds: evenly, or evenly in the logarithm."""

    place: ClassVar[str] = "a range"
    uniform: Bounds | None = None
    log_uniform: Bounds | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.uniform is None) == (self.log_uniform is None):
            raise ValueError("give either 'uniform' or 'log_uniform', with two bounds")
        low, high = self.uniform or self.log_uniform or (0.0, 0.0)
        if not low < high or (self.log_uniform is not None and low <= 0):
            raise ValueError("the lower bound comes first, and is above 0 for 'log_uniform'")
        return self

    def at(self, share: float) -> float:
        """The number at a share, 0..1, of the way, to four digits: what is printed is what was tried."""
        if self.log_uniform is not None:
            low, high = map(math.log, self.log_uniform)
            return float(f"{math.exp(low + share * (high - low)):.4g}")
        low, high = self.uniform or (0.0, 0.0)
        return float(f"{low + share * (high - low):.4g}")


class Search(Strict):
    """Which settings of the classifier are tried on the validation images.

    space : by setting, the values to choose from, or a range of numbers.
    trials : how many random combinations; None tries every combination of the values.
    draws : of labels that each trial is fitted on, the first ones of the protocol; their mean error decides.
    seed : of the random combinations.
    """

    place: ClassVar[str] = "a search"
    space: Annotated[dict[str, Range | Annotated[list[Any], Field(min_length=1)]], Field(min_length=1)]
    trials: Count | None = None
    draws: Count = 1
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        ranges = [name for name, values in self.space.items() if isinstance(values, Range)]
        if ranges and self.trials is None:
            raise ValueError(f"a range ('{ranges[0]}') has no end of values; give 'trials'")
        return self

    def candidates(self) -> list[dict[str, Any]]:
        """The settings to try, in order. A random trial depends on the seed and its number alone."""
        if self.trials is None:
            lists = [values for values in self.space.values() if isinstance(values, list)]
            return [dict(zip(self.space, chosen, strict=True)) for chosen in itertools.product(*lists)]
        return [self._random(number) for number in range(self.trials)]

    def _random(self, number: int) -> dict[str, Any]:
        shares = uniform((len(self.space),), self.seed, number)
        return {
            name: values.at(share) if isinstance(values, Range) else values[int(share * len(values))]
            for (name, values), share in zip(self.space.items(), shares.tolist(), strict=True)
        }


class Trial(BaseModel):
    """One trial: its settings, the error on the validation images in percent, one a label draw, and its seconds.

    failed : why there is no error, where the classifier refused the settings or what it came to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    settings: dict[str, Any]
    errors: list[float]
    seconds: float
    failed: str | None = None

    @property
    def error(self) -> float:
        """The mean over the draws; infinite for a trial that failed."""
        return sum(self.errors) / len(self.errors) if self.errors else math.inf


def best_of(trials: list[Trial]) -> Trial:
    """The trial of least error, of equals the first. Raises `InputError` when all failed."""
    best = min(trials, key=lambda trial: trial.error)
    if not best.errors:
        raise InputError(f"all {len(trials)} trials of the search failed, the first one: {best.failed}")
    return best


def run_search(
    search: Search,
    attempt: Callable[[dict[str, Any]], list[float]],
    record: Path,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[Trial]:
    """Try all candidates, but for those that `record` holds already.

    attempt : takes settings, returns errors in percent, one a label draw; a ValueError counts as a trial that failed.
    record : file of finished trials, one JSON a line. report : called with (trials done, trials in all).
    """
    candidates, recorded = search.candidates(), read_trials(record)
    _mend(record, recorded)
    known = {_key(trial.settings): trial for trial in recorded if len(trial.errors) in (0, search.draws)}
    trials = []
    for number, settings in enumerate(candidates):
        report(number, len(candidates))
        trial = known.get(_key(settings))
        if trial is None:
            trial = _tried(settings, attempt)
            _append(record, trial)
            known[_key(settings)] = trial
        trials.append(trial)
    report(len(candidates), len(candidates))
    return trials


def _tried(settings: dict[str, Any], attempt: Callable[[dict[str, Any]], list[float]]) -> Trial:
    begun = time.perf_counter()
    errors, failed = [], None
    try:
        errors = [round(float(error), 6) for error in attempt(settings)]
    except (ValueError, FloatingPointError) as error:
        failed = " ".join(str(error).split())
    return Trial(settings=settings, errors=errors, seconds=round(time.perf_counter() - begun, 3), failed=failed)


def read_trials(record: Path) -> list[Trial]:
    """The finished trials in a file, none where there is no file; a last line that was cut short is left out."""
    return list(_read(record)) if record.exists() else []


def _read(record: Path) -> Iterator[Trial]:
    lines = read_bytes(record).split(b"\n")
    for number, line in enumerate(lines[:-1], 1):  # a whole line ends in a newline
        try:
            yield Trial.model_validate(opened(parse_json(line.decode(), record), record, required=False))
        except (InputError, UnicodeDecodeError, ValidationError):
            if number < len(lines) - 1:
                raise InputError(
                    f"{record} is damaged in line {number}; delete it, and the search begins anew"
                ) from None


def _mend(record: Path, trials: list[Trial]) -> None:
    """Take a last line that was cut short out of the file that `trials` were read from."""
    kept = "".join(map(_line, trials))
    if record.exists() and read_bytes(record) != kept.encode():
        write_text(record, kept)


def _append(record: Path, trial: Trial) -> None:
    with writing(record):
        record.parent.mkdir(parents=True, exist_ok=True)
        with record.open("a", encoding="utf-8") as file:
            file.write(_line(trial))
            file.flush()
            sync(file.fileno())


def _line(trial: Trial) -> str:
    """A trial as a line of its file, with a seal of its own."""
    return json.dumps(sealed(trial.model_dump())) + "\n"


def _key(settings: dict[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)
