"""Networks that torch.compile makes faster where it can, and that stay as they are where it cannot."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import nn

Result = TypeVar("Result")
Compiler = str | Callable[..., Any]  # a backend of torch.compile: its name, or what it calls

_VARIANTS = 64  # of a network's code: by its kind, precision, and whose gradients are wanted; PyTorch's limit is 8


def default_compiler(device: torch.device) -> Compiler | None:
    """The usual one on a GPU, if Triton is there to make its kernels; none on the CPU, where runs repeat to the bit."""
    return "inductor" if device.type == "cuda" and importlib.util.find_spec("triton") else None


def compile_networks(networks: Sequence[nn.Module], compiler: Compiler) -> None:
    """Have each network compiled as one graph when it is first called, and anew for other shapes or modes."""
    from torch._dynamo import config  # late: it takes seconds to import

    config.recompile_limit = max(config.recompile_limit, _VARIANTS)
    for network in networks:
        network.compile(backend=compiler, fullgraph=True, dynamic=False)


def attempt(networks: Sequence[nn.Module], work: Callable[[], Result]) -> tuple[Result, bool]:
    """Do `work`, which calls the networks; where they cannot be compiled, warn, and do it with them as they are.

    Returns what `work` did and whether the networks are still compiled. Nothing but the forward and backward passes
    may come before the first failure in `work`: they are done again.
    """
    from torch._dynamo import exc  # late: it takes seconds to import

    try:
        return work(), True
    except Exception as error:
        if not isinstance(error, exc.TorchDynamoException) and type(error).__module__ != exc.__name__:
            raise  # not every exception of torch.compile's has that class
        first = str(error).strip().split("\n")[0]
        warnings.warn(f"the networks cannot be compiled here, training goes on without: {first}", stacklevel=2)
        for network in networks:
            network._compiled_call_impl = None
        return work(), False
