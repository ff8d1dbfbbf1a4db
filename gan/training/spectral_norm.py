"""Spectral normalisation: every weight of a discriminator divided by its largest singular value.

Miyato, Kataoka, Koyama & Yoshida, Spectral normalization for generative adversarial networks, ICLR 2018: weights as
matrices, maps by all else; one power iteration for each update of the discriminator (algorithm 1); in place of batch
normalisation, so that a layer stretches nothing by more than the matrix does, and with a shift for each map.

A network is normalised only while it is trained. What is saved, and what features are taken from, are its normalised
weights, as those of any other network.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from dcgan_features.data.utils.identity import known_as
from dcgan_features.gan.networks import Discriminator

Network = TypeVar("Network", bound=nn.Module)
_FIRST_ITERATIONS = 50  # the source begins anywhere and lets the training catch up


@known_as("gan.spectral.Spectral")
class Spectral(nn.Module):
    """Divides a weight, float32 (maps, ...), by an estimate of its largest singular value as (maps, all else).

    The estimate is from below, left . (weight right), with both unit vectors held until `iterate`.
    generator : source of the first vector; None draws from torch's global one.
    """

    left: Tensor
    right: Tensor

    def __init__(self, weight: Tensor, generator: torch.Generator | None = None) -> None:
        super().__init__()
        matrix = weight.detach().flatten(1)
        self.register_buffer("left", functional.normalize(torch.randn(len(matrix), generator=generator), dim=0))
        self.register_buffer("right", torch.zeros(matrix.shape[1]))
        for _ in range(_FIRST_ITERATIONS):
            self.iterate(weight)

    @torch.no_grad()
    def iterate(self, weight: Tensor) -> None:
        """One power iteration, with the weight before it is divided."""
        matrix = weight.flatten(1)
        self.right.copy_(functional.normalize(matrix.T @ self.left, dim=0))
        self.left.copy_(functional.normalize(matrix @ self.right, dim=0))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight divided, in float32 whatever the precision of the convolutions."""
        with torch.autocast(weight.device.type, enabled=False):
            # Copies, since an iteration between two passes must not change what the first one's gradient needs.
            left, right = self.left.clone(), self.right.clone()
            return weight / (left @ (weight.flatten(1) @ right))


def normalise_weights(discriminator: Discriminator, generator: torch.Generator | None = None) -> Discriminator:
    """Normalise every weight from now on, in place, where the network's specification says so; return the network."""
    if discriminator.spec.discriminator_normalisation == "spectral":
        for layer in discriminator.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                parametrize.register_parametrization(layer, "weight", Spectral(layer.weight, generator))
    return discriminator


def _normalised(network: nn.Module) -> list[Any]:
    return [layer for layer in network.modules() if parametrize.is_parametrized(layer, "weight")]


def iterate(network: nn.Module) -> None:
    """One power iteration for each weight that is normalised, after an update."""
    for layer in _normalised(network):
        layer.parametrizations.weight[0].iterate(layer.parametrizations.weight.original)


def plain_copy(network: Network) -> Network:
    """A copy of the network whose weights, where they were normalised, are what came of it."""
    if not _normalised(network):
        return copy.deepcopy(network)
    # A deep copy has the class that PyTorch made for the normalised layer, and undoing that would change both.
    plain: Any = type(network)(network.spec)
    with torch.no_grad():
        for name, parameter in plain.named_parameters():
            parameter.copy_(applied(network, name))
    placed: Network = plain.to(next(network.parameters()).device).train(network.training)
    return placed


def applied(network: nn.Module, name: str) -> Tensor:
    """The parameter of that name as the network's layers apply it: where it is normalised, what comes of it."""
    layer, _, own = name.rpartition(".")
    parameter: Tensor = getattr(network.get_submodule(layer), own)
    return parameter
