"""M2: a generative model of features and classes, whose classifier also learns from rows without a label.

Kingma, Mohamed, Rezende & Welling, "Semi-supervised Learning with Deep Generative Models" (NIPS 2014), sections 2.2 and
3; the settings that the paper leaves out are those of the authors' published code.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from dcgan_features.data.utils.checks import check_choice, check_counts
from dcgan_features.data.utils.identity import known_as
from dcgan_features.eval.neural.gradient_training import GradientClassifier, check_between
from dcgan_features.eval.neural.labels import PartlyLabelled
from dcgan_features.features.autoencoder.gaussian_networks import (
    LIKELIHOODS,
    SoftplusNetwork,
    gaussian_kl,
    likelihood_heads,
    log_likelihood,
    normal_linear,
    sample_gaussian,
)


@known_as("eval.m2.M2Network")
class M2Network(nn.Module):
    """q(y | x), q(z | x, y) and p(x | y, z), each with one hidden layer of softplus units.

    n_inputs, n_classes, n_latent : lengths of x and of z, number of classes. hidden : units of the encoder and of the
    decoder. classifier_hidden : units of q(y | x). initial_sd : of the weights; None is 1 / sqrt(inputs of the
    layer), and 0 for those of the classes.

    A class enters the first layers as a column of weights of its own, so what x or z adds is computed once for all.
    """

    def __init__(
        self,
        n_inputs: int,
        n_classes: int,
        n_latent: int,
        hidden: int,
        classifier_hidden: int,
        likelihood: str,
        initial_sd: float | None,
    ) -> None:
        super().__init__()
        self.likelihood, self.n_classes = likelihood, n_classes
        self.classifier = SoftplusNetwork(n_inputs, (classifier_hidden,), (n_classes,), initial_sd=initial_sd)
        self.encoder_inputs = normal_linear(n_inputs, hidden, initial_sd=initial_sd)
        self.encoder_heads = SoftplusNetwork(hidden, (), (n_latent, n_latent), initial_sd=initial_sd)
        self.decoder_inputs = normal_linear(n_latent, hidden, initial_sd=initial_sd)
        heads = likelihood_heads(likelihood, n_inputs)
        self.decoder_heads = SoftplusNetwork(hidden, (), heads, initial_sd=initial_sd)
        # Of the one-hot classes, (n_classes, hidden). They begin at 0, or near it, so that a class means nothing
        # before labels say so: those that random weights tell apart, q(y | x) would learn first, and keep.
        sd = initial_sd or 0.0
        self.encoder_classes = nn.Parameter(sd * torch.randn(n_classes, hidden))
        self.decoder_classes = nn.Parameter(sd * torch.randn(n_classes, hidden))

    def forward(self, rows: Tensor) -> Tensor:
        """Logits of q(y | x), (n, n_classes), of rows (n, n_inputs)."""
        logits: Tensor = self.classifier(rows)[0]
        return logits

    def bound(self, rows: Tensor, classes: Tensor, noise: Tensor) -> Tensor:
        """-L(x, y): the lower bound of log p(x, y) with one draw of z, p(y) being uniform, in nats, float32.

        rows : (n, n_inputs). classes : int64 (n,), a class for each row, or (m, 1), each class for all rows.
        noise : of N(0, 1), (n, n_latent), shared by the classes. Returns (n,) or (m, n).
        """
        encoded = functional.softplus(self.encoder_inputs(rows) + self.encoder_classes[classes])
        mean, log_variance = self.encoder_heads(encoded)
        latent = sample_gaussian(mean, log_variance, noise)
        decoded = functional.softplus(self.decoder_inputs(latent) + self.decoder_classes[classes])
        reconstruction = log_likelihood(self.likelihood, self.decoder_heads(decoded), rows)
        return reconstruction - gaussian_kl(mean, log_variance) - math.log(self.n_classes)

    def unlabelled_bound(self, rows: Tensor, noise: Tensor, least_probability: float = 0.0) -> Tensor:
        """-U(x): the lower bound of log p(x), the sum over the classes being exact, in nats, float32 (n,).

        rows : (n, n_inputs). noise : of N(0, 1), (n, n_latent).
        least_probability : classes whose q(y | x) is below it are left out of a row's sum, and the others' q made to
            sum to 1: a lower bound of log p(x) as well, of as many networks' passes as classes are kept.
        """
        log_q = self(rows).float().log_softmax(1)
        if not least_probability:
            every = torch.arange(self.n_classes, device=rows.device)[:, None]
            bounds = self.bound(rows, every, noise).T
            return torch.sum(log_q.exp() * (bounds - log_q), 1)
        kept = (log_q >= math.log(least_probability)) | (log_q == log_q.amax(1, keepdim=True))
        log_q = log_q.masked_fill(~kept, -math.inf).log_softmax(1)[kept]
        row, index = kept.nonzero(as_tuple=True)
        terms = log_q.exp() * (self.bound(rows[row], index, noise[row]) - log_q)
        return torch.zeros(len(rows), device=rows.device).index_add(0, row, terms)


@known_as("eval.m2.M2")
@dataclass(eq=False, repr=False)
class M2(GradientClassifier):
    """The semi-supervised classifier q(y | x) of a variational model of x, y and z; y = -1 means "no label".

    With L(x, y) and U(x) the negative bounds of log p(x, y) and log p(x), and N rows, it minimises

        1/N (sum of L over rows with labels + sum of U over rows without) + alpha * mean of -log q(y | x) over rows with
        labels + prior / (2 N) |w|^2,

    the paper's objective over N: its weight of the class term, alpha * N / (rows with labels), is `beta_`.

    Parameters
    ----------
    n_latent : latent variables z. hidden : units of encoder and decoder. classifier_hidden : units of q(y | x).
    likelihood : "bernoulli", for X of 0..1, or "gaussian", with learned variances, for any X.
    binarise : for "bernoulli", draw each number of X as 0 or 1 with it as probability, anew for each minibatch, as the
        authors do; False takes X as it is, as prediction always does.
    alpha : weight of the class term, >= 0.
    prior : precision of the normal prior of the weights, >= 0; the paper's is 1, 0 has none.
    initial_sd : of the initial weights, the authors' being 1e-3; None is 1 / sqrt(inputs of the layer), and 0 for the
        weights of the classes in encoder and decoder.
    least_probability : of a class, 0..1: where q(y | x) is below it, an unlabelled row's bound leaves the class out,
        so that a step costs as many classes as are in question; 0 takes all.
    sample_inputs : X holds the means, then as many log-variances, of Gaussians (M1's posteriors, see
        `features.VariationalFeatures(output="posterior")`): each minibatch is drawn from them anew, and prediction
        takes the means. For "gaussian".

    The other parameters and the attributes are those of `GradientClassifier`; `beta_` comes with them.
    """

    semi_supervised = True

    n_latent: int = 50
    hidden: int = 500
    classifier_hidden: int = 500
    _: KW_ONLY
    likelihood: str = "gaussian"
    binarise: bool = True
    alpha: float = 0.1
    prior: float = 1.0
    initial_sd: float | None = None
    least_probability: float = 0.0
    sample_inputs: bool = False
    epochs: int = 100
    batch_size: int = 200
    learning_rate: float = 1e-3
    decay_from: float = 0.5

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_counts(n_latent=self.n_latent, hidden=self.hidden, classifier_hidden=self.classifier_hidden)
        check_choice("likelihood", self.likelihood, LIKELIHOODS)
        for name in ("alpha", "prior", *(("initial_sd",) if self.initial_sd is not None else ())):
            check_between(name, getattr(self, name), 0.0, np.inf)
        check_between("least_probability", self.least_probability, 0.0, 1.0)
        if self.sample_inputs and self.likelihood == "bernoulli":
            raise ValueError("sample_inputs goes with likelihood='gaussian', not 'bernoulli'")

    def _check_rows(self, X: npt.ArrayLike, y: npt.ArrayLike) -> PartlyLabelled:
        rows = super()._check_rows(X, y)
        if self.likelihood == "bernoulli" and not (rows.X.min() >= 0 and rows.X.max() <= 1):
            raise ValueError(
                f"likelihood='bernoulli' takes X of 0..1, not {rows.X.min():g}..{rows.X.max():g}; scale it, "
                "or set likelihood='gaussian'"
            )
        if self.sample_inputs and rows.X.shape[1] % 2:
            raise ValueError(f"sample_inputs takes as many log-variances as means, but X has {rows.X.shape[1]} columns")
        labelled = int(rows.labelled.sum())
        self.labelled_share_ = labelled / len(rows.index)
        self.n_rows_ = len(rows.index)
        self.beta_ = self.alpha / self.labelled_share_
        return rows

    def _build(self, n_features: int, n_classes: int) -> nn.Module:
        n_inputs = n_features // 2 if self.sample_inputs else n_features
        return M2Network(
            n_inputs, n_classes, self.n_latent, self.hidden, self.classifier_hidden, self.likelihood, self.initial_sd
        )

    def _loss(self, network: nn.Module, labelled: Tensor, index: Tensor, unlabelled: Tensor | None) -> Tensor:
        m2 = cast(M2Network, network)
        rows = self._draw(labelled)
        loss = -self.labelled_share_ * m2.bound(rows, index, self._noise(rows)).mean()
        loss = loss + self.alpha * functional.cross_entropy(m2(rows).float(), index)
        if unlabelled is not None:
            rows = self._draw(unlabelled)
            bound = m2.unlabelled_bound(rows, self._noise(rows), self.least_probability)
            loss = loss - (1 - self.labelled_share_) * bound.mean()
        if self.prior:
            squares = sum(weights.square().sum() for weights in network.parameters() if weights.dim() > 1)
            loss = loss + self.prior / (2 * self.n_rows_) * squares
        return loss

    def _logits(self, network: nn.Module, rows: Tensor) -> Tensor:
        if self.sample_inputs:
            rows = rows[:, : rows.shape[1] // 2]
        logits: Tensor = network(rows)
        return logits

    def _draw(self, rows: Tensor) -> Tensor:
        """What the model is shown of rows of X: a draw, where X describes distributions."""
        if self.sample_inputs:
            mean, log_variance = rows.chunk(2, dim=1)
            return sample_gaussian(mean, log_variance, torch.randn_like(mean))
        if self.likelihood == "bernoulli" and self.binarise:
            return torch.bernoulli(rows)
        return rows

    def _noise(self, rows: Tensor) -> Tensor:
        return torch.randn(len(rows), self.n_latent, device=rows.device)
