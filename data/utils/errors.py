"""The one error that a user is meant to read, and help with misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_FEW = 40  # names that a message lists


class InputError(Exception):
    """Something the user gave cannot be used.

    The message is one sentence that says what is wrong, where, and what to do. Commands print it without a
    traceback and exit with code 2; see `data.utils.cli.run`.
    """


def unknown_name(kind: str, name: str, valid: Iterable[str], where: str = "") -> InputError:
    """An `InputError` for a name that is not one of `valid`, naming the nearest valid one.

    kind : what the name stands for, such as "row" or "key".
    where : the file or option in which it was found; may be empty.
    """
    names = sorted(map(str, valid))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
    place = f" in {where}" if where else ""
    if not close:
        return InputError(f"unknown {kind} '{name}'{place}: there are none to choose from")
    valid_names = f"valid: {', '.join(names)}" if len(names) <= _FEW else f"one of {len(names):,}"
    return InputError(f"unknown {kind} '{name}'{place}: did you mean '{close[0]}'? ({valid_names})")
