"""The real images of each minibatch, by its number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dcgan_features.data.utils.gpu import fits, send
from dcgan_features.data.utils.random_streams import FLIPS, NOISE, ORDER, stream
from dcgan_features.gan.training.data_parallel import WholeBatch
from dcgan_features.gan.training.recipe import Recipe
from dcgan_features.gan.training.rotation_prediction import turn, turned_count, turned_positions


def instance_noise(recipe: Recipe, step: int, share: WholeBatch) -> Tensor:
    """The share's noise on the real and on the fake images of minibatch number `step`, on the CPU.

    Float32 (2, n, channels, size, size), normal, of the standard deviation that the recipe gives that minibatch.
    """
    spec = recipe.spec
    shape = (2, recipe.batch_size, spec.channels, spec.image_size, spec.image_size)
    drawn = torch.randn(shape, generator=stream(recipe.seed, NOISE, step))
    return drawn[:, share.own(recipe.batch_size)] * recipe.noise_at(step)


class Minibatches:
    """Real images, minibatch by minibatch, which depend on nothing but the recipe and the minibatch's number.

    images : uint8 (n, size, size, channels), at least a minibatch of them; on CUDA they are kept on the device where
        there is room, else minibatches are sent there.
    share : how much of each minibatch is this process's.
    scale : pixels uint8 (n, height, width, channels) to what the networks take, float32 (n, channels, height, width).

    resident : the images on the device; None where they are not there.
    """

    def __init__(
        self,
        recipe: Recipe,
        images: NDArray[np.uint8],
        device: torch.device,
        share: WholeBatch,
        scale: Callable[[Tensor], Tensor],
    ) -> None:
        self._recipe, self._images, self._device, self._share, self._scale = recipe, images, device, share, scale
        self.resident: Tensor | None = None
        if device.type == "cuda" and fits(images.nbytes, device):
            self.resident = torch.from_numpy(np.array(images)).to(device)
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def indices(self, step: int) -> NDArray[np.int64]:
        """Which images minibatch number `step` has, from 0.

        Each pass over the images has a random order of its own; what is left over by whole minibatches is left out.
        """
        size = self._recipe.batch_size
        epoch, index = divmod(step, len(self._images) // size)
        if epoch != self._epoch:
            order = torch.randperm(len(self._images), generator=stream(self._recipe.seed, ORDER, epoch))
            self._epoch, self._order = epoch, order.numpy()
        return self._order[index * size : (index + 1) * size]

    def real(self, step: int) -> Tensor:
        """The share's images of minibatch number `step`: float32 (n, channels, size, size), scaled."""
        size = self._recipe.batch_size
        return self._at(step, torch.arange(size)[self._share.own(size)])

    def turned(self, step: int) -> tuple[Tensor, Tensor]:
        """The share's images that are turned, as `real`, and their quarter turns, int64 (n,)."""
        size = self._recipe.batch_size
        positions, turns = turned_positions(size, self._share.own(turned_count(size)))
        turns = send(turns, self._device)
        return turn(self._at(step, positions), turns), turns

    def _at(self, step: int, positions: Tensor) -> Tensor:
        """The images at these positions of minibatch number `step`, scaled."""
        indices = self.indices(step)[positions.numpy()]
        if self.resident is not None:
            pixels = self.resident[send(torch.from_numpy(indices), self._device)]
        else:
            pixels = send(torch.from_numpy(self._images[indices]), self._device)
        images = self._scale(pixels)
        if self._recipe.flips:
            draws = torch.rand(self._recipe.batch_size, generator=stream(self._recipe.seed, FLIPS, step))
            mirrored = draws[positions] < 0.5
            images = torch.where(send(mirrored, self._device)[:, None, None, None], images.flip(3), images)
        return images
