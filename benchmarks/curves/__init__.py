"""`python -m benchmarks.curves`: accuracy by the number of labels."""
