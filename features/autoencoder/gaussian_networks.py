"""Networks and densities that the models of Kingma, Mohamed, Rezende & Welling (NIPS 2014) share.

Softplus networks whose outputs are the parameters of Gaussian or Bernoulli distributions, and the terms of the
variational bound. Densities are float32 even where the networks work in bfloat16.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dcgan_features.data.utils.identity import known_as

LIKELIHOODS = ["bernoulli", "gaussian"]
PRECISIONS = ["bf16", "fp32"]
_LEAST_LOG_VARIANCE = (
    -10.0
)  # of an input: a constant one would drive its variance to nothing, and the bound to infinity
_BLOCK = 2**18  # numbers at a time, which then stay in the cache


@known_as("features.gaussian_networks.SoftplusNetwork")
class SoftplusNetwork(nn.Module):
    """Hidden layers of softplus units, then linear heads: (n, n_inputs) to one (n, size) a head.

    n_inputs, hidden, heads : numbers of units. generator : of the initial weights, on the CPU, None being
    torch's own; biases are 0.
    initial_sd : of the initial weights, which are normal; None is 1 / sqrt(inputs of the layer).
    """

    def __init__(
        self,
        n_inputs: int,
        hidden: Sequence[int],
        heads: Sequence[int],
        generator: torch.Generator | None = None,
        initial_sd: float | None = None,
    ) -> None:
        super().__init__()
        sizes = [n_inputs, *hidden]
        self.heads = tuple(heads)
        pairs = [*itertools.pairwise(sizes), (sizes[-1], sum(heads))]
        self.layers = nn.ModuleList(normal_linear(inputs, units, generator, initial_sd) for inputs, units in pairs)

    def forward(self, rows: Tensor) -> tuple[Tensor, ...]:
        """What the heads make of rows (..., n_inputs)."""
        for layer in self.layers[:-1]:
            rows = functional.softplus(layer(rows))
        made: Tensor = self.layers[-1](rows)
        return torch.split(made, list(self.heads), dim=-1)


def normal_linear(
    inputs: int, units: int, generator: torch.Generator | None = None, initial_sd: float | None = None
) -> nn.Linear:
    """A linear layer with weights of N(0, initial_sd^2), or of N(0, 1 / inputs) for None, and biases of 0."""
    layer = nn.Linear(inputs, units)
    with torch.no_grad():
        layer.weight.normal_(0.0, 1.0 / math.sqrt(inputs) if initial_sd is None else initial_sd, generator=generator)
        layer.bias.zero_()
    return layer


def reduced_precision(precision: str, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Where products are made in bfloat16 for precision "bf16"; weights stay float32."""
    if precision == "bf16":
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()


def sample_gaussian(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """Mean + sd * noise, float32, through which gradients pass."""
    return mean.float() + (0.5 * log_variance.float()).exp() * noise


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of N(mean, exp(log_variance)) from N(0, 1), in nats, summed over the last axis."""
    mean, log_variance = mean.float(), log_variance.float()
    return 0.5 * (log_variance.exp() + mean.square() - 1.0 - log_variance).sum(-1)


def likelihood_heads(likelihood: str, n_inputs: int) -> tuple[int, ...]:
    """Sizes of a decoder's heads: logits, or means and log-variances."""
    return (n_inputs,) if likelihood == "bernoulli" else (n_inputs, n_inputs)


def log_likelihood(likelihood: str, parameters: tuple[Tensor, ...], inputs: Tensor) -> Tensor:
    """Log-density of the inputs, in nats, summed over the last axis: parameters (..., n, d), inputs (n, d) to (..., n).

    likelihood : "bernoulli", whose parameters are logits, and of which inputs between 0 and 1 are probabilities; or
    "gaussian", with means and log-variances.
    """
    density = _BernoulliDensity if likelihood == "bernoulli" else _GaussianDensity
    made: Tensor = density.apply(inputs, *parameters)
    return made


class _Density(torch.autograd.Function):
    """A sum of log-densities, with its gradients by the parameters, made block by block in one go.

    The gradients are kept in the parameters' own dtype. Written out because autograd would make some ten passes over
    the widest arrays of the model. Inputs get no gradient.
    """

    @staticmethod
    def _in_blocks(
        ctx: Any, inputs: Tensor, parameters: tuple[Tensor, ...], terms: Callable[..., tuple[Tensor, ...]]
    ) -> Tensor:
        length = inputs.shape[-1]
        gradients = [torch.empty(values.shape, dtype=values.dtype, device=values.device) for values in parameters]
        value = torch.empty(parameters[0].shape[:-1], device=inputs.device)
        flat = [values.reshape(-1, *inputs.shape) for values in parameters]
        flat_gradients = [values.view(-1, *inputs.shape) for values in gradients]
        flat_value = value.view(-1, len(inputs))
        rows = max(1, _BLOCK // length) if inputs.device.type == "cpu" else len(inputs)
        for start in range(0, len(inputs), rows):
            chosen = slice(start, start + rows)
            x = inputs[chosen].float()
            for case in range(len(flat_value)):
                made, *slopes = terms(x, *(values[case, chosen].float() for values in flat))
                flat_value[case, chosen] = made
                for kept, slope in zip(flat_gradients, slopes, strict=True):
                    kept[case, chosen] = slope
        ctx.save_for_backward(*gradients)
        return value

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Each parameter's gradient: that of the sum, times the upstream gradient of its row."""
        scale = upstream[0].unsqueeze(-1)
        return (None, *(gradient * scale.to(gradient.dtype) for gradient in ctx.saved_tensors))


class _BernoulliDensity(_Density):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, logits: Tensor) -> Tensor:
        """Sum of x a - log(1 + exp(a))."""

        def terms(x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
            # log(1 + exp(a)) as -logsigmoid(-a): the same to rounding, in a third of the time.
            value = torch.linalg.vecdot(x, a) + functional.logsigmoid(-a).sum(-1)
            return value, x - torch.sigmoid(a)

        return _Density._in_blocks(ctx, inputs, (logits,), terms)


class _GaussianDensity(_Density):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        """Sum of -1/2 (log 2 pi + v + (x - m)^2 / exp(v)), with v not below its floor."""

        def terms(x: Tensor, m: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            floored = v < _LEAST_LOG_VARIANCE
            v = v.clamp_min(_LEAST_LOG_VARIANCE)
            precision = torch.exp(-v)
            difference = x - m
            slope = difference * precision
            square = slope * difference
            value = -0.5 * (v + square).sum(-1) - 0.5 * math.log(2 * math.pi) * x.shape[-1]
            return value, slope, (0.5 * (square - 1.0)).masked_fill_(floored, 0.0)

        return _Density._in_blocks(ctx, inputs, (mean, log_variance), terms)
