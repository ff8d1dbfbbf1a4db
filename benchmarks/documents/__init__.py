"""`python -m benchmarks.documents`: measured figures in README and docs."""
