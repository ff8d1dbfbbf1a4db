"""Generator and discriminator that are told the class of each image: the networks of the paper's check on MNIST.

Labels are seen here and in `gan.conditional.training`, and nowhere else in this package: these networks make images of
a class that is asked for, on which a classifier is then trained. No feature is taken from them.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from dcgan_features.data.utils.identity import known_as
from dcgan_features.gan.networks import EPSILON, LEAK
from dcgan_features.gan.samples import batch_statistics
from dcgan_features.gan.spec import Convolution, NetworkSpec

SAMPLING_BATCH = 128  # images normalised together when samples are drawn: as many as in the training's minibatches


@dataclass(frozen=True)
class ConditionalSpec(NetworkSpec):
    """A conditional GAN: the class, one-hot, is put beside the input of every layer.

    classes : number of classes.
    generator_hidden : widths of the dense layers between z and `generator_start`. Without convolutions
        `generator_start` is the image.
    discriminator_hidden : widths of the dense layers between the last maps, or the image itself, and the logit.
    """

    classes: int = 10
    generator_hidden: tuple[int, ...] = ()
    discriminator_hidden: tuple[int, ...] = ()


# The paper's appendix; shapes from the authors' MNIST code.
MNIST_CONDITIONAL = ConditionalSpec(
    name="mnist-conditional",
    image_size=28,
    channels=1,
    latent_size=100,
    latent="uniform",
    discriminator=(Convolution(64, 5, 2), Convolution(128, 5, 2)),
    generator_start=(128, 7, 7),
    generator=(Convolution(64, 5, 2), Convolution(1, 5, 2)),
    generator_hidden=(1024,),
    discriminator_hidden=(1024,),
)

# The appendix names a permutation-invariant GAN and says no more: a reconstruction.
MNIST_DENSE = ConditionalSpec(
    name="mnist-dense",
    image_size=28,
    channels=1,
    latent_size=100,
    latent="uniform",
    discriminator=(),
    generator_start=(1, 28, 28),
    generator=(),
    generator_hidden=(1024, 1024),
    discriminator_hidden=(1024, 1024),
)

CONDITIONAL_SPECS: dict[str, ConditionalSpec] = {spec.name: spec for spec in (MNIST_CONDITIONAL, MNIST_DENSE)}


def _normalisation(units: int) -> nn.BatchNorm2d:
    """Batch normalisation without gains and shifts, as the appendix has it."""
    return nn.BatchNorm2d(units, EPSILON, affine=False)


def _beside(hidden: Tensor, classes: Tensor) -> Tensor:
    """The classes, one-hot (n, classes), put beside vectors (n, d) or, as constant maps, beside maps (n, d, h, w)."""
    classes = classes.to(hidden.dtype)
    if hidden.ndim == 2:
        return torch.cat([hidden, classes], 1)
    planes = classes[:, :, None, None].expand(-1, -1, *hidden.shape[2:])
    return torch.cat([hidden, planes.contiguous(memory_format=torch.channels_last)], 1)


def _initialise(module: nn.Module, generator: torch.Generator | None) -> None:
    for parameter in module.parameters():
        nn.init.normal_(parameter, 0.0, 0.02, generator=generator)


@known_as("gan.conditional.ConditionalGenerator")
class ConditionalGenerator(nn.Module):
    """Dense layers, then transposed convolutions, with batch normalisation and rectifiers; a sigmoid at the end.

    spec : the network's shape. generator : source of the initial weights; None draws from torch's global one.
    """

    def __init__(self, spec: ConditionalSpec, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.spec = spec
        maps, height, width = spec.generator_start
        widths = (spec.latent_size, *spec.generator_hidden, maps * height * width)
        self.dense, self.convolutions = nn.ModuleList(), nn.ModuleList()
        self.normalisations = nn.ModuleList()  # of all layers but the last
        for width_in, width_out in itertools.pairwise(widths):
            self.dense.append(nn.Linear(width_in + spec.classes, width_out, bias=False))
            self.normalisations.append(_normalisation(width_out))
        for layer in spec.generator:
            padding, more = (layer.kernel - 1) // 2, layer.stride - 1
            shape = (maps + spec.classes, layer.maps, layer.kernel, layer.stride, padding)
            self.convolutions.append(nn.ConvTranspose2d(*shape, output_padding=more, bias=False))
            self.normalisations.append(_normalisation(layer.maps))
            maps = layer.maps
        del self.normalisations[-1]
        _initialise(self, generator)

    def forward(self, latent: Tensor, classes: Tensor) -> Tensor:
        """Images 0..1, (n, channels, size, size), from z (n, latent_size) and one-hot classes (n, classes)."""
        hidden, normalisations = latent, iter(self.normalisations)
        for dense in self.dense:
            hidden = _rectified(dense(_beside(hidden, classes))[:, :, None, None], normalisations).flatten(1)
        hidden = hidden.view(-1, *self.spec.generator_start)
        for convolution in self.convolutions:
            hidden = _rectified(convolution(_beside(hidden, classes)), normalisations)
        return torch.sigmoid(hidden)


def _rectified(hidden: Tensor, normalisations: Iterator[nn.Module]) -> Tensor:
    """Normalised and rectified; as it is once there are no normalisations left, which is so after the last layer."""
    normalisation = next(normalisations, None)
    return hidden if normalisation is None else functional.relu(normalisation(hidden))


@known_as("gan.conditional.ConditionalDiscriminator")
class ConditionalDiscriminator(nn.Module):
    """Convolutions, then dense layers, with batch normalisation (not on the first) and leaky rectifiers; one logit.

    spec : the network's shape. generator : source of the initial weights; None draws from torch's global one.
    """

    def __init__(self, spec: ConditionalSpec, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.convolutions, self.dense, self.normalisations = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        channels, size = spec.channels, spec.image_size
        for layer in spec.discriminator:
            shape = (channels + spec.classes, layer.maps, layer.kernel, layer.stride, (layer.kernel - 1) // 2)
            self.convolutions.append(nn.Conv2d(*shape, bias=False))
            channels, size = layer.maps, -(-size // layer.stride)
        width = channels * size**2
        for units in spec.discriminator_hidden:
            self.dense.append(nn.Linear(width + spec.classes, units, bias=False))
            width = units
        for number, units in enumerate([*(layer.maps for layer in spec.discriminator), *spec.discriminator_hidden]):
            self.normalisations.append(_normalisation(units) if number else nn.Identity())
        self.logit = nn.Linear(width + spec.classes, 1, bias=False)
        _initialise(self, generator)

    def forward(self, images: Tensor, classes: Tensor) -> Tensor:
        """Logit that each image is real and of its class, (n,). images : 0..1, (n, channels, size, size)."""
        hidden, normalisations = images, iter(self.normalisations)
        for convolution in self.convolutions:
            hidden = functional.leaky_relu(next(normalisations)(convolution(_beside(hidden, classes))), LEAK)
        hidden = hidden.flatten(1)
        for dense in self.dense:
            maps = dense(_beside(hidden, classes))[:, :, None, None]
            hidden = functional.leaky_relu(next(normalisations)(maps), LEAK).flatten(1)
        logit: Tensor = self.logit(_beside(hidden, classes))
        return logit.squeeze(1)


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Labels int64 (n,), 0..classes-1, as float32 (n, classes)."""
    return functional.one_hot(labels, classes).float()


@torch.no_grad()
def generate_classes(
    generator: ConditionalGenerator, latent: Tensor, labels: Tensor, own_statistics: bool = True
) -> Tensor:
    """Images of the classes `labels` (n,) from z `latent` (n, latent_size): uint8 (n, height, width, channels), CPU.

    own_statistics : normalise every `SAMPLING_BATCH` images by their own statistics, as in the authors' code; otherwise
        by the running averages of the training. What is left over by whole batches joins the last one.
    """
    device = next(generator.parameters()).device
    parts = max(len(latent) // SAMPLING_BATCH, 1)
    bounds = [*(SAMPLING_BATCH * part for part in range(parts)), len(latent)]
    images = []
    with batch_statistics(generator) if own_statistics else running_statistics(generator):
        for start, stop in itertools.pairwise(bounds):
            classes = one_hot(labels[start:stop], generator.spec.classes).to(device)
            made = generator(latent[start:stop].to(device), classes)
            images.append(made.float().mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu())
    return torch.cat(images)


@contextlib.contextmanager
def running_statistics(network: nn.Module) -> Iterator[None]:
    """Within, the network normalises by the running averages."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
