"""Spoken digits: features of spectrograms, learned without labels, on known and on unknown speakers."""
