"""From images back to z: a network trained on the generator's own samples, whose z is known.

The simplest encoder of a trained GAN: the regression of z, as in "latent regressor" of Donahue, Krähenbühl & Darrell
(2017), "Adversarial feature learning", section 4.1. No label and no real image takes part in its training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dcgan_features.data.utils.random_streams import ORDER, WEIGHTS, stream
from dcgan_features.gan.batch_norm import reestimate_batch_statistics
from dcgan_features.gan.latent.sampler import Images, LatentSampler
from dcgan_features.gan.networks import Discriminator, scale_images
from dcgan_features.gan.spec import NetworkSpec

_BATCH, _RATE = 64, 2e-3
_AT_ONCE = 256  # images that are encoded at once


class LatentEncoder:
    """A discriminator's convolutions, with batch normalisation, and a linear map to z in place of the logit.

    spec : of the generator whose z is to be found. seed : of the initial weights and the order of samples.
    """

    def __init__(self, spec: NetworkSpec, seed: int = 0) -> None:
        self.spec, self.seed = spec, seed
        weights = stream(seed, WEIGHTS)
        self.network = Discriminator(replace(spec, discriminator_normalisation="batch"), weights)
        size = spec.discriminator[-1].maps * spec.map_sizes()[-1] ** 2
        self.head = nn.Linear(size, spec.latent_size)
        nn.init.normal_(self.head.weight, 0.0, size**-0.5, generator=weights)
        nn.init.zeros_(self.head.bias)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def settle(self, images: Images) -> LatentEncoder:
        """Estimate the batch statistics on `images`; without this an untrained network has none. Returns self."""
        reestimate_batch_statistics(self.network, images)
        self.network.eval()
        return self

    def fit(
        self, sampler: LatentSampler, seed: int, samples: int, epochs: int, advance: Callable[[int], object]
    ) -> LatentEncoder:
        """Learn z of `samples` samples of a seed of the sampler, by least squares; returns self.

        advance : called with each minibatch's number of images.
        """
        latent = sampler.latent(seed, range(samples))
        images = sampler.images(latent)
        parameters = [*self.network.parameters(), *self.head.parameters()]
        optimiser = torch.optim.Adam(parameters, _RATE)
        batches = max(samples // _BATCH, 1)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=epochs * batches)
        self.network.train()
        for epoch in range(epochs):
            order = torch.randperm(samples, generator=stream(self.seed, ORDER, epoch))
            for rows in torch.split(order, _BATCH)[:batches]:
                with torch.autocast("cpu", torch.bfloat16):
                    found = self._encode(scale_images(torch.from_numpy(images[rows.numpy()])))
                loss = functional.mse_loss(found.float(), latent[rows])
                optimiser.zero_grad(set_to_none=True)
                torch.autograd.backward(loss)
                optimiser.step()
                schedule.step()
                advance(len(rows))
        return self.settle(images)

    def _encode(self, pixels: Tensor) -> Tensor:
        found: Tensor = self.network(pixels, self.head)
        return found

    @torch.no_grad()
    def __call__(self, images: Images) -> NDArray[np.float32]:
        """The z of images, uint8 (n, size, size, channels): float32 (n, latent_size); it may lie outside the prior."""
        parts = [
            self._encode(scale_images(torch.from_numpy(np.array(images[start : start + _AT_ONCE]))))
            for start in range(0, len(images), _AT_ONCE)
        ]
        return torch.cat(parts).numpy()
