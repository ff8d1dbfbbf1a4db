"""Everything that learns with labels: classifiers, protocols and statistics.

A name is imported when it is first asked for, so that the probes need nothing of pictures and networks.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dcgan_features.eval.l2svm.cross_validation import L2SVMCV
    from dcgan_features.eval.l2svm.estimator import L2SVM, l2svm_path
    from dcgan_features.eval.logistic.estimator import LogisticProbe, LogisticProbeCV, logistic_path
    from dcgan_features.eval.neighbours import NearestNeighbours, NearestSearch, nearest
    from dcgan_features.eval.neural.perceptron import Perceptron
    from dcgan_features.eval.neural.supervised_cnn import SupervisedCNN
    from dcgan_features.eval.protocols import Evaluation, evaluate, wilson_interval
    from dcgan_features.eval.semi_supervised.m2 import M2
    from dcgan_features.eval.semi_supervised.swwae import SWWAE
    from dcgan_features.eval.semi_supervised.tsvm import TSVM
    from dcgan_features.eval.significance import Comparison, compare, holm

_MODULES = {
    "L2SVM": "l2svm.estimator",
    "L2SVMCV": "l2svm.cross_validation",
    "LogisticProbe": "logistic.estimator",
    "LogisticProbeCV": "logistic.estimator",
    "M2": "semi_supervised.m2",
    "SWWAE": "semi_supervised.swwae",
    "TSVM": "semi_supervised.tsvm",
    "Comparison": "significance",
    "Evaluation": "protocols",
    "NearestNeighbours": "neighbours",
    "NearestSearch": "neighbours",
    "Perceptron": "neural.perceptron",
    "SupervisedCNN": "neural.supervised_cnn",
    "compare": "significance",
    "evaluate": "protocols",
    "holm": "significance",
    "l2svm_path": "l2svm.estimator",
    "logistic_path": "logistic.estimator",
    "nearest": "neighbours",
    "wilson_interval": "protocols",
}

__all__ = [
    "L2SVM",
    "L2SVMCV",
    "M2",
    "SWWAE",
    "TSVM",
    "Comparison",
    "Evaluation",
    "LogisticProbe",
    "LogisticProbeCV",
    "NearestNeighbours",
    "NearestSearch",
    "Perceptron",
    "SupervisedCNN",
    "compare",
    "evaluate",
    "holm",
    "l2svm_path",
    "logistic_path",
    "nearest",
    "wilson_interval",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
