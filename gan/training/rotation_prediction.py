"""Telling by how many quarter turns a real image was turned, as a second task of the discriminator.

Chen, Zhai, Ritter, Lucic & Houlsby, Self-supervised GANs via auxiliary rotation loss, CVPR 2019, section 3: a quarter
of the minibatch's real images, each in all four orientations, pass through the discriminator once more, where a second
head on its last maps tells the four apart; the cross-entropy of that is added to the discriminator's loss. What an
image shows has to be known for that, not only whether it is real. The head is no part of the weights that are kept.

Left out is the source's other half, by which the generator is rewarded for images whose rotation is told: it serves
samples, and what is wanted here is the discriminator's features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dcgan_features.gan.networks import Discriminator

TURNS = 4


def rotation_head(discriminator: Discriminator, generator: torch.Generator | None = None) -> nn.Linear:
    """A linear layer from the discriminator's last maps to a logit for each number of quarter turns.

    generator : source of the initial weights, N(0, 0.02) as those of the networks. Raises ValueError for a
    discriminator of leading layers only.
    """
    if discriminator.logit is None:
        raise ValueError(f"{discriminator.spec.name} has no logit: only its leading layers are known")
    head = nn.Linear(discriminator.logit.in_features, TURNS, bias=False)
    nn.init.normal_(head.weight, 0.0, 0.02, generator=generator)
    return head


def turned_positions(batch_size: int, own: slice) -> tuple[Tensor, Tensor]:
    """Which images of a minibatch are turned, and by how much: its first quarter, rounded up, in each orientation.

    own : the part of these that is wanted. Returns positions in the minibatch and quarter turns, int64, of equal
    lengths; the turns rise.
    """
    count = turned_count(batch_size)
    places, quarter = torch.arange(count)[own], count // TURNS
    return places % quarter, places // quarter


def turned_count(batch_size: int) -> int:
    """How many images `turned_positions` has in all."""
    return TURNS * -(-batch_size // TURNS)


def turn(images: Tensor, turns: Tensor) -> Tensor:
    """Square images (n, channels, size, size), each turned counter-clockwise by its own number of quarter turns.

    turns : int64 (n,), 0..3. The result is in channels-last memory order.
    """
    turned = images
    for count in range(1, TURNS):  # all of them are turned: to pick some out, a GPU would have to be waited for
        which = (turns == count)[:, None, None, None]
        turned = torch.where(which, torch.rot90(images, count, (2, 3)), turned)
    return turned.contiguous(memory_format=torch.channels_last)
