"""What commands print on: any encoding, a reader that goes away, and names that would move the cursor."""

from __future__ import annotations

import codecs
import contextlib
import io
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO

_PLAIN = {
    "±": "+-", "×": "x", "·": "*", "…": "...", "\u2013": "-", "\u2014": "-", "\u2212": "-", "≤": "<=", "≥": ">=",
    "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "━": "-", "╸": "-", "╺": "-", "•": "*",
}  # fmt: skip
# Escape sequences of progress bars and colours, which rich writes, and of nothing else; or one control character.
_CONTROL = re.compile(r"\x1b\[[0-9;]*[mAK]|\x1b\[\?25[lh]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def _readable(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that an encoding has not."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in text), error.end


codecs.register_error("readable", _readable)


class _Patient(io.RawIOBase):
    """Writes to a file descriptor; once nobody reads it any more, nowhere."""

    def __init__(self, raw: Any) -> None:
        self._raw, self._gone = raw, False

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return bool(self._raw.isatty())

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def write(self, data: Any) -> int:
        if not self._gone:
            try:
                return int(self._raw.write(data) or 0)
            except BrokenPipeError:
                self._gone = True
        return len(data)


class _Terminal(io.TextIOWrapper):
    """Text in which control characters are written out, but for those by which rich draws on a terminal."""

    def write(self, text: str) -> int:
        drawn = self.isatty()
        super().write(
            _CONTROL.sub(lambda found: found[0] if drawn and len(found[0]) > 1 else _written_out(found[0]), text)
        )
        if self.write_through:
            self.flush()
        return len(text)


def _written_out(text: str) -> str:
    return text.encode("unicode_escape").decode()


@contextlib.contextmanager
def steady_output() -> Iterator[None]:
    """Within, whatever is printed arrives in some form, and a reader that goes away does not end the work.

    Characters that the encoding lacks are replaced; control characters, as names of files may have them, are written
    out; and after a broken pipe the output goes nowhere. Streams that are not those of the process stay as they are.
    """
    before = (sys.stdout, sys.stderr)
    sys.stdout, sys.stderr = _steady(sys.stdout, sys.__stdout__), _steady(sys.stderr, sys.__stderr__)
    try:
        yield
    finally:
        made = (sys.stdout, sys.stderr)
        sys.stdout, sys.stderr = before
        for stream, former in zip(made, before, strict=True):
            if stream is not former:
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
                    stream.detach()  # type: ignore[attr-defined]


def _steady(stream: TextIO, own: TextIO | None) -> TextIO:
    layer = getattr(stream, "buffer", None)
    raw = getattr(layer, "raw", layer)  # there is one layer less where Python is told not to buffer
    if stream is not own or raw is None:
        return stream
    stream.flush()
    buffer: Any = io.BufferedWriter(_Patient(raw))
    made: TextIO = _Terminal(buffer, stream.encoding, "readable", line_buffering=True, write_through=layer is raw)
    return made
