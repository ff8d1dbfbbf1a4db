"""Everything that learns with labels: classifiers, protocols and statistics."""

from eval.comparison import Comparison, compare, holm
from eval.l2svm import L2SVM, l2svm_path
from eval.m2 import M2
from eval.neighbours import NearestNeighbours, NearestSearch, nearest
from eval.perceptron import Perceptron
from eval.protocols import Evaluation, evaluate, wilson_interval
from eval.selection import L2SVMCV
from eval.supervised_cnn import SupervisedCNN
from eval.swwae import SWWAE
from eval.tsvm import TSVM

__all__ = [
    "L2SVM",
    "L2SVMCV",
    "M2",
    "SWWAE",
    "TSVM",
    "Comparison",
    "Evaluation",
    "NearestNeighbours",
    "NearestSearch",
    "Perceptron",
    "SupervisedCNN",
    "compare",
    "evaluate",
    "holm",
    "l2svm_path",
    "nearest",
    "wilson_interval",
]
