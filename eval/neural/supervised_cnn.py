"""The supervised control of the DCGAN paper: the discriminator's architecture, trained on the labels alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field

import torch
from torch import Tensor, nn

from dcgan_features.data.utils.checks import check_counts, check_positive
from dcgan_features.data.utils.identity import known_as
from dcgan_features.eval.neural.gradient_training import GradientClassifier, check_between
from dcgan_features.eval.neural.image_rows import Shape, as_images, image_shape, initialise

LEAK = 0.2


@known_as("eval.supervised_cnn.SupervisedCNN")
@dataclass(eq=False, repr=False)
class SupervisedCNN(GradientClassifier):
    """5 x 5 convolutions with stride 2, leaky rectifiers, batch normalisation on all but the first, and a softmax.

    Radford, Metz and Chintala, ICLR 2016, section 5.2: "the same architecture" as the DCGAN's discriminator for SVHN,
    trained on the labelled images alone, its settings found by random search (Bergstra and Bengio, JMLR 13, 2012). What
    they searched is a reconstruction. Images are not augmented. A row of X is an image by rows, columns, then channels,
    as `features.RawPixels` makes them.

    Parameters
    ----------
    image_shape : (height, width, channels); None guesses it, see `eval.neural.image_rows.image_shape`.
    maps : of each convolution.
    dropout : probability that one of the last convolution's responses is set to 0 in training, the others being scaled
        up, 0..1.
    weight_decay : of the L2 penalty weight_decay / 2 |w|^2 on all weights, >= 0.
    beta1 : of Adam, 0 up to below 1.
    initial_sd : deviation of the initial weights, > 0, or "he" for sqrt(2 / fan-in).
    batch_norm : whether there is batch normalisation.

    The other parameters and the attributes are those of `GradientClassifier`.
    """

    image_shape: Shape | None = None
    _: KW_ONLY
    maps: Sequence[int] = (64, 128, 256)
    dropout: float = 0.5
    weight_decay: float = 1e-4
    beta1: float = 0.9
    initial_sd: float | str = 0.02
    batch_norm: bool = True
    epochs: int = 12
    batch_size: int = 20
    learning_rate: float = 5e-4
    decay_from: float = 0.5
    precision: str = "bf16"
    labelled_batch_size: int = field(default=50, init=False)  # not a setting here: there are no rows without labels

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if not len(self.maps):
            raise ValueError("maps is empty; the network needs at least one convolution")
        for count in self.maps:
            check_counts(maps=count)
        check_between("dropout", self.dropout, 0.0, 1.0)
        check_between("weight_decay", self.weight_decay, 0.0, float("inf"))
        check_between("beta1", self.beta1, 0.0, 0.9999)
        if self.initial_sd != "he":
            check_positive("initial_sd, where it is not 'he',", self.initial_sd)

    def _build(self, n_features: int, n_classes: int) -> nn.Module:
        self.image_shape_ = image_shape(n_features, self.image_shape)
        height, width, channels = self.image_shape_
        layers: list[nn.Module] = []
        for index, count in enumerate(self.maps):
            normalised = self.batch_norm and index > 0
            layers.append(nn.Conv2d(channels, count, 5, stride=2, padding=2, bias=not self.batch_norm))
            if normalised:
                layers.append(nn.BatchNorm2d(count))
            layers.append(nn.LeakyReLU(LEAK, inplace=True))
            height, width, channels = -(-height // 2), -(-width // 2), count
        layers += [nn.Flatten(), nn.Dropout(self.dropout), nn.Linear(height * width * channels, n_classes)]
        network = nn.Sequential(*layers)
        initialise(network, self.initial_sd)
        return network.to(memory_format=torch.channels_last)

    def _logits(self, network: nn.Module, rows: Tensor) -> Tensor:
        logits: Tensor = network(as_images(rows, self.image_shape_))
        return logits

    def _optimiser(self, network: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(
            network.parameters(),
            lr=self.learning_rate,
            betas=(self.beta1, 0.999),
            weight_decay=self.weight_decay,
            fused=True,
        )
