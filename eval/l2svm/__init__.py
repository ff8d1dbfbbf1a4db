"""The L2-SVM of the tables: estimators, and the solvers beneath them."""
