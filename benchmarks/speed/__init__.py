"""`python -m benchmarks.speed`: this machine's ratios."""
