"""Everything that learns with labels: classifiers, protocols and statistics."""

from eval.l2svm import L2SVM, l2svm_path

__all__ = ["L2SVM", "l2svm_path"]
