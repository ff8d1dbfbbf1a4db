"""How long importing a probe takes beyond PyTorch itself, each time in a process of its own."""

from __future__ import annotations

import statistics
import subprocess
import sys
from typing import Any

PROBES = ("L2SVM", "LogisticProbe")
_CODE = """
import time
begun = time.perf_counter()
import torch
middle = time.perf_counter()
from dcgan_features.eval import {name}
print(middle - begun, time.perf_counter() - middle)
"""


def import_times(repeats: int) -> dict[str, Any]:
    """Medians of seconds and their ratio to `import torch`; the first time, when files may have to be read, apart."""
    measured: dict[str, Any] = {}
    for name in PROBES:
        pairs = [_once(name) for _ in range(repeats + 1)]
        torch_seconds, own = (statistics.median(pair[place] for pair in pairs[1:]) for place in (0, 1))
        measured[name] = {
            "torch_seconds": torch_seconds,
            "seconds_beyond": own,
            "over_torch": own / torch_seconds,
            "first_seconds_beyond": pairs[0][1],
        }
    return measured


def _once(name: str) -> tuple[float, float]:
    ran = subprocess.run([sys.executable, "-c", _CODE.format(name=name)], capture_output=True, text=True, check=True)
    first, second = ran.stdout.split()
    return float(first), float(second)
