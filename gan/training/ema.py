"""Averages of a network's weights over its training."""

from __future__ import annotations

import torch
from torch import nn

from dcgan_features.gan.training.spectral_norm import applied


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move an exponential moving average by one update: decay times itself and 1 - decay times the network.

    average : a network of plain weights, changed in place. network : the one in training; of weights that it normalises
    the normalised ones count, whose average has no larger norm than they.
    Statistics of batch normalisation are no part of it: they have to be estimated anew.

    Source: Yazici et al., The unusual effectiveness of averaging in GAN training, ICLR 2019, who average the
    generator; averaging the discriminator, whose features are wanted here, is this project's own.
    """
    for name, mean in average.named_parameters():
        mean.lerp_(applied(network, name), 1 - decay)
