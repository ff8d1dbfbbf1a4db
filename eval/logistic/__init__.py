"""Logistic regression as a probe, with a certificate."""

from dcgan_features.data.utils.lazy import import_scikit_learn

import_scikit_learn()  # before the modules here do, with more than they need
