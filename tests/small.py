"""Every public estimator with settings that make it small and quick."""

import inspect
from typing import Any

import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from dcgan_features import features
from dcgan_features.features.exemplar import ExemplarNetwork
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.spec import SVHN_32


def public(package: Any, base: type) -> list[type]:
    """The classes that a package exports and that derive from `base`, which is none of them."""
    exported = [getattr(package, name) for name in package.__all__]
    return [kind for kind in exported if inspect.isclass(kind) and issubclass(kind, base) and kind is not base]


# Settings with which a class, or one derived from it, is checked that cannot do without them or is slow without them.
SMALL: dict[str, Any] = {
    "ContrastFeatures": lambda: {"extractor": features.RawPixels()},
    "DiscriminatorFeatures": lambda: {"discriminator": Discriminator(SVHN_32, torch.Generator().manual_seed(0))},
    "ExemplarCNNFeatures": lambda: {"weights": ExemplarNetwork("4c5-6c5-8f", 3, torch.Generator().manual_seed(0))},
    "KMeansFeatures": lambda: {"n_units": 6, "n_patches": 300, "n_iter": 2, "n_standardise": 12},
    "L2SVMCV": lambda: {"Cs": (0.01, 1.0), "n_splits": 2},
    "LogisticProbeCV": lambda: {"Cs": (0.1, 1.0), "cv": 2},
    "LayeredKMeansFeatures": lambda: {
        "n_units": (8, 8), "n_patches": 300, "n_groups": 2, "group_size": 4, "n_images": 12, "n_samples": 200,
        "n_iter": 2, "n_standardise": 12,
    },
    "M2": lambda: {
        "n_latent": 2, "hidden": 8, "classifier_hidden": 16, "alpha": 5.0, "epochs": 30, "batch_size": 50,
        "learning_rate": 0.03,
    },
    "PrincipalComponents": lambda: {"n_components": 3},
    "Perceptron": lambda: {"hidden": (16,), "dropout": 0.0, "epochs": 20, "batch_size": 10, "learning_rate": 0.01},
    "SWWAE": lambda: {
        "layers": "(8)3c-2p", "epochs": 20, "batch_size": 10, "labelled_batch_size": 10, "learning_rate": 0.01,
        "precision": "fp32",
    },
    "SecondOrderFeatures": lambda: {
        "network": features.DiscriminatorFeatures(Discriminator(SVHN_32, torch.Generator().manual_seed(0))),
        "rank": 3, "n_images": 12,
    },
    "SupervisedCNN": lambda: {
        "maps": (8,), "dropout": 0.0, "epochs": 20, "batch_size": 10, "learning_rate": 0.01, "precision": "fp32",
    },
    "TimmFeatures": lambda: {"model": "test_resnet", "weights": "untrained", "size": 32},
    "TorchModuleFeatures": lambda: {"module": seeded_module()},
    "TorchvisionFeatures": lambda: {"model": "squeezenet1_1", "weights": "untrained", "size": 32},
    "TransformerFeatures": lambda: {"transformer": PCA(3, svd_solver="full")},
    "VariationalFeatures": lambda: {"n_latent": 4, "hidden": (8,), "epochs": 2},
    "ViewFeatures": lambda: {"extractor": features.RawPixels(), "shift": 1, "power": 0.5},
}  # fmt: skip


def seeded_module() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 2, 5, 4), nn.BatchNorm2d(2))


def small(kind: type) -> Any:
    if kind.__name__ == "TimmFeatures":
        pytest.importorskip("timm")
    settings = next((SMALL[each.__name__] for each in kind.__mro__ if each.__name__ in SMALL), dict)
    known = inspect.signature(kind).parameters  # a derived class may leave parameters of its base out
    return kind(**{name: value for name, value in settings().items() if name in known})
