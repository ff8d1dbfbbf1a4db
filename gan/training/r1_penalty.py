"""The R1 penalty: how steep a discriminator is at real images.

Mescheder, Geiger & Nowozin, Which training methods for GANs do actually converge?, ICML 2018, section 4.1:
gamma / 2 times the mean of |dD/dx|^2 over real images x, D being the logit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn


def squared_gradients(network: nn.Module, judge: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """The squared norm of the logit's gradient by each image, float32 (n,), differentiable by the parameters.

    network : a discriminator in training mode. judge : logits (n,) of images, by way of the network.
    images : float32 (n, channels, height, width); all of a minibatch where the network has batch normalisation.

    Batch normalisation, which the networks of the source do without, ties an image's logit to the other images of its
    minibatch. The gradient of the sum of all logits, which is what is usually taken, then says little of any one of
    them: over a minibatch, what leaves a normalisation has the same mean whatever enters it. Here the minibatch's
    statistics are constants to an image and functions of the parameters: the gradient is that of the network as it is
    at inference, with these statistics, and the penalty is differentiated in full.
    """
    statistics: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3), correction=0, keepdim=True)
        statistics[layer] = mean, variance

    def normalise(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        mean, variance = statistics[layer]
        normal = (inputs[0] - mean) * torch.rsqrt(variance + layer.eps)
        return normal if layer.weight is None else normal * _spread(layer.weight) + _spread(layer.bias)

    layers = batch_normalisations(network)
    if layers:
        with _hooked([layer.register_forward_pre_hook(note) for layer in layers]):
            judge(images)
    leaves = images.detach().clone().requires_grad_()
    with _hooked([layer.register_forward_hook(normalise) for layer in layers]):
        logits = judge(leaves)
    (gradient,) = torch.autograd.grad(logits.sum(), leaves, create_graph=True)
    return gradient.square().sum((1, 2, 3))


def batch_normalisations(network: nn.Module) -> list[nn.BatchNorm2d]:
    """The layers that tie an image to the others of its minibatch."""
    return [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]


@contextlib.contextmanager
def _hooked(hooks: list[Any]) -> Iterator[None]:
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _spread(of_maps: Tensor | Any) -> Tensor:
    spread: Tensor = of_maps[:, None, None]
    return spread
