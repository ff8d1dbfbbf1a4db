"""Locks between processes, and what becomes of them where a file system has none."""

from __future__ import annotations

import contextlib
import errno
import logging
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from dcgan_features.data.utils.files import LONGEST, shortened, writing

# By which file systems say that they have no locks.
UNSUPPORTED = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}

log = logging.getLogger(__name__)


class Lock:
    """A lock on a file, held by one process at a time, and given up by the system when that process dies.

    Where the file system has no locks, a warning says so once and the work goes on as if alone: files appear complete
    or not at all in any case, so that two commands could only do the same work twice.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(shortened(path.name, LONGEST))
        self._lock = FileLock(self.path)

    def acquire(self, timeout: float = -1) -> None:
        """Take the lock, waiting for it at most `timeout` seconds, or without end below 0.

        The lock's folder is made when absent. Raises `filelock.Timeout`, and `InputError` for a folder that may not be
        written.
        """
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=timeout)
            except Timeout:
                raise
            except (OSError, NotImplementedError) as error:
                if isinstance(error, OSError) and error.errno not in UNSUPPORTED:
                    raise
                log.warning(
                    "the file system of %s has no locks (%s): run no second command there meanwhile",
                    self.path.parent,
                    error,
                )

    def release(self) -> None:
        """Give the lock back, if it is held."""
        with contextlib.suppress(OSError):
            self._lock.release()


@contextlib.contextmanager
def locked(path: Path, timeout: float = -1) -> Iterator[None]:
    """Hold the lock at `path` within; see `Lock`."""
    lock = Lock(path)
    lock.acquire(timeout)
    try:
        yield
    finally:
        lock.release()
