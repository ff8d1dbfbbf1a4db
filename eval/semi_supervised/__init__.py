"""Classifiers that also learn from rows without a label."""
