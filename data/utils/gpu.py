"""What can go wrong on a GPU, told apart and said in a sentence: too little memory, no bfloat16, a GPU that is gone."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from dcgan_features.data.utils.errors import InputError

Result = TypeVar("Result")

# What PyTorch and the libraries below it say; which class the exception has depends on who noticed first.
_MEMORY = ("CUDA out of memory", "CUDA error: out of memory", "_STATUS_ALLOC_FAILED", "can't allocate memory")
_KERNELS = ("no kernel image is available", "driver on your system is too old", "does not support bfloat16")
_LOST = (
    "CUDA error", "CUDA driver error", "CUDA unknown error", "cuDNN error", "No CUDA GPUs are available",
    "Found no NVIDIA driver",
)  # fmt: skip
_OURS = ("device-side assert", "invalid argument", "invalid configuration")  # a mistake of the program's


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory, the device's most likely, did not suffice."""
    return isinstance(error, torch.OutOfMemoryError) or (isinstance(error, RuntimeError) and _says(error, _MEMORY))


def failure(error: BaseException) -> str | None:
    """What is wrong with the device and what to do, as the beginning of a sentence; None for any other error."""
    said = ". ".join(str(error).split("\n")[0].split(". ")[:2]).rstrip(".")
    if is_out_of_memory(error):
        return f"the memory does not suffice ({said}); free it of other programs, or choose smaller blocks or batches"
    if not isinstance(error, RuntimeError) or _says(error, _OURS):
        return None
    if _says(error, _KERNELS):
        return (
            f"this GPU or its driver does not go with this PyTorch ({said}); install another one, or give --device cpu"
        )
    if _says(error, _LOST):
        return f"the GPU failed or is gone ({said}); look at nvidia-smi and the system's log"
    return None


def _says(error: BaseException, phrases: tuple[str, ...]) -> bool:
    return any(phrase in str(error) for phrase in phrases)


def release_memory() -> None:
    """Give back what a failed attempt has left; the exception itself must no longer be held."""
    gc.collect()
    torch.cuda.empty_cache()  # nothing where no GPU is in use


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor, which is on the CPU, on the device; a GPU is not waited for."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def float32_convolutions(device: torch.device, search: bool = False) -> contextlib.AbstractContextManager[Any]:
    """On a GPU, have convolutions of float32 done in float32, not in TensorFloat-32 with its 10 bits.

    search : try cuDNN's algorithms once for each shape and keep to the quickest; which it is may differ between runs.
    """
    if device.type == "cuda":
        return torch.backends.cudnn.flags(enabled=True, benchmark=search, allow_tf32=False)
    return contextlib.nullcontext()


def fits(size: int, device: torch.device) -> bool:
    """Whether `size` bytes to be kept on the GPU take less than half of what is free there."""
    return size < torch.cuda.mem_get_info(device)[0] // 2


def computes_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies in bfloat16; NVIDIA's do from compute capability 8.0 (Ampere, 2020) on."""
    if device.type != "cuda" or torch.version.hip is not None:
        return True
    return torch.cuda.get_device_capability(device)[0] >= 8


def fast_bfloat16() -> bool:
    """Whether this processor has instructions for products of bfloat16 (x86's AVX-512 BF16 or AMX), as far as is known.

    False where PyTorch does not tell, on ARM for instance; such products are then emulated, or not known to be quicker.
    """
    tells = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return any(tell is not None and bool(tell()) for tell in tells)


def check_precision(precision: str, device: torch.device) -> None:
    """Raise `InputError` where a recipe's `precision` is "bf16" and the device does not compute in it."""
    if precision == "bf16" and not computes_bfloat16(device):
        raise InputError(
            f"{torch.cuda.get_device_name(device)} does not compute in bfloat16; give 'precision: fp32' in the recipe "
            "or --device cpu"
        )


def with_smaller_blocks(work: Callable[[int], Result], size: int, least: int = 1) -> tuple[Result, int]:
    """work(size), or, where memory does not suffice, work(size // 2) and so on; and the size that it was in the end.

    work : takes the size of a block, and may be begun again. What it raises at the size `least`, this raises.
    """
    while True:
        try:
            return work(size), size
        except RuntimeError as error:
            if size <= least or not is_out_of_memory(error):
                raise
        # Only here, where the exception is no longer held, are the attempt's tensors free.
        release_memory()
        size = max(size // 2, least)
