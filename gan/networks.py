"""Generator and discriminator of Radford, Metz & Chintala (2016), built from a `NetworkSpec`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from dcgan_features.data.utils.identity import known_as
from dcgan_features.gan.spec import Convolution, NetworkSpec

LEAK = 0.2  # slope of the leaky rectifier, section 3
EPSILON = 1e-8  # added to the batch variance, as in the authors' code


def scale_images(images: Tensor) -> Tensor:
    """Pixels 0..255, uint8 (n, height, width, channels), to float32 -1..1, (n, channels, height, width).

    The result is in channels-last memory order: the permutation costs nothing.
    """
    return images.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def unscale_images(images: Tensor) -> Tensor:
    """The reverse of `scale_images`, rounded and clamped: uint8 (n, height, width, channels)."""
    return images.float().add(1.0).mul(127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def _initialise(module: nn.Module, generator: torch.Generator | None) -> None:
    """Weights N(0, 0.02), gains N(1, 0.02), shifts 0 (section 3 and the authors' code)."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02, generator=generator)
            nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(layer.weight, 0.0, 0.02, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _normalised(normalisation: nn.Module, hidden: Tensor, parts: Sequence[int] | None) -> Tensor:
    if parts is None or isinstance(normalisation, nn.Identity):
        normalised: Tensor = normalisation(hidden)
        return normalised
    return torch.cat([normalisation(part) for part in torch.split(hidden, list(parts))])


@known_as("gan.networks.Discriminator")
class Discriminator(nn.Module):
    """Convolutions with batch normalisation (not on the first) and leaky rectifiers, then one logit.

    Parameters
    ----------
    spec : NetworkSpec
        The network's shape; where its `logit` is False there is no logit, only maps. Where its normalisation is
        spectral or none the convolutions have shifts in place of batch normalisation; of spectral ones' weights
        `gan.training.spectral_norm` takes care in training.
    generator : torch.Generator or None, default None
        Source of the initial weights; None draws from torch's global one.

    Examples
    --------
    >>> import torch
    >>> from dcgan_features.gan import SPECS, Discriminator, scale_images
    >>> network = Discriminator(SPECS["svhn-32"], torch.Generator().manual_seed(0))
    >>> images = torch.zeros(4, 32, 32, 3, dtype=torch.uint8)
    >>> network(scale_images(images)).shape
    torch.Size([4])
    """

    def __init__(self, spec: NetworkSpec, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.convolutions = nn.ModuleList()
        self.normalisations = nn.ModuleList()
        channels, batch = spec.channels, spec.discriminator_normalisation == "batch"
        for index, layer in enumerate(spec.discriminator):
            shape = (channels, layer.maps, layer.kernel, layer.stride, (layer.kernel - 1) // 2)
            self.convolutions.append(nn.Conv2d(*shape, bias=not batch))
            self.normalisations.append(nn.BatchNorm2d(layer.maps, EPSILON) if index and batch else nn.Identity())
            channels = layer.maps
        self.logit = nn.Linear(channels * spec.map_sizes()[-1] ** 2, 1, bias=False) if spec.logit else None
        _initialise(self, generator)

    def maps(self, images: Tensor, parts: Sequence[int] | None = None) -> list[Tensor]:
        """The rectified maps of every convolution layer.

        images : (n, channels, size, size), scaled to -1..1.
        parts : how many of them, one after the other, are normalised together in training; None: all.
        Returns one tensor (n, maps, height, width) a layer, first layer first.
        """
        outputs, hidden = [], images
        for convolution, normalisation in zip(self.convolutions, self.normalisations, strict=True):
            hidden = functional.leaky_relu(_normalised(normalisation, convolution(hidden), parts), LEAK)
            outputs.append(hidden)
        return outputs

    def forward(self, images: Tensor, head: nn.Module | None = None, parts: Sequence[int] | None = None) -> Tensor:
        """Logit that each image is real, (n,). images : (n, channels, size, size), scaled to -1..1.

        head : what is wanted in place of the logit, from the last maps (n, maps x height x width); returned as it is.
        parts : see `maps`.
        Raises RuntimeError for a network of leading layers only.
        """
        if self.logit is None:
            raise RuntimeError(f"{self.spec.name} has no logit: only its leading layers are known")
        last = self.maps(images, parts)[-1].flatten(1)
        output: Tensor = self.logit(last).squeeze(1) if head is None else head(last)
        return output


@known_as("gan.networks.ResizeConvolution")
class ResizeConvolution(nn.Conv2d):
    """A convolution of stride 1 that repeats every pixel `factor` times along each side first.

    Odena, Dumoulin & Olah, Deconvolution and checkerboard artifacts, Distill 2016 (nearest neighbours).
    """

    def __init__(self, channels: int, maps: int, kernel: int, factor: int, bias: bool) -> None:
        super().__init__(channels, maps, kernel, padding=(kernel - 1) // 2, bias=bias)
        self.factor = factor

    def forward(self, hidden: Tensor) -> Tensor:
        """Maps (n, channels, height, width) to (n, maps, factor x height, factor x width)."""
        if self.factor > 1:
            hidden = functional.interpolate(hidden, scale_factor=self.factor, mode="nearest")
        return super().forward(hidden)


@known_as("gan.networks.Generator")
class Generator(nn.Module):
    """A projection of z, then transposed convolutions with batch normalisation and rectifiers; tanh at the end.

    Parameters
    ----------
    spec : NetworkSpec
        The network's shape.
    generator : torch.Generator or None, default None
        Source of the initial weights; None draws from torch's global one.

    Examples
    --------
    >>> import torch
    >>> from dcgan_features.gan import SPECS, Generator, draw_latent, unscale_images
    >>> network = Generator(SPECS["svhn-32"], torch.Generator().manual_seed(0))
    >>> latent = draw_latent(network.spec, 4, torch.Generator().manual_seed(1))
    >>> unscale_images(network(latent)).shape
    torch.Size([4, 32, 32, 3])
    """

    def __init__(self, spec: NetworkSpec, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.spec = spec
        maps, height, width = spec.generator_start
        batch = spec.generator_normalisation == "batch"
        self.projection = nn.Linear(spec.latent_size, maps * height * width, bias=not batch)
        self.projection_normalisation = _normalisation(maps * height * width, batch)
        self.convolutions = nn.ModuleList()
        self.normalisations = nn.ModuleList()
        for index, layer in enumerate(spec.generator):
            last = index == len(spec.generator) - 1
            self.convolutions.append(_upsampling(spec, maps, layer, bias=not (batch or last)))
            self.normalisations.append(_normalisation(layer.maps, batch and not last))
            maps = layer.maps
        _initialise(self, generator)

    def hidden(self, latent: Tensor, layer: int) -> Tensor:
        """The rectified maps of one hidden layer, (n, maps, height, width), from z of shape (n, latent_size).

        layer : 0 is the projection of z, then each transposed convolution but the last, which makes the image.
        """
        projected = self.projection_normalisation(self.projection(latent)[:, :, None, None])
        hidden = functional.relu(projected).view(-1, *self.spec.generator_start)
        for index in range(layer):
            hidden = functional.relu(self.normalisations[index](self.convolutions[index](hidden)))
        return hidden

    def image(self, hidden: Tensor, layer: int) -> Tensor:
        """Images -1..1, (n, channels, size, size), from the maps of hidden layer number `layer`."""
        last = len(self.convolutions) - 1
        for index in range(layer, last):
            hidden = functional.relu(self.normalisations[index](self.convolutions[index](hidden)))
        return torch.tanh(self.normalisations[last](self.convolutions[last](hidden)))

    def forward(self, latent: Tensor) -> Tensor:
        """Images -1..1, (n, channels, size, size), from z of shape (n, latent_size)."""
        return self.image(self.hidden(latent, 0), 0)


def _normalisation(maps: int, batch: bool) -> nn.Module:
    return nn.BatchNorm2d(maps, EPSILON) if batch else nn.Identity()


def _upsampling(spec: NetworkSpec, channels: int, layer: Convolution, bias: bool) -> nn.Module:
    if spec.generator_upsampling == "resize":
        return ResizeConvolution(channels, layer.maps, layer.kernel, layer.stride, bias)
    padding = (layer.kernel - 1) // 2
    return nn.ConvTranspose2d(
        channels, layer.maps, layer.kernel, layer.stride, padding, output_padding=layer.stride - 1, bias=bias
    )


def draw_latent(spec: NetworkSpec, count: int, generator: torch.Generator | None = None) -> Tensor:
    """`count` points of latent space, float32 (count, latent_size), on the CPU."""
    if spec.latent == "normal":
        return torch.randn(count, spec.latent_size, generator=generator)
    return torch.rand(count, spec.latent_size, generator=generator).mul_(2.0).sub_(1.0)
