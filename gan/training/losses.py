"""What the two networks minimise, as functions of the discriminator's logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

OfLogits = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Loss:
    """Losses of single images, each a function from logits (n,) to losses (n,).

    real, fake : the discriminator's on either kind of image. generator : of fakes, for being told apart.
    relativistic : whether they take, in place of an image's logit, by how much it exceeds that of an image of the other
        kind, with which it is paired. Each network then has one loss, of pairs: `real` and `generator`.
    """

    real: OfLogits
    fake: OfLogits
    generator: OfLogits
    relativistic: bool = False


LOSSES = {
    # Goodfellow et al. (2014) with the generator's non-saturating loss, as in the paper.
    "cross-entropy": Loss(
        lambda logits: functional.softplus(-logits),
        lambda logits: functional.softplus(logits),
        lambda logits: functional.softplus(-logits),
    ),
    # Lim & Ye, Geometric GAN (2017), as in Miyato et al., Spectral normalization for GANs, ICLR 2018.
    "hinge": Loss(
        lambda logits: functional.relu(1 - logits), lambda logits: functional.relu(1 + logits), lambda logits: -logits
    ),
    # Jolicoeur-Martineau, The relativistic discriminator, ICLR 2019, section 4.1, with the cross-entropy (RpGAN).
    "relativistic": Loss(
        lambda margins: functional.softplus(-margins),
        torch.zeros_like,
        lambda margins: functional.softplus(-margins),
        relativistic=True,
    ),
}
