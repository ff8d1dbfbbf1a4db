"""Work recorded once as a CUDA graph and replayed, so that the GPU does not wait for Python between its kernels.

A minibatch of a small network is some hundred kernels of a few microseconds each: launched one by one from Python they
take longer than they run. A graph is launched as one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from dcgan_features.data.utils.gpu import is_out_of_memory

Work = Callable[..., Mapping[str, Tensor]]
Record = Callable[[Callable[[], None]], Callable[[], None]]

_BEFORE = 3  # times that work is done as it is: networks are compiled, algorithms chosen and states made meanwhile


def record_on_gpu(work: Callable[[], None]) -> Callable[[], None]:
    """Record what `work` does on the GPU, without doing it; what is returned does it, on the same memory."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def default_record(device: torch.device) -> Record | None:
    """How work is recorded on this device; None where it is not."""
    return record_on_gpu if device.type == "cuda" and torch.version.hip is None else None


class Recorded:
    """Work that is done as it is at first, then recorded, and from then on replayed on other inputs.

    work : takes tensors and returns tensors by name. Apart from these inputs it must depend on nothing that changes but
        tensors that stay where they are, and must not wait for the device.
    record : see `record_on_gpu`; None: the work is always done as it is. Where recording fails it is, with a warning.
    """

    def __init__(self, work: Work, record: Record | None) -> None:
        self._work, self._record = work, record
        self._done = 0
        self._replay: Callable[[], None] | None = None
        self._inputs: list[Tensor] = []
        self._outputs: Mapping[str, Tensor] = {}

    def __call__(self, *inputs: Tensor) -> Mapping[str, Tensor]:
        """What the work makes of these inputs, whose shapes are always the same."""
        if self._replay is None and self._record is not None and self._done >= _BEFORE:
            self._replay = self._recorded(self._record, inputs)
        if self._replay is None:
            outputs = self._work(*inputs)
            self._done += 1
            return outputs
        for own, given in zip(self._inputs, inputs, strict=True):
            own.copy_(given)
        self._replay()
        return {name: output.clone() for name, output in self._outputs.items()}

    def _recorded(self, record: Record, inputs: tuple[Tensor, ...]) -> Callable[[], None] | None:
        self._inputs = [given.clone() for given in inputs]
        try:
            return record(self._on_own_memory)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            first = str(error).strip().split("\n")[0]
        warnings.warn(
            f"minibatches cannot be recorded as a CUDA graph, training goes on without: {first}", stacklevel=4
        )
        self._record, self._inputs = None, []
        return None

    def _on_own_memory(self) -> None:
        self._outputs = self._work(*self._inputs)
