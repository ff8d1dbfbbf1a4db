"""M1: features of a variational autoencoder that is trained without labels.

Kingma, Mohamed, Rezende & Welling, "Semi-supervised Learning with Deep Generative Models" (NIPS 2014), sections 2.1 and
4; the settings that the paper leaves out are those of the authors' published code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from dcgan_features.data.utils.checks import check_choice, check_counts
from dcgan_features.data.utils.devices import choose_device
from dcgan_features.data.utils.identity import known_as
from dcgan_features.data.utils.random_streams import stream
from dcgan_features.features.autoencoder.gaussian_networks import (
    LIKELIHOODS,
    PRECISIONS,
    SoftplusNetwork,
    gaussian_kl,
    likelihood_heads,
    log_likelihood,
    reduced_precision,
    sample_gaussian,
)
from dcgan_features.features.base import Extractor, Images, as_tensor, check_images
from dcgan_features.features.pca import PixelProjection

_OUTPUTS = ["mean", "posterior"]
_INPUTS = ["sampled", "threshold", "grey"]
_WEIGHTS, _ORDER, _NOISE = range(3)  # what a stream of random numbers is for; part of its seed
_COVARIANCE_IMAGES = 10_000  # as in the authors' code


@known_as("features.variational.VariationalAutoencoder")
class VariationalAutoencoder(nn.Module):
    """q(z | x) and p(x | z), both Gaussian or, for x of 0 and 1, the latter Bernoulli; p(z) is N(0, 1).

    n_inputs, n_latent : lengths of x and z. hidden : units of the encoder's hidden layers; the decoder's are the same
    in reverse. generator : of the initial weights. The weights of q's log-variance begin at 0.
    """

    def __init__(
        self, n_inputs: int, hidden: Sequence[int], n_latent: int, likelihood: str, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.likelihood = likelihood
        self.encoder = SoftplusNetwork(n_inputs, hidden, (n_latent, n_latent), generator)
        with torch.no_grad():
            self.encoder.layers[-1].weight[n_latent:].zero_()  # type: ignore[index]
        heads = likelihood_heads(likelihood, n_inputs)
        self.decoder = SoftplusNetwork(n_latent, hidden[::-1], heads, generator)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | x), each (n, n_latent), of inputs (n, n_inputs)."""
        mean, log_variance = self.encoder(inputs)
        return mean, log_variance

    def bound(self, inputs: Tensor, noise: Tensor, weight: float = 1.0) -> Tensor:
        """The lower bound of log p(x) with one draw of z a row, in nats, (n,).

        noise : of N(0, 1), (n, n_latent). The divergence is that of the whole posterior, not of the draw; it counts
        `weight` times, and with less than once what is returned may be larger than log p(x).
        """
        mean, log_variance = self(inputs)
        latent = sample_gaussian(mean, log_variance, noise)
        divergence = gaussian_kl(mean, log_variance)
        return log_likelihood(self.likelihood, self.decoder(latent), inputs) - weight * divergence


@known_as("features.variational.VariationalFeatures")
class VariationalFeatures(Extractor):
    """The posterior mean of a variational autoencoder's latent variables, fitted to the images: float32 (n, k).

    n_latent : latent variables; k is as many, or fewer with `min_spread`.
    hidden : softplus units of the encoder's layers; the decoder's are the same in reverse.
    likelihood : "bernoulli" for pixels that are nearly black and white, or "gaussian", with learned variances.
    inputs : what "bernoulli" makes of the pixels, as v = pixel / 255: "sampled", 1 with probability v, anew for each
        minibatch, features being made of v itself; "threshold", 1 where v > 1/2, features too; "grey", v.
    components : for "gaussian", the number of whitened principal components, of 10,000 images, that stand in for the
        pixels, see `PixelProjection`; None takes the pixels, centred and scaled.
    output : "mean", or "posterior": the k means, then their k log-variances, from which M2 draws.
    min_spread : keep the latent variables whose mean has a larger standard deviation than this over the images fitted
        on (the paper's MNIST features: 0.1); the others hold the prior alone. None keeps all.
    epochs, batch_size : passes over the images, and images a minibatch.
    learning_rate : of Adam. decay_from : share of the training after which it falls linearly to 0; 1 keeps it constant.
    warm_up : share of the training over which the divergence's weight rises from 0 to 1, so that the latent variables
        are used before they cost anything (Bowman et al., CoNLL 2016; Sønderby et al., NIPS 2016); 0: it is 1 always.
    clip : largest norm of the gradient, by parameters, of a minibatch's mean bound; None does not clip.
    precision : "bf16", of products, or "fp32". Weights are float32, and features made in float32, always.
    seed : of weights, order and noise.
    device : None is the GPU where there is one, else the CPU.
    progress : called with (stage, done, total) in epochs during `fit`, stage "autoencoder".

    Learned: `network_`, `projection_` (None for "bernoulli"), `kept_`, the latent variables kept, and `bounds_`, the
    mean bound in nats of each epoch's minibatches, with the divergence's weight as it was.
    """

    speed_only = (*(name for name in Extractor.speed_only if name != "batch_size"), "progress")
    later: ClassVar[dict[str, Any]] = {"warm_up": 0.0}

    def __init__(
        self,
        n_latent: int = 50,
        hidden: Sequence[int] = (500, 500),
        likelihood: str = "bernoulli",
        inputs: str = "sampled",
        components: int | None = None,
        output: str = "mean",
        min_spread: float | None = None,
        epochs: int = 200,
        batch_size: int = 200,
        learning_rate: float = 1e-3,
        decay_from: float = 0.5,
        warm_up: float = 0.0,
        clip: float | None = None,
        precision: str = "bf16",
        seed: int = 0,
        device: str | torch.device | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> None:
        self.n_latent = n_latent
        self.hidden = hidden
        self.likelihood = likelihood
        self.inputs = inputs
        self.components = components
        self.output = output
        self.min_spread = min_spread
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.decay_from = decay_from
        self.warm_up = warm_up
        self.clip = clip
        self.precision = precision
        self.seed = seed
        self.device = device
        self.progress = progress

    def fit(self, images: Images, y: object = None) -> Self:
        """Train the autoencoder on `images`, uint8 (n, height, width, channels). `y` is ignored.

        Raises ValueError for unusable parameters, for training that diverges, and where `min_spread` keeps nothing.
        """
        images = check_images(images)
        self._check_parameters()
        device = choose_device(self.device)
        self.projection_ = None
        if self.likelihood == "gaussian":
            self.projection_ = PixelProjection.fit(images, self.components, _COVARIANCE_IMAGES, True, self.seed, device)
        n_inputs = images[0].size if self.projection_ is None else self.projection_.n_outputs
        hidden, weights = tuple(self.hidden), stream(self.seed, _WEIGHTS)
        self.network_ = VariationalAutoencoder(n_inputs, hidden, self.n_latent, self.likelihood, weights).to(device)
        self._train(images, device)
        self.kept_ = self._kept(images)
        return self._fitted(images, len(self.kept_) * (2 if self.output == "posterior" else 1), "float32")

    def _check_parameters(self) -> None:
        check_choice("likelihood", self.likelihood, LIKELIHOODS)
        check_choice("inputs", self.inputs, _INPUTS)
        check_choice("output", self.output, _OUTPUTS)
        check_choice("precision", self.precision, PRECISIONS)
        check_counts(n_latent=self.n_latent, epochs=self.epochs, batch_size=self.batch_size)
        for units in self.hidden:
            check_counts(hidden=units)
        if self.components is not None:
            check_counts(components=self.components)
            if self.likelihood == "bernoulli":
                raise ValueError(f"components={self.components} goes with likelihood='gaussian', not 'bernoulli'")
        for name in ("learning_rate", "clip"):
            value = getattr(self, name)
            if not (name == "clip" and value is None) and not 0 < value < np.inf:
                raise ValueError(f"{name}={value!r} must be a number above 0")
        for name in ("decay_from", "warm_up"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)!r} must be a number from 0 to 1")
        if self.min_spread is not None and not self.min_spread >= 0:
            raise ValueError(f"min_spread={self.min_spread!r} must be a number of at least 0, or None")

    def _train(self, images: Images, device: torch.device) -> None:
        optimiser = torch.optim.Adam(self.network_.parameters(), lr=self.learning_rate, fused=True)
        seed = int(torch.randint(2**62, (1,), generator=stream(self.seed, _NOISE)))
        noise = torch.Generator(device).manual_seed(seed)
        rows = len(range(0, len(images), self.batch_size))
        self.bounds_: list[float] = []
        for epoch in range(self.epochs):
            order = torch.randperm(len(images), generator=stream(self.seed, _ORDER, epoch)).numpy()
            total = torch.zeros((), device=device)
            for step, chosen in enumerate(np.array_split(order, rows)):
                done = (epoch * rows + step) / (self.epochs * rows)
                for group in optimiser.param_groups:
                    group["lr"] = self.learning_rate * min(1.0, (1.0 - done) / max(1.0 - self.decay_from, 1e-9))
                inputs = self._inputs(images[np.sort(chosen)])
                if self.likelihood == "bernoulli" and self.inputs == "sampled":
                    inputs = torch.bernoulli(inputs, generator=noise)
                latent = torch.randn(len(chosen), self.n_latent, generator=noise, device=device)
                with reduced_precision(self.precision, device):
                    bound = self.network_.bound(inputs, latent, min(1.0, done / self.warm_up) if self.warm_up else 1.0)
                optimiser.zero_grad()
                torch.autograd.backward(-bound.mean())
                if self.clip is not None:
                    nn.utils.clip_grad_norm_(self.network_.parameters(), self.clip)
                optimiser.step()
                total += bound.detach().sum()
            self.bounds_.append(float(total) / len(images))
            if not np.isfinite(self.bounds_[-1]):
                raise ValueError(
                    f"the training of M1 diverged in epoch {epoch + 1}: lower learning_rate={self.learning_rate!r}, "
                    f"or set clip, which is {self.clip!r}"
                )
            if self.progress is not None:
                self.progress("autoencoder", epoch + 1, self.epochs)
        self.network_.requires_grad_(False).eval()

    def _inputs(self, images: Images) -> Tensor:
        """What the network takes, float32 (n, n_inputs), on its device; for "sampled", the probabilities."""
        if self.projection_ is not None:
            return self.projection_(images)
        device = next(self.network_.parameters()).device
        values = as_tensor(images).to(device).flatten(1)
        return (values > 127).float() if self.inputs == "threshold" else values.float().div_(255.0)

    @torch.inference_mode()
    def _kept(self, images: Images) -> Tensor:
        """Indices of the latent variables that `min_spread` keeps."""
        if self.min_spread is None:
            return torch.arange(self.n_latent)
        step = self._block_size()
        means = torch.cat(
            [self.network_(self._inputs(images[at : at + step]))[0].cpu() for at in range(0, len(images), step)]
        )
        spread = means.std(0, correction=0)
        kept = torch.nonzero(spread > self.min_spread)[:, 0]
        if not len(kept):
            raise ValueError(
                f"min_spread={self.min_spread!r} keeps no latent variable: the largest deviation is {spread.max():.3g}"
            )
        return kept

    def _block_size(self) -> int:
        return 1024

    def _transform_block(self, images: Images) -> Tensor:
        mean, log_variance = self.network_(self._inputs(images))
        chosen: Tensor = mean[:, self.kept_.to(mean.device)]
        if self.output == "posterior":
            chosen = torch.cat([chosen, log_variance[:, self.kept_.to(mean.device)]], dim=1)
        return chosen.cpu()
