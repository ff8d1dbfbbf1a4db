"""The multi-layer perceptron of the MNIST table: labels only, and nothing is known of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field

import torch
from torch import nn

from dcgan_features.data.utils.checks import check_counts
from dcgan_features.data.utils.identity import known_as
from dcgan_features.eval.neural.gradient_training import GradientClassifier, check_between


@known_as("eval.perceptron.Perceptron")
@dataclass(eq=False, repr=False)
class Perceptron(GradientClassifier):
    """Fully connected layers of rectified units and a softmax, trained by Adam on the cross-entropy.

    The row "NN" of Kingma et al. (NIPS 2014), table 1, which gives no settings: a reconstruction.

    Parameters
    ----------
    hidden : units of each hidden layer; () is multinomial logistic regression.
    dropout : probability that a hidden unit is set to 0 in training, the others being scaled up, 0..1.
    input_dropout : the same for a feature.
    weight_decay : of the L2 penalty weight_decay / 2 |w|^2 on all weights, >= 0.

    The other parameters and the attributes are those of `GradientClassifier`.
    """

    hidden: Sequence[int] = (600, 600)
    _: KW_ONLY
    dropout: float = 0.5
    input_dropout: float = 0.0
    weight_decay: float = 0.0
    epochs: int = 30
    batch_size: int = 50
    learning_rate: float = 1e-3
    decay_from: float = 0.5
    labelled_batch_size: int = field(default=50, init=False)  # not a setting here: there are no rows without labels

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for units in self.hidden:
            check_counts(hidden=units)
        check_between("dropout", self.dropout, 0.0, 1.0)
        check_between("input_dropout", self.input_dropout, 0.0, 1.0)
        check_between("weight_decay", self.weight_decay, 0.0, float("inf"))

    def _build(self, n_features: int, n_classes: int) -> nn.Module:
        layers: list[nn.Module] = [nn.Dropout(self.input_dropout)]
        width = n_features
        for units in self.hidden:
            layers += [nn.Linear(width, units), nn.ReLU(), nn.Dropout(self.dropout)]
            width = units
        layers.append(nn.Linear(width, n_classes))
        for layer in layers:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
        return nn.Sequential(*layers)

    def _optimiser(self, network: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(network.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay, fused=True)
