"""Everything that learns with labels: classifiers, protocols and statistics.

A name is imported when it is first asked for, so that the probes need nothing of pictures and networks.
"""

from typing import TYPE_CHECKING

from dcgan_features.data.utils.lazy import exports_of

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
else:
    __getattr__, __dir__ = exports_of(__name__, __file__)

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
