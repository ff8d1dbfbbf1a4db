"""Everything that learns with labels: classifiers, protocols and statistics."""

from eval.comparison import Comparison, compare, holm
from eval.l2svm import L2SVM, l2svm_path
from eval.neighbours import NearestNeighbours, NearestSearch, nearest
from eval.protocols import Evaluation, evaluate, wilson_interval
from eval.selection import L2SVMCV

__all__ = [
    "L2SVM",
    "L2SVMCV",
    "Comparison",
    "Evaluation",
    "NearestNeighbours",
    "NearestSearch",
    "compare",
    "evaluate",
    "holm",
    "l2svm_path",
    "nearest",
    "wilson_interval",
]
