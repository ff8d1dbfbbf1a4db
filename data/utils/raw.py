"""Files as bytes and as text: what keeps one from being read, in a sentence."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

from dcgan_features.data.utils.errors import InputError

_REASONS = {
    errno.EACCES: "may not be read; change its permissions",
    errno.EPERM: "may not be read; change its permissions",
    errno.EISDIR: "is a folder, not a file; name a file",
    errno.ENAMETOOLONG: "has a name that this file system finds too long; shorten it",
    errno.ELOOP: "is a link that leads in a circle; mend it",
    errno.EIO: "cannot be read from its disk (input/output error); restore it from a copy",
    errno.ESTALE: "is on a network disk that has lost it; run again",
}


def check_file(path: Path | str) -> int:
    """The size of a file in bytes. Raises `InputError` for what is absent, or not a file: a pipe would never end."""
    try:
        found = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{printable(path)} does not exist; check the path") from None
    except OSError as error:
        raise unreadable(path, error) from None
    except ValueError:  # a zero byte in the name
        raise InputError(f"{printable(path)} is not the name of a file; check the path") from None
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"{printable(path)} {_REASONS[errno.EISDIR]}")
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{printable(path)} is a pipe or a device, not a file; save what it gives to a file")
    return found.st_size


def unreadable(path: Path | str, error: OSError) -> InputError:
    """The sentence for a file that the system does not let be read."""
    reason = _REASONS.get(error.errno or 0, f"cannot be read ({reason_of(error)}); check the path")
    return InputError(f"{printable(path)} {reason}")


def read_bytes(path: Path | str, most: int | None = None) -> bytes:
    """All bytes of a file. most : larger ones are refused. Raises `InputError`, naming the file, where it cannot."""
    size = check_file(path)
    if most is not None and size > most:
        raise InputError(
            f"{printable(path)} has {size:,} bytes, which is more than the {most:,} that such a file may have"
        )
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None
    except MemoryError:
        raise InputError(f"{printable(path)} has {size:,} bytes, for which there is not enough memory") from None


def read_text(path: Path | str, most: int | None = None) -> str:
    """A file of UTF-8, a byte-order mark at its beginning left out; parameters and errors as `read_bytes`."""
    content = read_bytes(path, most)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{printable(path)} is not text in UTF-8, first in line {line}; save it as UTF-8") from None


def reason_of(error: BaseException) -> str:
    """An exception's text on one line, or else its name."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).split())
    return printable(text if len(text) <= 200 else f"{text[:200]}...") or type(error).__name__


def printable(text: object) -> str:
    """Text as it can be printed on one line: what would move the cursor, and bytes that are no text, are escaped."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in str(text)
    )
