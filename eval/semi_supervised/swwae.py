"""The stacked what-where autoencoder: a classifier that also has to reconstruct all images, labelled or not."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from dcgan_features.data.utils.identity import known_as
from dcgan_features.eval.neural.gradient_training import GradientClassifier, check_between
from dcgan_features.eval.neural.image_rows import Shape, as_images, image_shape
from dcgan_features.eval.semi_supervised.swwae_network import WhatWhereNetwork, parse


@known_as("eval.swwae.SWWAE")
@dataclass(eq=False, repr=False)
class SWWAE(GradientClassifier):
    """Convolutions and max-pooling, whose switches tell a mirrored decoder where to put what it decodes, and a softmax.

    Zhao, Mathieu, Goroshin and LeCun, arXiv 1506.02351. The loss is the mean cross-entropy of the labelled rows, plus
    `reconstruction_weight` times the mean square of what the decoder misses of the pixels, plus `middle_weight` times
    the sum over all pooled stages but the topmost, which the decoder starts from, of the mean square of what it
    misses of them; both on all rows. Means are over the rows and all their values. The paper's weights,
    optimiser and place of dropout are not known to us: a reconstruction. A row of X is an image by rows, columns, then
    channels, as `features.RawPixels` makes them.

    Parameters
    ----------
    layers : the encoder in the paper's notation, see `swwae_network.parse`; a fully connected softmax follows.
    image_shape : (height, width, channels); None guesses it, see `eval.neural.image_rows.image_shape`.
    reconstruction_weight, middle_weight : >= 0. With both 0 there is no decoder, and the labelled rows alone train the
        network, in as many minibatches, while batch normalisation is by the statistics of all: the control.
    dropout : probability that a value before the softmax layer is set to 0 in training, the others being scaled up,
        0..1.
    stage_dropout : the same of every pooled stage's values on their way on, 0..1; what the decoder is to find is
        spared, so that it learns to fill in.
    batch_norm : whether there is batch normalisation.

    The other parameters and the attributes are those of `GradientClassifier`.
    """

    semi_supervised: ClassVar[bool] = True

    layers: str = "(128)5c-2p-(128)3c-(256)3c-2p-(256)3c-2p"
    image_shape: Shape | None = None
    _: KW_ONLY
    reconstruction_weight: float = 3.0
    middle_weight: float = 0.3
    dropout: float = 0.0
    stage_dropout: float = 0.0
    batch_norm: bool = False
    epochs: int = 8
    batch_size: int = 100
    learning_rate: float = 1e-3
    decay_from: float = 0.5
    precision: str = "bf16"

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_between("reconstruction_weight", self.reconstruction_weight, 0.0, float("inf"))
        check_between("middle_weight", self.middle_weight, 0.0, float("inf"))
        check_between("dropout", self.dropout, 0.0, 1.0)
        check_between("stage_dropout", self.stage_dropout, 0.0, 1.0)

    def _build(self, n_features: int, n_classes: int) -> nn.Module:
        self.image_shape_ = image_shape(n_features, self.image_shape)
        return WhatWhereNetwork(
            parse(self.layers),
            self.image_shape_,
            n_classes,
            dropout=self.dropout,
            stage_dropout=self.stage_dropout,
            batch_norm=self.batch_norm,
            decoder=bool(self.reconstruction_weight or self.middle_weight),
        )

    def _loss(self, network: nn.Module, labelled: Tensor, index: Tensor, unlabelled: Tensor | None) -> Tensor:
        assert isinstance(network, WhatWhereNetwork)
        # Without a decoder, other rows would teach the network nothing but statistics for batch normalisation.
        needed = network.decoder or self.batch_norm
        rows = labelled if unlabelled is None or not needed else torch.cat([labelled, unlabelled])
        images = as_images(rows, self.image_shape_)
        what, where = network.encode(images)
        loss = functional.cross_entropy(network.classify(what[-1][: len(labelled)]).float(), index)
        if network.decoder:
            pixels, *middle = (
                (made.float() - wanted.float()).square().mean()
                for made, wanted in zip(network.decode(images, what, where), [images, *what[:-1]], strict=True)
            )
            loss = loss + self.reconstruction_weight * pixels + self.middle_weight * sum(middle)
        return loss

    def _logits(self, network: nn.Module, rows: Tensor) -> Tensor:
        logits: Tensor = network(as_images(rows, self.image_shape_))
        return logits
