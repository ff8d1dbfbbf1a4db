"""Logistic regression as a probe, with a certificate."""
