"""`python -m benchmarks.paired`: compare measured rows two by two, from the predictions that they kept."""
