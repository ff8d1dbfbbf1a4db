"""Folders of a user's pictures: made ready for training, and searched for near-duplicates."""
