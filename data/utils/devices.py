"""Which device computes: the one that was named, or a GPU where there is one."""

from __future__ import annotations

import os

import torch

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.gpu import computes_bfloat16
from dcgan_features.data.utils.torchrun import started_by_torchrun


def choose_device(device: str | torch.device | None, dtype: str = "float32") -> torch.device:
    """Return the device named; None is a GPU where there is one, else the CPU.

    Of several processes that `torchrun` started on a machine, "cuda" gives each a GPU of its own.

    dtype : "bfloat16" or "float32", in which it is to compute. Raises ValueError for a device that cannot be used so.
    """
    chosen = _find(device, f"device={device!r}")
    if dtype == "bfloat16" and not computes_bfloat16(chosen):
        raise ValueError(
            f"{torch.cuda.get_device_name(chosen)} does not compute in bfloat16; choose float32 or device='cpu'"
        )
    return chosen


def device_option(name: str | None) -> torch.device:
    """Return the device that the option `--device` names, of those that commands support: the CPU and CUDA's.

    Raises `InputError` for any other, and for one that is not there.
    """
    try:
        device = _find(name, f"--device {name}")
    except ValueError as error:
        raise InputError(str(error)) from None
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"--device {name} is not supported; give cpu, cuda or cuda:N")
    return device


def _find(device: str | torch.device | None, given: str) -> torch.device:
    """The device; ValueError, which calls it `given`, for one that torch does not know or that is not there."""
    name = device if device is not None else "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and started_by_torchrun():
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    try:
        found = torch.device(name)
    except RuntimeError:
        raise ValueError(f"{given} is not a device; give cpu, cuda or cuda:N") from None
    count = torch.cuda.device_count() if found.type == "cuda" else 0
    if found.type == "cuda" and (found.index or 0) >= count:
        raise ValueError(f"{given}: torch finds {count} CUDA devices on this machine; give cpu")
    module = getattr(torch, found.type, None)
    if found.type not in ("cpu", "cuda") and not (module is not None and module.is_available()):
        raise ValueError(f"{given}: torch finds no such device on this machine; give cpu")
    return found
