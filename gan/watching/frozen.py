"""A fixed view of images, by which samples are compared with real ones: features of a network that is not trained."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from dcgan_features.gan.watching.measures import frechet_distance
from dcgan_features.gan.weights_file import SHIPPED, load_weights

WEIGHTS = "svhn-32"  # shipped; of its discriminator the first layers
LAYERS, DIRECTIONS = 2, 16


class FrozenFeatures:
    """Means of the maps of a shipped discriminator's first two layers, along the leading directions of real images.

    real : images (n, channels, size, size), scaled to -1..1, n at least 2; they give the mean and the directions, and
        are what samples are compared with. Images of other sizes are resized, grey ones taken as colours alike.

    With few images a covariance of all 192 means would say more of the sampling than of the images; of 16 directions it
    does not. The distance is this project's own, and to be compared with nothing but itself.
    """

    def __init__(self, real: Tensor) -> None:
        discriminator = load_weights(SHIPPED / WEIGHTS).discriminator
        self._size = discriminator.spec.image_size
        self._convolutions = discriminator.convolutions[:LAYERS].to(real.device).requires_grad_(False)
        self._normalisations = discriminator.normalisations[:LAYERS].to(real.device).requires_grad_(False)
        means = self._means(real)
        self._centre = means.mean(0)
        _, vectors = torch.linalg.eigh(torch.cov((means - self._centre).T))
        self._directions = vectors[:, -DIRECTIONS:]
        self.real = self(real)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Features (n, 16), float64, of images (n, channels, size, size), scaled to -1..1."""
        features: Tensor = (self._means(images) - self._centre) @ self._directions
        return features

    def distance(self, images: Tensor) -> float:
        """The Frechet distance of images, as above and at least two, from the real ones."""
        return frechet_distance(self(images), self.real)

    @torch.no_grad()
    def _means(self, images: Tensor) -> Tensor:
        hidden = images.float()
        if hidden.shape[-1] != self._size:
            hidden = functional.interpolate(hidden, size=(self._size, self._size), mode="bilinear", antialias=True)
        if hidden.shape[1] == 1:
            hidden = hidden.expand(-1, 3, -1, -1)
        means = []
        for convolution, normalisation in zip(self._convolutions, self._normalisations, strict=True):
            hidden = functional.leaky_relu(normalisation(convolution(hidden)), 0.2)
            means.append(hidden.mean((2, 3)))
        return torch.cat(means, 1).double()
