"""What the two networks minimise, as functions of the discriminator's logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

OfLogits = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Loss:
    """Losses of single images, each a function from logits (n,) to losses (n,).

    real, fake : the discriminator's on either kind of image. generator : of fakes, for being told apart.
    """

    real: OfLogits
    fake: OfLogits
    generator: OfLogits


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
}
