"""What a result says of the machine and the software that made it."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from dcgan_features.data.utils.versions import versions

_PACKAGES = ("torch", "torchvision", "numpy", "scikit-learn", "safetensors")


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
    """The commit of this code, with "-changed" where the packages differ from it; None outside a clone."""
    root = Path(__file__).resolve().parents[2]
    packages = ("benchmarks", "data", "eval", "features", "gan")
    try:
        if Path(_git(root, "rev-parse", "--show-toplevel")).resolve() != root:
            return None
        changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", *packages)
        return _git(root, "rev-parse", "HEAD") + ("-changed" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()


def environment() -> dict[str, Any]:
    """What every file of results says of the code: its commit, and the versions of Python and of what computes."""
    return {"commit": commit(), "versions": versions(*_PACKAGES)}
