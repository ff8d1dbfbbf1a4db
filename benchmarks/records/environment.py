"""What a result says of the machine and the software that made it."""

from __future__ import annotations

import functools
import hashlib
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from dcgan_features.data.utils.versions import versions

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("benchmarks", "data", "eval", "features", "gan")
_LIBRARIES = ("torch", "torchvision", "numpy", "scikit-learn", "safetensors")


def peak_gib() -> float:
    """Largest resident memory of this process so far, memory-mapped files included, in GiB."""
    try:
        # Not getrusage: there a new process starts from the peak of the one that started it.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**20
    except OSError:
        pass
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def describe_device(device: torch.device) -> str:
    """The device for a table: "cpu, 2 threads" or the GPU's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {torch.get_num_threads()} threads"


def commit() -> str | None:
    """The commit of this code; None outside a clone, and where the packages differ from what is committed."""
    try:
        if Path(_git("rev-parse", "--show-toplevel")).resolve() != ROOT:
            return None
        changed = _git("status", "--porcelain", "--untracked-files=normal", "--", *PACKAGES)
        return None if changed else _git("rev-parse", "HEAD")
    except (OSError, subprocess.SubprocessError):
        return None


@functools.cache
def source_tree() -> str:
    """SHA-256 of the packages' Python files and tables, with their paths: equal wherever the code is the same."""
    found = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            if path.suffix in (".py", ".yaml"):
                content = path.read_bytes()
                found.update(f"{path.relative_to(ROOT).as_posix()} {len(content)};".encode() + content)
    return found.hexdigest()


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()


def environment() -> dict[str, Any]:
    """What every file of results says of the code: commit, digest of its files, versions of Python and libraries."""
    return {"commit": commit(), "source_tree": source_tree(), "versions": versions(*_LIBRARIES)}
