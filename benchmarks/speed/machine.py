"""What a measured time says of the machine: the processor, what it can do, and the libraries that multiply."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_info

from dcgan_features.data.utils.versions import versions

# As Linux calls them on x86 and on ARM: what decides how fast matrices are multiplied.
_WIDE = ("avx2", "fma", "avx512f", "avx512_bf16", "avx_vnni", "amx_tile", "amx_bf16", "asimd", "bf16", "sve", "i8mm")


def machine(processor: Path = Path("/proc/cpuinfo")) -> dict[str, Any]:
    """The processor's name, its vector instructions, cores, threads and libraries; nothing that names this computer.

    processor : the kernel's account of it; where there is none, Python's word for it and no instructions.
    """
    try:
        lines = processor.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    told: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            told.setdefault(name.strip().lower(), value.strip())
    has = set(told.get("flags", told.get("features", "")).split())
    return {
        "processor": told.get("model name") or platform.machine(),
        "instructions": [name for name in _WIDE if name in has],
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "blas": sorted({f"{each['internal_api']} {each['version']}" for each in threadpool_info() if each["version"]}),
        "libraries": versions("scipy", "numba", "threadpoolctl"),
    }
