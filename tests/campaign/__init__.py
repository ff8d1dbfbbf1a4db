"""Damaged inputs for every reader, and kill -9 at random moments: `python -m tests.campaign`, seeded."""
