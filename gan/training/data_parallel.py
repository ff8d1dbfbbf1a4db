"""A minibatch shared by several processes, so that a step is that of one process with the whole minibatch.

Each process takes a run of the minibatch's images and of its z, which are drawn for the whole minibatch and do not
depend on the number of processes. Batch normalisation takes its statistics from the whole minibatch, forwards and
backwards. Gradients are added up by one all-reduce of a single flat vector a step, after which every process makes
the same update. So the result is that of one process up to rounding, for any number of processes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn

from dcgan_features.data.utils.distributed import AllProcesses
from dcgan_features.data.utils.identity import known_as


class WholeBatch:
    """The ordinary case: one process has the whole minibatch."""

    count = 1

    def own(self, size: int) -> slice:
        """The part of a minibatch of `size` that is this process's."""
        return slice(0, size)

    def prepare(self, network: nn.Module) -> None:
        """Have the network's batch normalisation see the whole minibatch."""

    def at_work(self) -> contextlib.AbstractContextManager[Any]:
        """Within, minibatches are shared; outside, what goes through a network is one process's own affair."""
        return contextlib.nullcontext()

    def add_up(self, network: nn.Module, *losses: Tensor) -> tuple[Tensor, ...]:
        """Add up the network's gradients, and the losses, over the parts of the minibatch."""
        return losses


class SharedBatch(WholeBatch):
    """The processes of torch.distributed's default group have a part each.

    Whatever they exchange raises `ProcessLost` when one of them is gone.
    """

    def __init__(self) -> None:
        self.processes = AllProcesses()
        self.rank, self.count = self.processes.rank, self.processes.count
        self.working = False

    def own(self, size: int) -> slice:
        """The part of a minibatch of `size`, at least the number of processes, that is this process's."""
        return slice(size * self.rank // self.count, size * (self.rank + 1) // self.count)

    def prepare(self, network: nn.Module) -> None:
        """Put normalisation by the whole minibatch in the place of the network's batch normalisation."""
        for name, layer in network.named_children():
            if isinstance(layer, nn.BatchNorm2d):
                setattr(network, name, SharedBatchNorm(layer, self))
            else:
                self.prepare(layer)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Within, minibatches are shared; outside, what goes through a network is one process's own affair."""
        self.working = True
        try:
            yield
        finally:
            self.working = False

    def add_up(self, network: nn.Module, *losses: Tensor) -> tuple[Tensor, ...]:
        """Add up the network's gradients, and the losses, over the parts of the minibatch."""
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients] + [loss.reshape(1) for loss in losses])
        flat = self.processes.total(flat)
        parts = torch.split(flat, [gradient.numel() for gradient in gradients] + [1] * len(losses))
        for gradient, part in zip(gradients, parts, strict=False):
            gradient.copy_(part.view(gradient.shape))
        return tuple(part[0] for part in parts[len(gradients) :])


@known_as("gan.together.SharedBatchNorm")
class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation by the mean and variance of the whole minibatch while it is shared.

    layer : the one in whose place it is, with the same parameters, statistics and names.
    """

    def __init__(self, layer: nn.BatchNorm2d, shared: SharedBatch) -> None:
        super().__init__(layer.num_features, layer.eps, layer.momentum)
        self.shared = shared
        self.weight, self.bias = layer.weight, layer.bias
        self.load_state_dict(layer.state_dict())
        self.to(layer.weight.device)
        self.train(layer.training)
        self.track_running_stats = layer.track_running_stats

    def forward(self, input: Tensor) -> Tensor:
        """(n, maps, height, width) of this process's part, normalised, scaled and shifted."""
        if not (self.training and self.shared.working):
            return super().forward(input)
        parameters = (self.weight, self.bias, self.eps, self.shared)
        output, mean, variance, count = cast(tuple[Tensor, ...], _Normalise.apply(input, *parameters))
        if self.track_running_stats and self.running_mean is not None and self.running_var is not None:
            with torch.no_grad():
                pace = self.momentum or 0.0
                self.running_mean.lerp_(mean.float(), pace)
                self.running_var.lerp_((variance * count / (count - 1)).float(), pace)
                if self.num_batches_tracked is not None:
                    self.num_batches_tracked += 1
        return output


class _Normalise(torch.autograd.Function):
    """The statistics of the parts are put together as by Chan, Golub & LeVeque (1983); they take one exchange."""

    @staticmethod
    def forward(
        ctx: Any, input: Tensor, weight: Tensor, bias: Tensor, eps: float, shared: SharedBatch
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        values = input.float()
        variance, mean = torch.var_mean(values, dim=(0, 2, 3), correction=0)
        count = mean.new_full((1,), values.numel() / len(mean))
        parts = shared.processes.stack(torch.cat([mean, variance, count]).double())
        means, variances, counts = parts[:, : len(mean)], parts[:, len(mean) : -1], parts[:, -1:]
        total = counts.sum()
        mean = (counts * means).sum(0) / total
        variance = (counts * (variances + (means - mean) ** 2)).sum(0) / total
        centre, inverse = mean.float(), torch.rsqrt(variance + eps).float()
        output = (values - _spread(centre)) * _spread(inverse * weight) + _spread(bias)
        ctx.save_for_backward(input, weight, centre, inverse, total)
        ctx.shared = shared
        ctx.mark_non_differentiable(mean, variance, total)
        return output.to(input.dtype), mean, variance, total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        input, weight, centre, inverse, total = ctx.saved_tensors
        normal = (input.float() - _spread(centre)) * _spread(inverse)
        gradient = gradient.float()
        own = torch.stack([gradient.sum((0, 2, 3)), (gradient * normal).sum((0, 2, 3))])
        shift, scale = ctx.shared.processes.total(own.clone()) / total.float()
        change = (gradient - _spread(shift) - normal * _spread(scale)) * _spread(inverse * weight)
        return change.to(input.dtype), own[1], own[0], None, None


def _spread(of_maps: Tensor) -> Tensor:
    return of_maps[:, None, None]
