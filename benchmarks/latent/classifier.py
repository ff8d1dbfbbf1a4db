"""Who says what a generated image shows: a small convolutional network, trained on labelled stand-in images.

The truth of a generated image is known only through it, so its own errors are measured on stand-in test images, and
where it is unsure, that is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dcgan_features.data.synthetic.stand_in import CLASSES, stand_in, stand_in_factors
from dcgan_features.gan.networks import scale_images, unscale_images

FACTORS = ("shape", "hue", "x", "y", "size")
SURE_OF_SHAPE = 0.9  # probability of the shape
SURE_QUANTILE = 0.95  # of validation images: so many are within the limit of doubt, for each other factor
SEED = 1  # of the stand-in images it learns from; generators learn from seed 0
_VALIDATION = 1_000
_BATCH, _RATE = 100, 2e-3
_CENTRES = {"x": (16.0, 4.0), "y": (16.0, 4.0), "size": (10.75, 2.0)}  # of each a middle and a scale, in pixels
_TARGETS = 2 + len(_CENTRES)  # the hue is a point on the unit circle

Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Judgement:
    """What images show; arrays (n,).

    shape : class, int64. hue : 0..1. x, y, size : pixels, as in `data.synthetic.stand_in.stand_in_factors`.
    sure : for each factor whether the judge is; bool.
    """

    shape: NDArray[np.int64]
    hue: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    size: NDArray[np.float64]
    sure: dict[str, NDArray[np.bool_]]

    def of(self, factor: str) -> NDArray[Any]:
        """The factor's values."""
        values: NDArray[Any] = getattr(self, factor)
        return values

    @property
    def all_sure(self) -> NDArray[np.bool_]:
        """Where the judge is sure of every factor."""
        return self.sure_of(*FACTORS)

    def sure_of(self, *factors: str) -> NDArray[np.bool_]:
        """Where the judge is sure of all of these factors."""
        result: NDArray[np.bool_] = np.logical_and.reduce([self.sure[factor] for factor in factors])
        return result


class Judge(Protocol):
    """Says what images show."""

    def __call__(self, images: Images) -> Judgement:
        """Images : uint8 (n, 32, 32, 3)."""

    def features(self, images: Images) -> NDArray[np.float32]:
        """What its verdict is made of, (n, d): a space in which images of like content lie near each other."""


class _Network(nn.Module):
    """Three strided convolutions and a hidden layer; then logits of the shapes, and a mean and a log variance each."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for maps in (width, 2 * width, 4 * width):
            layers += [nn.Conv2d(channels, maps, 5, 2, 2, bias=False), nn.BatchNorm2d(maps), nn.ReLU()]
            channels = maps
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * channels, 8 * width), nn.ReLU())
        self.head = nn.Linear(8 * width, len(CLASSES) + 2 * _TARGETS)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (n, 10), means and log variances (n, 5). pixels : (n, 3, 32, 32), -1..1."""
        logits, means, spreads = self.head(self.body(pixels)).split([len(CLASSES), _TARGETS, _TARGETS], dim=1)
        return logits, means, spreads.clamp(-10, 5)


class LearnedJudge:
    """The network, trained, with the limits beyond which it counts as unsure."""

    def __init__(self, network: nn.Module, limits: dict[str, float] | None = None) -> None:
        self.network = network.eval()
        self.limits = limits or dict.fromkeys(FACTORS, np.inf)

    @torch.no_grad()
    def _outputs(self, images: Images, part: Callable[[Tensor], Any]) -> list[Any]:
        return [part(_pixels(images[start : start + 500])) for start in range(0, len(images), 500)]

    def doubts(self, images: Images) -> tuple[Judgement, dict[str, NDArray[np.float64]]]:
        """The judgement, and the doubt of each factor: 1 - probability of the shape, standard deviation of others.

        A hue's is that of the point on the unit circle; positions' and sizes' are in pixels.
        """
        parts = self._outputs(images, self.network)
        logits, means, spreads = (torch.cat(column).double() for column in zip(*parts, strict=True))
        probability, shape = logits.softmax(1).max(1)
        deviations = spreads.mul(0.5).exp().numpy()
        cosine, sine = means[:, 0].numpy(), means[:, 1].numpy()
        values = {"hue": np.arctan2(sine, cosine) / (2 * np.pi) % 1}
        doubts = {"shape": 1 - probability.numpy(), "hue": np.sqrt((deviations[:, :2] ** 2).sum(1))}
        for column, (factor, (middle, scale)) in enumerate(_CENTRES.items(), start=2):
            values[factor] = middle + scale * means[:, column].numpy()
            doubts[factor] = scale * deviations[:, column]
        sure = {factor: doubts[factor] <= self.limits[factor] for factor in FACTORS}
        return Judgement(shape=shape.numpy(), sure=sure, **values), doubts

    def __call__(self, images: Images) -> Judgement:
        """Images : uint8 (n, 32, 32, 3)."""
        return self.doubts(images)[0]

    def features(self, images: Images) -> NDArray[np.float32]:
        """Its hidden layer, (n, d)."""
        body = self.network.body
        assert isinstance(body, nn.Module)
        return torch.cat(self._outputs(images, body)).numpy()


def _pixels(images: Images) -> Tensor:
    return scale_images(torch.from_numpy(np.ascontiguousarray(images)))


def _targets(factors: NDArray[Any]) -> Tensor:
    angle = 2 * np.pi * factors["hue"]
    columns = [np.cos(angle), np.sin(angle)]
    columns += [(factors[factor] - middle) / scale for factor, (middle, scale) in _CENTRES.items()]
    return torch.from_numpy(np.stack(columns, 1).astype(np.float32))


def _roughened(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Blurred and made noisy, each image by as much as it happens: generated images are neither clean nor sharp."""
    blur, noise = (torch.rand(len(pixels), 1, 1, 1, generator=generator) for _ in range(2))
    soft = functional.avg_pool2d(functional.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, 1)
    mixed = pixels + blur * (soft - pixels)
    return (mixed + 0.15 * noise * torch.randn(pixels.shape, generator=generator)).clamp_(-1, 1)


def train_judge(
    clutter: bool, images: int = 8_000, epochs: int = 8, width: int = 24, advance: Callable[[int], object] = print
) -> LearnedJudge:
    """A judge of stand-in images with or without clutter, from `images` labelled ones; the last 1,000 validate.

    Trained by the sum of cross-entropy and Gaussian negative log likelihoods. advance : called with each minibatch's
    number of images.
    """
    made = stand_in(images + _VALIDATION, 1, seed=SEED, clutter=clutter).train_images
    factors = stand_in_factors(images + _VALIDATION, seed=SEED)
    targets, labels = _targets(factors), torch.from_numpy(factors["shape"])
    generator = torch.Generator().manual_seed(SEED)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = _Network(width).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters(), _RATE)
    batches = images // _BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=epochs * batches)
    network.train()
    for _ in range(epochs):
        order = torch.randperm(images, generator=generator)
        for index in range(batches):
            rows = order[index * _BATCH : (index + 1) * _BATCH]
            logits, means, spreads = network(_roughened(_pixels(made[rows.numpy()]), generator))
            loss = functional.cross_entropy(logits, labels[rows])
            loss = loss + functional.gaussian_nll_loss(means, targets[rows], spreads.exp())
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
            advance(_BATCH)
    judge = LearnedJudge(network)
    rough = unscale_images(_roughened(_pixels(made[images:]), generator)).numpy()
    _, doubts = judge.doubts(rough)
    limits = {factor: float(np.quantile(doubts[factor], SURE_QUANTILE)) for factor in FACTORS[1:]}
    return LearnedJudge(network, {"shape": 1 - SURE_OF_SHAPE, **limits})
