"""Exemplar-CNN: a network that tells transformed seed patches apart, trained without labels.

A. Dosovitskiy, P. Fischer, J. T. Springenberg, M. Riedmiller and T. Brox, "Discriminative unsupervised feature learning
with exemplar convolutional neural networks", arXiv 1406.6909v2.
"""

from typing import TYPE_CHECKING

from dcgan_features.data.utils.lazy import exports_of

if TYPE_CHECKING:
    from dcgan_features.features.exemplar.extractor import ExemplarCNNFeatures
    from dcgan_features.features.exemplar.networks import SIZES, ExemplarNetwork
    from dcgan_features.features.exemplar.weights import load_exemplar_weights, save_exemplar_weights
else:
    __getattr__, __dir__ = exports_of(__name__, __file__)

__all__ = ["SIZES", "ExemplarCNNFeatures", "ExemplarNetwork", "load_exemplar_weights", "save_exemplar_weights"]
