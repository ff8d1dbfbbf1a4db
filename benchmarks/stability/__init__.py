"""`python -m benchmarks.stability`: trainings that fail, what warns of it, and what prevents it."""
