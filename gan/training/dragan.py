"""DRAGAN's penalty: gradients of a discriminator around real images, held at a norm of 1.

Kodali, Abernethy, Hays & Kira, On convergence and stability of GANs, 2017 (arXiv 1705.07215), section 2.3: lambda times
the mean of (|dD/dx| - 1)^2, D being the logit, at real images that are moved at random. By how much follows the
authors' code: half the standard deviation of all pixels of the minibatch, times numbers of U(0, 1), one a pixel, times
one number of U(0, 1) an image.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dcgan_features.data.utils.gpu import send
from dcgan_features.data.utils.random_streams import PERTURBATION, stream

_TINY = 1e-12  # a squared norm at which the root's gradient is taken, in place of the infinite one at 0


def perturbed(real: Tensor, seed: int, step: int) -> Tensor:
    """Real images (n, channels, size, size) of minibatch number `step`, each moved at random as said above."""
    source = stream(seed, PERTURBATION, step)
    moves = torch.rand(real.shape, generator=source) * torch.rand(len(real), 1, 1, 1, generator=source)
    return real + 0.5 * real.std(correction=0) * send(moves, real.device)


def distance_from_one(squares: Tensor) -> Tensor:
    """From squared norms (n,) of gradients to the squared distances of the norms from 1, (n,)."""
    return (squares.clamp(min=_TINY).sqrt() - 1).square()
