"""One look at a GAN in training: all measures, without a trace in the training itself."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dcgan_features.data.utils.gpu import float32_convolutions
from dcgan_features.data.utils.random_streams import WATCH, stream
from dcgan_features.gan.batch_norm import evenly_spaced
from dcgan_features.gan.networks import Discriminator, Generator, draw_latent, scale_images
from dcgan_features.gan.samples import batch_statistics
from dcgan_features.gan.watching import measures
from dcgan_features.gan.watching.frozen import FrozenFeatures

PROBES = 128  # real images, and samples, that are looked at
REAL = 512  # real images that samples are compared with
_SPECTRA = 64  # of the probes, whose maps' spatial frequencies are taken


class Watched(Protocol):
    """What of a training is looked at."""

    device: torch.device
    generator: Generator
    discriminator: Discriminator


class Watcher:
    """Takes the measures of a training, of fixed real images and fixed z.

    images : uint8 (n, size, size, channels), the training images; 640 of them, evenly spaced, are kept.
    seed : of the run, from which the z follow. bf16 : whether convolutions are in bfloat16, as in the training.
    """

    def __init__(
        self, images: NDArray[np.uint8], spec: Any, seed: int, device: torch.device, bf16: bool = False
    ) -> None:
        chosen = scale_images(torch.from_numpy(np.array(evenly_spaced(images, PROBES + REAL)))).to(device)
        # Those of the probes are spread over all as well; of few images they are among the others.
        every = max(len(chosen) // PROBES, 1)
        self._probes = chosen[::every][:PROBES]
        others = torch.ones(len(chosen), dtype=torch.bool)
        others[::every] = len(chosen) < PROBES + REAL
        self._frozen = FrozenFeatures(chosen[others.to(device)][:REAL])
        self._latent = draw_latent(spec, PROBES, stream(seed, WATCH)).to(device)
        self._device, self._bf16 = device, bf16
        flat = self._probes.flatten(1)
        self._real = {
            "diversity": measures.nearest_other(flat),
            "frechet": self._frozen.distance(self._probes),
            "checkerboard": measures.checkerboard(self._probes),
        }

    @torch.no_grad()
    def look(self, training: Watched, gradients: Mapping[str, float]) -> dict[str, float]:
        """All measures by name, those of a layer as `<name>/<layer>`, layers counted from 1.

        gradients : norms of the last updates' gradients, by network, as `gradient_norms` gives them.
        Measures of samples are in multiples of those of as many real images. Nothing of the training is changed: no
        random number is drawn from its streams and no running statistic is touched. Empty where what the networks give
        is no longer finite.
        """
        with contextlib.ExitStack() as stack:
            stack.enter_context(float32_convolutions(self._device))
            stack.enter_context(batch_statistics(training.generator))
            stack.enter_context(batch_statistics(training.discriminator))
            if self._bf16:
                stack.enter_context(torch.autocast(self._device.type, torch.bfloat16))
            samples = training.generator(self._latent).float()
            maps = training.discriminator.maps(self._probes)
            real_logits = _logits(training.discriminator, maps[-1])
            fake_logits = _logits(training.discriminator, training.discriminator.maps(samples)[-1])
        if not all(bool(torch.isfinite(part).all()) for part in (*maps, samples, real_logits, fake_logits)):
            return {}
        found = {f"gradient/{name}": value for name, value in gradients.items()}
        for number, layer in enumerate(maps, 1):
            found |= {f"{name}/{number}": value for name, value in _of_maps(layer).items()}
        for number, convolution in enumerate(training.discriminator.convolutions, 1):
            values = measures.singular_values(_weight(convolution))
            found[f"spectral_norm/{number}"] = float(values[0])
            found[f"stable_rank/{number}"] = measures.stable_rank(values)
        found["separation"] = measures.separation(real_logits, fake_logits)
        found |= self._of_samples(samples)
        return found

    def _of_samples(self, samples: Tensor) -> dict[str, float]:
        of_samples = {
            "diversity": measures.nearest_other(samples.flatten(1)),
            "frechet": self._frozen.distance(samples),
            "checkerboard": measures.checkerboard(samples),
        }
        return {name: _ratio(value, self._real[name]) for name, value in of_samples.items()}


def gradient_norms(training: Watched, before: Mapping[str, float]) -> dict[str, float]:
    """The norm of the gradient of each network's last update, by the network's name.

    before : the same as it was at the point from which a run was resumed, for a network not updated since.
    """
    norms = dict(before)
    for name in ("discriminator", "generator"):
        network: nn.Module = getattr(training, name)
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        if gradients:
            norms[name] = measures.norm(gradients)
    return norms


def _of_maps(maps: Tensor) -> dict[str, float]:
    single, mean = measures.oscillation(maps[:_SPECTRA])
    return {
        "rank": measures.feature_rank(maps),
        "dead": measures.dead_maps(maps),
        "oscillation": single,
        "mean_oscillation": mean,
    }


def _logits(discriminator: Discriminator, last: Tensor) -> Tensor:
    if discriminator.logit is None:  # of leading layers only, which nobody trains
        raise ValueError(f"{discriminator.spec.name} has no logit")
    logits: Tensor = discriminator.logit(last.flatten(1)).squeeze(1).float()
    return logits


def _weight(layer: nn.Module) -> Tensor:
    weight: Any = layer.weight
    tensor: Tensor = weight
    return tensor


def _ratio(value: float, real: float) -> float:
    return value / max(real, 1e-12)
