"""A generator that is a matrix, so that what the sampler does with z can be worked out by hand."""

from typing import Any

import torch
from torch import Tensor, nn

from dcgan_features.gan.latent.sampler import LatentSampler
from dcgan_features.gan.networks import Discriminator
from tests.gan.tiny import TINY


class LinearGenerator(nn.Module):
    """Its one hidden layer is z times a matrix, as maps; the image is their sum, where `paint` puts it."""

    def __init__(self, matrix: Tensor, shape: tuple[int, int, int], paint: Tensor | None = None) -> None:
        super().__init__()
        self.spec, self.shape = TINY, shape
        self.matrix = nn.Parameter(matrix)
        self.paint = paint

    def hidden(self, latent: Tensor, layer: int) -> Tensor:
        return (latent @ self.matrix).view(-1, *self.shape)

    def image(self, hidden: Tensor, layer: int) -> Tensor:
        enlarged = hidden.repeat_interleave(8 // self.shape[1], 2).repeat_interleave(8 // self.shape[2], 3)
        if self.paint is None:
            return enlarged[:, :3]
        return torch.einsum("nmhw,mc->nchw", enlarged, self.paint)

    def forward(self, latent: Tensor) -> Tensor:
        return self.image(self.hidden(latent, 0), 0)


def linear_sampler(matrix: Tensor, shape: tuple[int, int, int], paint: Tensor | None = None) -> LatentSampler:
    generator: Any = LinearGenerator(matrix, shape, paint)
    return LatentSampler(generator, Discriminator(TINY), device="cpu")
