"""Classifiers that are trained by gradients, from labels alone; what they share with semi-supervised ones."""
