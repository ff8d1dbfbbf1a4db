"""`python -m benchmarks.layers`: accuracy of each layer of a network."""
