"""The L2-SVM of the tables: estimators, and the solvers beneath them."""

from dcgan_features.data.utils.lazy import import_scikit_learn

import_scikit_learn()  # before the modules here do, with more than they need
