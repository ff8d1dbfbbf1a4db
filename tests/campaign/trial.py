"""One reader, tried on damaged files: what came of each input."""

from __future__ import annotations

import contextlib
import random
import resource
import signal
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dcgan_features.data.utils.errors import InputError
from tests.campaign.damage import Damage, no_file, remove

SECONDS, MIB = 10.0, 600  # beyond which an input hangs, or a memory explodes
CLEAR, SAME, OTHER = "clear", "same", "other"
TRACEBACK, HANG, MEMORY, SILENT = "traceback", "hang", "memory", "silent"
BAD = (TRACEBACK, HANG, MEMORY, SILENT)


@dataclass(frozen=True)
class Reader:
    """A reader, and the files that it reads.

    read : what is trained, measured or published of the files, as a text or bytes. files : that are damaged.
    damages : ways to. own : whether this project wrote the files, so that nothing else than what was written may
    come of them; of a user's files other values may. plausible : of those, whether other values can come of so little
    damage: called with what came of the whole files, what came now, and the number of bytes changed. clean : removes
    what reading has left beside the files.
    """

    name: str
    read: Callable[[], Any]
    files: Sequence[Path]
    damages: Sequence[Damage]
    own: bool = True
    plausible: Callable[[Any, Any, int], bool] = lambda before, now, changed: True
    clean: Callable[[], None] = lambda: None


@dataclass
class Outcome:
    """Counts by what came of inputs, and what was seen of those that ended badly."""

    counts: Counter[str] = field(default_factory=Counter)
    seen: list[str] = field(default_factory=list)

    @property
    def tried(self) -> int:
        """Inputs in all."""
        return sum(self.counts.values())


class _TooLongError(BaseException):
    """An input took too long."""


def try_reader(reader: Reader, count: int, draw: random.Random) -> Outcome:
    """Damage one of the reader's files `count` times, each time from whole ones, and read."""
    whole = {path: path.read_bytes() for path in reader.files}
    before, outcome = reader.read(), Outcome()
    for number in range(count):
        for path, content in whole.items():
            remove(path)
            path.write_bytes(content)
        reader.clean()
        path = draw.choice(list(reader.files))
        changed = 10**9
        if draw.randrange(40) == 0:
            what = "no file"
            no_file(path, draw)
        else:
            damage = draw.choice(list(reader.damages))
            content = damage(whole[path], draw)
            if content == whole[path]:
                continue
            what = damage.__name__
            if len(content) == len(whole[path]):
                changed = sum(a != b for a, b in zip(content, whole[path], strict=True))
            path.write_bytes(content)
        kind, said = _outcome(reader, before, changed)
        outcome.counts[kind] += 1
        if kind in BAD:
            outcome.seen.append(f"{reader.name}, input {number}, {what} of {path.name}: {kind}: {said}")
    for path, content in whole.items():
        remove(path)
        path.write_bytes(content)
    return outcome


def _outcome(reader: Reader, before: Any, changed: int) -> tuple[str, str]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with _within(SECONDS), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            now = reader.read()
    except InputError as error:
        kind, said = CLEAR, str(error)
        if "\n" in said or not said.strip():
            kind = TRACEBACK
    except _TooLongError:
        kind, said = HANG, f"more than {SECONDS:.0f} s"
    except Exception:
        kind, said = TRACEBACK, traceback.format_exc(limit=-4)
    else:
        kind, said = SAME, ""
        if now != before:
            fits = not reader.own and reader.plausible(before, now, changed)
            kind, said = (OTHER, "") if fits else (SILENT, f"{str(before)[:200]!r} became {str(now)[:200]!r}")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024
    return (MEMORY, f"{grown:.0f} MiB") if grown > MIB else (kind, said)


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
