"""What an extractor costs and how much of its features is used: what frozen features need to know of themselves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dcgan_features.data.dataset import Images

_IMAGES = 2
_DEPTH = 3  # of attributes inside attributes that are looked through for modules


def parameters_of(extractor: Any) -> int | None:
    """The number of learned numbers in the modules that a fitted extractor holds; None where it holds none."""
    # What was fitted, scikit-learn's way of naming it; what it was made of may be held beside it.
    fitted = {name: value for name, value in getattr(extractor, "__dict__", {}).items() if name.endswith("_")}
    found_in = list(_modules(fitted, _DEPTH)) or list(_modules(extractor, _DEPTH))
    modules = {id(module): module for module in found_in}
    found = {id(tensor): tensor.numel() for module in modules.values() for tensor in module.parameters()}
    return sum(found.values()) or None


def gmacs_of(extractor: Any, images: Images) -> float | None:
    """Billions of multiply-adds an image, of the matrix products and convolutions that torch runs; None without any.

    images : uint8 (n, height, width, channels), of which two are transformed. Kernels that torch does not know, such as
    those compiled by numba, are not counted, so that an extractor with them has None or too little: see
    `benchmarks.speed`.
    """
    part = np.ascontiguousarray(images[:_IMAGES])
    counter = FlopCounterMode(display=False)
    try:
        with counter:
            extractor.transform(part)
    except Exception:  # some models cannot run under the counter; the figure is then not known
        return None
    flops = counter.get_total_flops()
    return flops / 2e9 / len(part) if flops else None


def _modules(value: Any, depth: int) -> Iterator[nn.Module]:
    if isinstance(value, nn.Module):
        yield value
        return
    if depth == 0 or isinstance(value, torch.Tensor | np.ndarray | str | bytes | int | float | type):
        return
    if isinstance(value, dict):
        inside = list(value.values())
    elif isinstance(value, list | tuple):
        inside = list(value)
    else:
        inside = []
        with contextlib.suppress(TypeError):
            inside = list(vars(value).values())
    for item in inside:
        yield from _modules(item, depth - 1)
