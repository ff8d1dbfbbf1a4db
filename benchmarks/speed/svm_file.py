"""One L2-SVM on features in a file larger than the machine's memory, and at what share of the disk's rate it reads."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from dcgan_features.benchmarks.speed.svm import PATH, large_problem_blocks
from dcgan_features.data.utils.cli import progress
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path, writing
from dcgan_features.eval import L2SVM

_READ, _MOST_READ = 1 << 26, 4 << 30  # bytes of a read and of all reads by which the disk's own rate is measured
_CGROUPS = Path("/sys/fs/cgroup")
Progress = Callable[[str], None]


def fit_file(say: Progress, folder: Path, gigabytes: float, dimensions: int) -> dict[str, Any]:
    """Write synthetic bfloat16 features to a file unless it is there, and fit one C on it, nothing of it in memory.

    folder : of the file, which stays there. Raises `InputError` off Linux, and where the disk is too small.
    """
    if not hasattr(os, "posix_fadvise") or not Path("/proc/self/io").exists():
        raise InputError("the rate of reading is taken from Linux's counters; run this on Linux")
    rows = max(100, round(gigabytes * 1e9 / (2 * dimensions)))
    path, labels = write_problem(folder, rows, dimensions)
    own_rate = disk_rate(path)
    say(f"the disk reads {own_rate / 1e9:.2f} GB/s")
    X = torch.from_file(str(path), shared=False, size=rows * dimensions, dtype=torch.bfloat16).view(rows, dimensions)
    _forget(path)
    before, begun = _bytes_read(), time.perf_counter()
    with _PeakOfOwnMemory() as memory:
        fitted = L2SVM(PATH[0], verbose=1).fit(X, labels)
    seconds, read = time.perf_counter() - begun, _bytes_read() - before
    size = path.stat().st_size
    return {
        "problem": f"{rows:,} x {dimensions:,}, 10 classes, C = {PATH[0]:g}, bfloat16, synthetic, in a file",
        "file_gb": size / 1e9,
        "memory_gib": memory_to_be_had() / 2**30,
        "own_memory_gib": memory.peak / 2**30,
        "threads": torch.get_num_threads(),
        "seconds": seconds,
        "passes": fitted.n_products_,
        "relative_gap": float((fitted.duality_gap_ / fitted.objective_).max()),
        "read_gb": read / 1e9,
        "features_gb_a_second": fitted.n_products_ * size / seconds / 1e9,
        "disk_gb_a_second": own_rate / 1e9,
    }


def write_problem(folder: Path, rows: int, dimensions: int) -> tuple[Path, npt.NDArray[np.int64]]:
    """The file of features, (rows, dimensions) bfloat16 as they lie in memory, and the labels, beside it.

    Both appear when they are complete; what is there of an earlier call is taken.
    """
    path = folder / f"features-{rows}x{dimensions}.bin"
    labels_path = path.with_suffix(".labels.npy")
    if not path.exists() or not labels_path.exists():
        labels, done = np.empty(rows, np.int64), 0
        with writing(folder), progress(rows, "rows of features written") as advance:
            folder.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                for features, own in large_problem_blocks(rows, dimensions):
                    file.write(features.view(torch.int16).numpy().tobytes())
                    labels[done : done + len(own)] = own
                    done += len(own)
                    advance(len(own))
            with atomic_path(labels_path) as temporary, temporary.open("wb") as file:
                np.save(file, labels)
    return path, np.load(labels_path)


def disk_rate(path: Path) -> float:
    """Bytes a second of plain reading, in order, of the file's beginning, none of which is in memory before."""
    _forget(path)
    read, begun = 0, time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while read < _MOST_READ and (piece := file.read(_READ)):
            read += len(piece)
    return read / (time.perf_counter() - begun)


def memory_to_be_had() -> int:
    """Bytes of the machine's memory, or of what its control group leaves this process, as in a container."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        root, name = _CGROUPS / "memory", "memory.limit_in_bytes"
        if not controllers:  # version 2
            root, name = _CGROUPS, "memory.max"
        elif "memory" not in controllers.split(","):
            continue
        limit = root / group.lstrip("/") / name
        if limit.is_file() and (text := limit.read_text().strip()).isdigit():
            found.append(int(text))
    return min(found)


def _forget(path: Path) -> None:
    """Have the system drop what it holds of the file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _bytes_read() -> int:
    counters = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counters["read_bytes"])


class _PeakOfOwnMemory:
    """The most memory of its own that the process has, pages of files left out: looked at ten times a second."""

    def __init__(self) -> None:
        self.peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _PeakOfOwnMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            status = Path("/proc/self/status").read_text()
            own = next(line for line in status.splitlines() if line.startswith("RssAnon:"))
            self.peak = max(self.peak, int(own.split()[1]) * 1024)
            if self._over.wait(0.1):
                return


def verdict(measured: dict[str, Any]) -> str:
    """How near the fit came to the disk's own rate, in a sentence."""
    share = measured["features_gb_a_second"] / measured["disk_gb_a_second"]
    beside = f"{measured['file_gb']:.1f} GB beside {measured['memory_gib']:.1f} GiB of memory"
    passes = f"{measured['passes']:g} passes in {measured['seconds']:.0f} s"
    own = f"in {measured['own_memory_gib']:.1f} GiB of its own"
    return f"{beside}: {passes}, {share:.2f} times the disk's own rate, {own}."
